//! Dates as headers (RFC 5322 §3.3) and IMAP (RFC 3501 §9) write them. No clock: the time comes from the caller.

use jiff::Timestamp;
use jiff::civil;
use jiff::tz::Offset;

use crate::header::lexer::Lexer;
use crate::search::Day;

const SECONDS_PER_DAY: i64 = 86_400;

/// A moment, and the zone it was told in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// Seconds since 1 January 1970 00:00:00 UTC.
    pub seconds: i64,
    /// Minutes that the local time was ahead of UTC.
    pub offset_minutes: i16,
}

impl DateTime {
    /// A moment told in UTC.
    pub const fn utc(seconds: i64) -> DateTime {
        DateTime { seconds, offset_minutes: 0 }
    }

    /// Reads a `Date:` field's value, with what the wild does to it: comments, zones by name, two-digit years, a missing
    /// name of the day, time or zone (RFC 5322 §3.3 and §4.3).
    pub fn parse_rfc5322(value: &[u8]) -> Option<DateTime> {
        let words = words(value);
        let mut words = words.iter().map(String::as_str).peekable();
        // [day-name ","] day month year
        words.next_if(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()));
        let day = number(words.next()?, 1..=2)?;
        let month = month(words.next()?)?;
        let year = year(words.next()?)?;
        let time = words.next().map_or(Some((0, 0, 0)), time)?;
        let offset_minutes = words.next().map_or(Some(0), zone)?;
        moment((year, month, day), time, offset_minutes)
    }

    /// As a `Date:` field has it: `Sat, 21 Nov 2026 00:15:56 +0000`.
    pub fn to_rfc5322(self) -> String {
        let local = self.local();
        let day_name = DAY_NAMES[local.weekday().to_sunday_zero_offset().rem_euclid(7) as usize];
        let (year, month, day) = (local.year(), month_name(local), local.day());
        format!("{day_name}, {day} {month} {year:04} {} {}", clock(local), self.zone())
    }

    /// Reads `date-time` without its quotes (RFC 3501 §9): `17-Jul-1996 02:44:25 -0700`; a day below 10 may have a space
    /// or a zero before it.
    pub fn parse_imap(text: &str) -> Option<DateTime> {
        let mut words = text.trim_start_matches(' ').split(' ');
        let (date, clock, offset) = (words.next()?, words.next()?, words.next()?);
        let strict = text.len() == 26 && clock.len() == 8 && offset.len() == 5 && words.next().is_none();
        let offset_minutes = strict.then(|| numeric_zone(offset))??;
        moment(imap_date(date)?, time(clock)?, offset_minutes)
    }

    /// As IMAP's INTERNALDATE has it, without quotes: `17-Jul-1996 02:44:25 -0700`, the day padded by a space.
    pub fn to_imap(self) -> String {
        let local = self.local();
        format!("{:2}-{}-{:04} {} {}", local.day(), month_name(local), local.year(), clock(local), self.zone())
    }

    /// The day in its own zone. SEARCH disregards zones (RFC 3501 §6.4.4), so this is the day to compare.
    pub fn day(self) -> Day {
        let days = self.local_seconds().div_euclid(SECONDS_PER_DAY);
        Day(days.clamp(i32::MIN.into(), i32::MAX.into()) as i32)
    }

    /// Year and month in its own zone.
    pub fn month(self) -> (i16, i8) {
        let local = self.local();
        (local.year(), local.month())
    }

    fn local_seconds(self) -> i64 {
        self.seconds.saturating_add(i64::from(self.offset_minutes) * 60)
    }

    // A moment outside of the years -9999 to 9999 cannot be told and becomes the nearest that can.
    fn local(self) -> civil::DateTime {
        let seconds = self.local_seconds().clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
        Offset::UTC.to_datetime(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    fn zone(self) -> String {
        let sign = if self.offset_minutes < 0 { '-' } else { '+' };
        let minutes = self.offset_minutes.unsigned_abs();
        format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

/// Reads `date-text` of SEARCH and its kin (RFC 3501 §9): `1-Feb-1994`.
pub fn parse_imap_day(text: &str) -> Option<Day> {
    moment(imap_date(text)?, (0, 0, 0), 0).map(DateTime::day)
}

const DAY_NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTH_NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

fn month_name(local: civil::DateTime) -> &'static str {
    let index = usize::try_from(local.month()).unwrap_or(1).saturating_sub(1);
    MONTH_NAMES.get(index).copied().unwrap_or("Jan")
}

fn clock(local: civil::DateTime) -> String {
    format!("{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second())
}

/// The longest date worth reading, in words.
const WORDS_MAX: usize = 8;

/// The words of a value without comments; commas separate as spaces do, and so do spaces around the colons of a time
/// (RFC 5322 §4.3 allows them, nobody writes them).
fn words(value: &[u8]) -> Vec<String> {
    let mut lexer = Lexer::new(value);
    let mut words = Vec::new();
    while words.len() < WORDS_MAX {
        lexer.skip_cfws();
        if lexer.eat(b',') {
            continue;
        }
        let word = lexer.take_while(|byte| !byte.is_ascii_whitespace() && byte != b',' && byte != b'(');
        if word.is_empty() {
            break;
        }
        words.push(String::from_utf8_lossy(word).into_owned());
    }
    words
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i16> {
    let plain = digits.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// The number of a month: its English name or the first three letters of it.
fn month(text: &str) -> Option<i8> {
    let name = text.get(..3)?;
    (1..).zip(MONTH_NAMES).find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(number, _)| number)
}

// RFC 5322 §4.3: two digits are 1950 to 2049, three digits are added to 1900.
fn year(text: &str) -> Option<i16> {
    let year = number(text, 2..=4)?;
    Some(match text.len() {
        2 if year < 50 => year + 2000,
        2 | 3 => year + 1900,
        _ => year,
    })
}

// RFC 5322 §3.3: time-of-day = hour ":" minute [":" second]; second 60 is a leap second, told here as the one before it.
fn time(text: &str) -> Option<(i8, i8, i8)> {
    let mut parts = text.split(':');
    let mut part = |max: i16| number(parts.next()?, 1..=2).filter(|number| *number <= max);
    let (hour, minute) = (part(23)?, part(59)?);
    let second = if text.matches(':').count() > 1 { part(60)? } else { 0 };
    let whole = text.matches(':').count() <= 2;
    whole.then_some((hour as i8, minute as i8, second.min(59) as i8))
}

// RFC 5322 §4.3: the names of North America; all others, the military letters included, say nothing certain and are UTC.
fn zone(text: &str) -> Option<i16> {
    if text.starts_with(['+', '-']) {
        return numeric_zone(text);
    }
    let hours = match text.to_ascii_uppercase().as_str() {
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => 0,
    };
    Some(hours * 60)
}

// RFC 5322 §3.3: ("+" / "-") 4DIGIT, hours and minutes.
fn numeric_zone(text: &str) -> Option<i16> {
    let digits = text.strip_prefix(['+', '-'])?;
    let number = number(digits, 4..=4)?;
    let minutes = (number % 100 < 60).then_some(number / 100 * 60 + number % 100)?;
    Some(if text.starts_with('-') { -minutes } else { minutes })
}

// RFC 3501 §9: date-text = date-day "-" date-month "-" date-year; date-year = 4DIGIT
fn imap_date(text: &str) -> Option<(i16, i8, i16)> {
    let mut parts = text.split('-');
    let day = number(parts.next()?, 1..=2)?;
    let month = parts.next().filter(|name| name.len() == 3).and_then(month)?;
    let year = number(parts.next()?, 4..=4)?;
    parts.next().is_none().then_some((year, month, day))
}

fn moment(date: (i16, i8, i16), time: (i8, i8, i8), offset_minutes: i16) -> Option<DateTime> {
    let date = civil::Date::new(date.0, date.1, i8::try_from(date.2).ok()?).ok()?;
    let time = civil::Time::new(time.0, time.1, time.2, 0).ok()?;
    let local = Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?.as_second();
    Some(DateTime { seconds: local - i64::from(offset_minutes) * 60, offset_minutes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn seconds(value: &str) -> Option<i64> {
        DateTime::parse_rfc5322(value.as_bytes()).map(|date| date.seconds)
    }

    #[test]
    fn header_dates_are_read_with_what_the_wild_does_to_them() {
        let moment = seconds("Sat, 21 Nov 2026 00:15:56 +0000");
        assert_eq!(moment, Some(1_795_220_156));
        for same in [
            "21 Nov 2026 00:15:56 GMT",
            "Fri, 20 Nov 2026 20:15:56 -0400 (VET)",
            "Sat,21 Nov 26 00:15:56 Z",
            "Fri (a (b)) , 20 November\r\n 126 19:15:56 EST",
            "  sat, 21 NOV 2026 0:15:56",
        ] {
            assert_eq!(seconds(same), moment, "{same}");
        }
        assert_eq!(seconds("1 Jan 70"), Some(0));
        assert_eq!(seconds("1 Jan 1970 00:01 GMT"), Some(60));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for bad in [
            "",
            "yesterday",
            "31 Feb 2026 00:00:00 +0000",
            "1 Jan 2026 24:00:00 +0000",
            "1 Foo 2026",
            "1 Jan 2026 00:00:00 +00",
            "1 Jan 2026 1:2:3:4",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
        for bad in [
            "",
            "17-Jul-1996",
            "7-Jul-1996 02:44:25 -0700",
            "17-July-1996 2:44:25 -0700",
            "17-Jul-1996 02:44:25 -07:0",
            "17-Jul-96 02:44:25 -0700  ",
        ] {
            assert_eq!(DateTime::parse_imap(bad), None, "{bad}");
        }
    }

    #[test]
    fn imap_dates_are_written_as_they_are_read() {
        for text in ["17-Jul-1996 02:44:25 -0700", " 1-Feb-1994 21:52:25 +0530"] {
            assert_eq!(DateTime::parse_imap(text).unwrap().to_imap(), text);
        }
        assert_eq!(
            DateTime::parse_imap("01-Feb-1994 00:00:00 +0000"),
            DateTime::parse_imap(" 1-Feb-1994 00:00:00 +0000")
        );
    }

    #[test]
    fn the_day_is_the_one_of_its_own_zone() {
        let late = DateTime::parse_imap(" 1-Feb-1994 23:30:00 -0700").unwrap();
        assert_eq!(Some(late.day()), parse_imap_day("1-Feb-1994"));
        assert_eq!(parse_imap_day("01-Jan-1970"), Some(Day(0)));
        assert_eq!(parse_imap_day("31-Dec-1969"), Some(Day(-1)));
        assert_eq!(parse_imap_day("30-Feb-1994"), None);
    }

    proptest! {
        #[test]
        fn any_moment_can_be_told(seconds in any::<i64>(), offset_minutes in any::<i16>()) {
            let date = DateTime { seconds, offset_minutes };
            date.day();
            prop_assert!(date.to_rfc5322().len() + date.to_imap().len() > 50);
        }

        #[test]
        fn a_moment_told_is_read_again(seconds in -60_000_000_000..250_000_000_000_i64, offset_minutes in -1439..1439_i16) {
            let date = DateTime { seconds, offset_minutes };
            prop_assert_eq!(DateTime::parse_rfc5322(date.to_rfc5322().as_bytes()), Some(date));
            prop_assert_eq!(DateTime::parse_imap(&date.to_imap()), Some(date));
        }

        #[test]
        fn any_octets_are_a_date_or_not(value in prop::collection::vec(any::<u8>(), 0..60), text in ".{0,30}") {
            DateTime::parse_rfc5322(&value);
            DateTime::parse_imap(&text);
            parse_imap_day(&text);
        }
    }
}
