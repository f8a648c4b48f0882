//! Delivery status notifications.
use crate::date::DateTime;
use crate::{Address, Reply};
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    Failed,
    Delayed,
    Delivered,
    Relayed,
}
#[derive(Debug, Clone, Copy)]
pub enum Returned<'a> {
    Headers(&'a [u8]),
    Whole(&'a [u8]),
}
#[derive(Debug, Clone)]
pub struct ReportedRecipient<'a> {
    pub address: &'a Address,
    pub original: Option<&'a str>,
    pub reply: &'a Reply,
    pub remote_mta: Option<&'a str>,
    pub last_attempt: DateTime,
    pub will_retry_until: Option<DateTime>,
}
#[derive(Debug, Clone)]
pub struct Report<'a> {
    pub kind: ReportKind,
    pub reporting_mta: &'a str,
    pub from: &'a str,
    pub message_id: &'a str,
    pub boundary: &'a str,
    pub date: DateTime,
    pub arrival: DateTime,
    pub to: &'a Address,
    pub envelope_id: Option<&'a str>,
    pub recipients: Vec<ReportedRecipient<'a>>,
    pub original: Returned<'a>,
}
impl Report<'_> {
    pub fn write(&self) -> Vec<u8> {
        Vec::new()
    }
}
