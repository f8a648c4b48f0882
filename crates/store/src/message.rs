//! A message open for reading.

use std::sync::Arc;

use mail::date::DateTime;
use mail::mime::Part;

use crate::Result;

#[derive(Debug)]
pub struct Message {}

impl Message {
    /// Octets with CR LF line ends.
    pub fn size(&self) -> u64 {
        unimplemented!()
    }

    pub fn internal_date(&self) -> DateTime {
        unimplemented!()
    }

    /// Fills `buf` with content from `offset`, both counted with CR LF line ends; 0 at the end.
    pub fn read_at(&mut self, _offset: u64, _buf: &mut [u8]) -> Result<usize> {
        unimplemented!()
    }

    pub fn structure(&mut self) -> Result<Arc<Part>> {
        unimplemented!()
    }

    /// The header block with its empty line.
    pub fn header(&mut self) -> Result<Vec<u8>> {
        unimplemented!()
    }
}
