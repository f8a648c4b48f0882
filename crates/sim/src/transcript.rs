//! Golden conversations: files that say what a peer sends, what a session asks and is answered, and what it sends back.
//!
//! Each is replayed three ways: line by line, byte by byte, and all at once (whatever the peer may send without waiting
//! arrives in one piece). A session must behave the same in all three. `cut` makes the peer vanish after every byte.
//! The format is described in docs/internals/transcripts.md. Knows no protocol: a `Stage` renders questions, parses answers.

mod cut;
mod format;
mod play;

use std::fmt;
use std::path::{Path, PathBuf};

use proto::Session;

pub use cut::cut;
pub use format::{Transcript, unescape};

/// Which side of the conversation the peer is; the session under test is the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The session is a server: `C:` goes in, `S:` comes out.
    Client,
    /// The session is a client: `S:` goes in, `C:` comes out.
    Server,
}

/// How a protocol's session is put on and how its questions and answers are written.
pub trait Stage {
    type Session: Session;

    /// Who sends the input.
    const PEER: Peer;

    /// A fresh session with the settings of the transcript's `@` line.
    fn open(&self, settings: &str) -> Result<Self::Session, String>;

    /// A question as `?` lines have it.
    fn show(&self, ask: &<Self::Session as Session>::Ask) -> String;

    /// An answer from a `!` line; `None` if it is none.
    fn parse(&self, answer: &str) -> Option<<Self::Session as Session>::Answer>;

    /// The answer to a question that the transcript does not foresee, when the peer has vanished.
    fn otherwise(&self, ask: &<Self::Session as Session>::Ask) -> <Self::Session as Session>::Answer;

    /// An event only this protocol's session knows. `false` if there is none of this name.
    fn event(&self, _session: &mut Self::Session, _name: &str) -> bool {
        false
    }
}

/// The ways to replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    LineByLine,
    ByteByByte,
    AllAtOnce,
}

impl Way {
    pub const ALL: [Way; 3] = [Way::LineByLine, Way::ByteByByte, Way::AllAtOnce];
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::LineByLine => "line by line",
            Way::ByteByByte => "byte by byte",
            Way::AllAtOnce => "all at once",
        })
    }
}

/// Where a session did not follow its transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub name: String,
    pub line: usize,
    pub way: Option<Way>,
    pub expected: String,
    pub got: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.line)?;
        if let Some(way) = self.way {
            write!(f, " ({way})")?;
        }
        write!(f, "\n  expected  {}\n  got       {}", self.expected, self.got)
    }
}

/// Replays a transcript in all three ways. `name` is what a failure calls it.
pub fn replay<S: Stage>(stage: &S, name: &str, text: &str) -> Result<(), Failure> {
    let transcript = Transcript::parse(name, text, S::PEER)?;
    Way::ALL.into_iter().try_for_each(|way| play::play(stage, &transcript, way))
}

/// The transcripts (`*.txt`) of a folder, sorted. An empty or missing folder is a failure: it would prove nothing.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let is_transcript = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "txt");
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_transcript).collect();
    paths.sort();
    if paths.is_empty() { Err(format!("{}: no transcripts", folder.display())) } else { Ok(paths) }
}

/// The file of a folder that says what `\\{NAME}` stands for in its transcripts: a name, a space, a text each line.
const WORDS: &str = "words";

/// A transcript's text, the words of its folder put in.
pub fn read(path: &Path) -> Result<String, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let text = read(path)?;
    let words = path.with_file_name(WORDS);
    if !words.exists() {
        return Ok(text);
    }
    let words = read(&words)?;
    let words = words.lines().filter_map(|line| line.split_once(' '));
    Ok(words.fold(text, |text, (name, meaning)| text.replace(&format!("\\{{{name}}}"), meaning)))
}

/// Replays every transcript of a folder. Panics with every failure found, for use in tests.
pub fn replay_folder<S: Stage>(stage: &S, folder: &Path) {
    let paths = files(folder).unwrap_or_else(|error| panic!("{error}"));
    let failures: Vec<String> = paths.iter().filter_map(|path| replay_file(stage, path).err()).collect();
    assert!(
        failures.is_empty(),
        "{} of {} transcripts failed\n\n{}",
        failures.len(),
        paths.len(),
        failures.join("\n\n")
    );
}

fn replay_file<S: Stage>(stage: &S, path: &Path) -> Result<(), String> {
    let text = read(path)?;
    replay(stage, &path.display().to_string(), &text).map_err(|failure| failure.to_string())
}

/// Cuts every transcript of a folder after every byte. `judge` gets the questions asked up to the end, in order, each with
/// whether it was answered with a refusal. Panics with the first failure of each file.
pub fn cut_folder<S: Stage>(stage: &S, folder: &Path, judge: impl Fn(&[(String, String)]) -> Result<(), String>) {
    let paths = files(folder).unwrap_or_else(|error| panic!("{error}"));
    for path in paths {
        let text = read(&path).unwrap_or_else(|error| panic!("{error}"));
        if let Err(failure) = cut(stage, &path.display().to_string(), &text, &judge) {
            panic!("{failure}");
        }
    }
}
