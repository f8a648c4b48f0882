//! MIME structure.
use std::ops::Range;
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub header: Range<u64>,
    pub body: Range<u64>,
    pub lines: u64,
    pub fields: Vec<u8>,
    pub media: Media,
    pub children: Children,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Children {
    Leaf,
    Multipart(Vec<Part>),
    Message(Box<Part>),
}
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Media {
    pub kind: Vec<u8>,
    pub subtype: Vec<u8>,
    pub params: Vec<(Vec<u8>, Vec<u8>)>,
    pub id: Option<Vec<u8>>,
    pub description: Option<Vec<u8>>,
    pub encoding: Vec<u8>,
    pub md5: Option<Vec<u8>>,
    pub location: Option<Vec<u8>>,
    pub language: Vec<Vec<u8>>,
    pub disposition: Option<Disposition>,
}
pub type Disposition = (Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);
#[derive(Debug, Default)]
pub struct Indexer;
impl Indexer {
    pub fn new() -> Self {
        Self
    }
    pub fn feed(&mut self, _bytes: &[u8]) {}
    pub fn finish(self) -> Part {
        Part { header: 0..0, body: 0..0, lines: 0, fields: Vec::new(), media: Media::default(), children: Children::Leaf }
    }
}
impl Part {
    pub fn section(&self, _path: &[u32]) -> Option<&Part> {
        None
    }
}
pub fn decode_transfer(_encoding: &[u8], body: &[u8]) -> Vec<u8> {
    body.to_vec()
}
