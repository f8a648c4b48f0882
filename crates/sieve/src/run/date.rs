//! `date` and `currentdate` (RFC 5260 §4).

use std::borrow::Cow;

use jiff::civil;
use jiff::tz::Offset;
use mail::date::DateTime;
use mail::header::unfold;

use crate::program::{DateOf, Text, Zone};

use super::{Ran, Run, zone_minutes};

/// From the first day of the Modified Julian calendar to 1 January 1970.
const JULIAN_OF_EPOCH: i64 = 40_587;

impl Run<'_, '_> {
    /// The part of each date that can be read.
    pub(super) fn date_values(&mut self, of: &DateOf, zone: &Zone, part: &Text) -> Ran<Vec<Cow<'static, str>>> {
        let now = self.world.now();
        let dates = match of {
            DateOf::Now => vec![now],
            DateOf::Field(fields) => {
                let message = self.message.clone();
                let mut dates = Vec::new();
                self.each_field(&message, fields, |field| dates.extend(date_of(&field.value)))?;
                dates
            }
        };
        let part = self.expand(part)?.to_ascii_lowercase();
        let offset = match zone {
            Zone::Original => None,
            Zone::Local => Some(now.offset_minutes),
            Zone::Given(zone) => zone_minutes(&self.expand(zone)?).or(Some(now.offset_minutes)),
        };
        let values = dates
            .into_iter()
            .filter_map(|date| {
                let offset_minutes = offset.unwrap_or(date.offset_minutes);
                part_of(DateTime { seconds: date.seconds, offset_minutes }, &part).map(Cow::Owned)
            })
            .collect();
        Ok(values)
    }
}

/// The date of a field; of fields as Received what comes after the last semicolon (RFC 5260 §4).
fn date_of(value: &[u8]) -> Option<DateTime> {
    let value = unfold(value);
    let date = value.rsplit(|&byte| byte == b';').next()?;
    DateTime::parse_rfc5322(date.trim_ascii())
}

// RFC 5260 §4.2
fn part_of(date: DateTime, part: &str) -> Option<String> {
    let local = local(date)?;
    let day = || format!("{:04}-{:02}-{:02}", local.year(), local.month(), local.day());
    let time = || format!("{:02}:{:02}:{:02}", local.hour(), local.minute(), local.second());
    let zone = |colon: &str| {
        let (sign, minutes) = (if date.offset_minutes < 0 { '-' } else { '+' }, date.offset_minutes.unsigned_abs());
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    };
    let julian = || (date.seconds + i64::from(date.offset_minutes) * 60).div_euclid(86_400) + JULIAN_OF_EPOCH;
    Some(match part {
        "year" => format!("{:04}", local.year()),
        "month" => format!("{:02}", local.month()),
        "day" => format!("{:02}", local.day()),
        "date" => day(),
        "julian" => julian().to_string(),
        "hour" => format!("{:02}", local.hour()),
        "minute" => format!("{:02}", local.minute()),
        "second" => format!("{:02}", local.second()),
        "time" => time(),
        "iso8601" => format!("{}T{}{}", day(), time(), zone(":")),
        "std11" => date.to_rfc5322(),
        "zone" => zone(""),
        "weekday" => local.weekday().to_sunday_zero_offset().to_string(),
        _ => return None,
    })
}

fn local(date: DateTime) -> Option<civil::DateTime> {
    let seconds = date.seconds.checked_add(i64::from(date.offset_minutes) * 60)?;
    Some(Offset::UTC.to_datetime(jiff::Timestamp::from_second(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_in_the_zone_that_is_asked_for() {
        let date = date_of(b"from a by b;\r\n Tue, 20 Jul 2010 22:30:05 -0430").unwrap();
        for (part, expected) in [
            ("date", "2010-07-20"),
            ("julian", "55397"),
            ("time", "22:30:05"),
            ("iso8601", "2010-07-20T22:30:05-04:30"),
            ("std11", "Tue, 20 Jul 2010 22:30:05 -0430"),
            ("zone", "-0430"),
            ("weekday", "2"),
        ] {
            assert_eq!(part_of(date, part).unwrap(), expected, "{part}");
        }
        assert_eq!(part_of(DateTime { offset_minutes: 0, ..date }, "date").unwrap(), "2010-07-21");
        assert_eq!(part_of(date, "nonsense"), None);
        assert_eq!(part_of(DateTime::utc(i64::MAX), "year"), None);
        assert!(date_of(b"never").is_none());
    }
}
