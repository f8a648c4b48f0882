//! Header blocks as they come in the wild.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    pub name: &'a [u8],
    pub value: &'a [u8],
    pub whole: &'a [u8],
}
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailAddress {
    pub name: Option<Vec<u8>>,
    pub route: Option<Vec<u8>>,
    pub mailbox: Option<Vec<u8>>,
    pub host: Option<Vec<u8>>,
}
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvelopeFields {
    pub date: Option<Vec<u8>>,
    pub subject: Option<Vec<u8>>,
    pub from: Vec<MailAddress>,
    pub sender: Vec<MailAddress>,
    pub reply_to: Vec<MailAddress>,
    pub to: Vec<MailAddress>,
    pub cc: Vec<MailAddress>,
    pub bcc: Vec<MailAddress>,
    pub in_reply_to: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
}
pub fn fields(_block: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::empty()
}
pub fn find<'a>(_block: &'a [u8], _name: &str) -> Option<Field<'a>> {
    None
}
pub fn unfold(value: &[u8]) -> Vec<u8> {
    value.to_vec()
}
pub fn header_end(_bytes: &[u8]) -> Option<usize> {
    None
}
pub fn addresses(_value: &[u8]) -> Vec<MailAddress> {
    Vec::new()
}
pub fn envelope(_block: &[u8]) -> EnvelopeFields {
    EnvelopeFields::default()
}
