//! Dates.
use crate::search::Day;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime {
    pub seconds: i64,
    pub offset_minutes: i16,
}
impl DateTime {
    pub fn utc(seconds: i64) -> DateTime {
        DateTime { seconds, offset_minutes: 0 }
    }
    pub fn parse_rfc5322(_text: &[u8]) -> Option<DateTime> {
        None
    }
    pub fn to_rfc5322(self) -> String {
        String::new()
    }
    pub fn parse_imap(_text: &str) -> Option<DateTime> {
        None
    }
    pub fn to_imap(self) -> String {
        String::new()
    }
    pub fn day(self) -> Day {
        Day(0)
    }
}
pub fn parse_imap_day(_text: &str) -> Option<Day> {
    None
}
