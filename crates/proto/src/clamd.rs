//! What clamd is told and what it answers (clamd(8), "COMMANDS"). No IO.
//!
//! ```text
//! scan    = "zINSTREAM" NUL *chunk zero          ; one for each message
//! chunk   = length octets                        ; length: 4 octets, network order, never nought
//! zero    = %x00.00.00.00
//! answer  = "stream: OK" / "stream: " name " FOUND" / anything " ERROR"    ; each up to NUL
//! ```

/// Begins a scan.
pub const SCAN: &[u8] = b"zINSTREAM\0";
/// Ends its content.
pub const END: [u8; 4] = [0; 4];
/// Asks who it is; answered with one line.
pub const VERSION: &[u8] = b"zVERSION\0";

/// The most of one chunk. clamd reads each into a buffer of its own, so this only bounds ours.
pub const CHUNK_LENGTH_MAX: usize = 256 * 1024;
/// The longest answer: names are short, and so are errors.
pub const ANSWER_LENGTH_MAX: usize = 4096;
/// The longest name of a virus that is repeated.
pub const NAME_LENGTH_MAX: usize = 200;

/// What precedes the octets of a chunk, which has at most `CHUNK_LENGTH_MAX`.
pub fn chunk_head(length: usize) -> [u8; 4] {
    debug_assert!((1..=CHUNK_LENGTH_MAX).contains(&length), "a chunk of {length} octets");
    u32::try_from(length).unwrap_or(0).to_be_bytes()
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Clean,
    /// The name of what was found; printable ASCII without spaces.
    Infected(String),
    /// More than the scanner wants to see (`StreamMaxLength`). It may say so before it has everything.
    TooLarge,
    /// It could not scan; why, for the log.
    Failed(String),
}

/// Reads an answer, of which `octets` are all that came so far. `None`: it goes on. With `ended` nothing more comes.
pub fn answer(octets: &[u8], ended: bool) -> Option<Answer> {
    let line = match octets.iter().position(|&octet| matches!(octet, 0 | b'\n')) {
        Some(end) => &octets[..end],
        None if ended || octets.len() >= ANSWER_LENGTH_MAX => return Some(Answer::Failed(unfinished(octets))),
        None => return None,
    };
    Some(judge(line))
}

fn judge(line: &[u8]) -> Answer {
    let text = line.trim_ascii();
    if text == b"stream: OK" {
        return Answer::Clean;
    }
    let found = text.strip_prefix(b"stream: ").and_then(|rest| rest.strip_suffix(b" FOUND"));
    match found.map(|name| plain(name, NAME_LENGTH_MAX)) {
        Some(name) if !name.is_empty() => Answer::Infected(name),
        _ if text.starts_with(b"INSTREAM size limit exceeded") => Answer::TooLarge,
        _ => Answer::Failed(format!("answered {}", shown(text))),
    }
}

fn unfinished(octets: &[u8]) -> String {
    if octets.is_empty() { "hung up".to_owned() } else { format!("answered only {}", shown(octets)) }
}

fn shown(octets: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(&octets[..octets.len().min(NAME_LENGTH_MAX)]))
}

/// A name as it may stand in a reply and in a header field.
fn plain(octets: &[u8], length_max: usize) -> String {
    let harmless = |octet: u8| octet.is_ascii_graphic() && !b"()<>\\".contains(&octet);
    octets.iter().take(length_max).map(|&octet| if harmless(octet) { char::from(octet) } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_what_clamd_says() {
        let cases: [(&[u8], Answer); 5] = [
            (b"stream: OK\0", Answer::Clean),
            (
                b"stream: Eicar-Test-Signature.UNOFFICIAL FOUND\0",
                Answer::Infected("Eicar-Test-Signature.UNOFFICIAL".into()),
            ),
            (b"stream: Win.Test (a)\r FOUND\n", Answer::Infected("Win.Test__a__".into())),
            (b"INSTREAM size limit exceeded. ERROR\0", Answer::TooLarge),
            (
                b"stream: Can't allocate memory ERROR\0",
                Answer::Failed("answered \"stream: Can't allocate memory ERROR\"".into()),
            ),
        ];
        for (octets, expected) in cases {
            assert_eq!(answer(octets, false), Some(expected));
            for length in 0..octets.len() {
                assert_eq!(answer(&octets[..length], false), None, "it may go on");
                assert!(matches!(answer(&octets[..length], true), Some(Answer::Failed(_))), "cut short it is none");
            }
        }
    }

    #[test]
    fn nothing_else_is_clean() {
        for said in
            ["", "OK", "stream:OK", "stream: OK FOUND?", "stream:  FOUND", "stream: FOUND", "UNKNOWN COMMAND", "x: OK"]
        {
            let answered = answer(format!("{said}\0").as_bytes(), true);
            assert!(matches!(answered, Some(Answer::Failed(_))), "{said}: {answered:?}");
        }
    }

    #[test]
    fn any_octets_are_an_answer_of_bounded_length() {
        for first in 0..=u8::MAX {
            for length in [1, 7, NAME_LENGTH_MAX + 1, ANSWER_LENGTH_MAX, 2 * ANSWER_LENGTH_MAX] {
                let octets: Vec<u8> = (0..length).map(|at| (usize::from(first) + at * 7) as u8).collect();
                for octets in [octets.clone(), [b"stream: ", octets.as_slice(), b" FOUND\0"].concat()] {
                    match answer(&octets, true) {
                        Some(Answer::Infected(name)) => {
                            assert!(
                                name.len() <= NAME_LENGTH_MAX && name.bytes().all(|octet| octet.is_ascii_graphic())
                            );
                        }
                        Some(Answer::Failed(why)) => assert!(why.len() <= 20 * NAME_LENGTH_MAX),
                        other => assert!(other.is_some()),
                    }
                }
            }
        }
    }
}
