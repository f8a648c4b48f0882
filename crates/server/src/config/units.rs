//! Durations and sizes as operators write them.

use std::time::Duration;

/// The longest duration accepted: ten years.
const DURATION_MAX: Duration = Duration::from_secs(10 * 365 * 86_400);

const TIME_UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZE_UNITS: [(char, u64); 3] = [('K', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];

/// Parses `500ms`, `30s`, `5m`, `12h` or `1d`; at most ten years.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = TIME_UNITS.iter().find(|(name, _)| *name == unit)?;
    let millis = number.parse::<u64>().ok()?.checked_mul(*factor)?;
    Some(Duration::from_millis(millis)).filter(|duration| *duration <= DURATION_MAX)
}

/// Parses a number of octets, with `K`, `M` or `G` for powers of 1024.
pub fn parse_size(text: &str) -> Option<u64> {
    let with_unit = SIZE_UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(*unit)?, *factor)));
    let (number, factor) = with_unit.unwrap_or((text, 1));
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse::<u64>().ok()?.checked_mul(factor))?
}

/// A duration in the largest unit that shows it exactly.
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis() as u64;
    let (unit, factor) =
        TIME_UNITS.iter().rev().find(|(_, factor)| millis.is_multiple_of(*factor)).unwrap_or(&TIME_UNITS[0]);
    format!("{}{unit}", millis / factor)
}

/// A size for people: `19 MiB`.
pub fn show_size(octets: u64) -> String {
    match octets {
        0..1024 => format!("{octets} B"),
        1024..1_048_576 => format!("{:.1} KiB", octets as f64 / 1024.0),
        _ => format!("{:.1} MiB", octets as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_a_unit_and_a_bound() {
        assert_eq!(parse_duration("5m"), Some(Duration::from_secs(300)));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        for bad in ["", "5", "m", "5 m", "-5m", "1.5h", "5M", "99999999999d"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(show_duration(Duration::from_secs(5400)), "90m");
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_size("25M"), Some(26_214_400));
        assert_eq!(parse_size("0"), Some(0));
        for bad in ["", "M", "5MM", "-1", "1.5M", "5m", "99999999999999G"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }
}
