//! Plays a transcript to a session and compares. Promises that a failure names the first line that was not followed.

use proto::{Next, Session};

use super::format::{Kind, Step, Transcript, escaped};
use super::{Failure, Stage, Way};

/// A session that has not asked for input after this many steps never will.
const STEPS_MAX: usize = 1_000_000;

/// Plays the whole transcript in one way.
pub(super) fn play<S: Stage>(stage: &S, transcript: &Transcript, way: Way) -> Result<(), Failure> {
    let fail = |line, expected: String, got: String| Failure {
        name: transcript.name.clone(),
        line,
        way: Some(way),
        expected,
        got,
    };
    let session = stage.open(&transcript.settings).map_err(|error| fail(1, "settings".into(), error))?;
    let mut player = Player { stage, session, closed: false, handshake: false, waits: String::new() };
    for block in &transcript.blocks {
        for part in parts(block, way) {
            player.part(part, way).map_err(|Mismatch { line, expected, got }| fail(line, expected, got))?;
        }
    }
    Ok(())
}

/// Cuts a block where something must have happened before the next thing is done: before each event, and line by line also
/// where the peer speaks again.
pub(super) fn parts(block: &[Step], way: Way) -> impl Iterator<Item = &[Step]> {
    block.chunk_by(move |before, after| match (&before.kind, &after.kind) {
        (_, Kind::Event(_)) => false,
        (Kind::Input(_), _) => true,
        (_, Kind::Input(_)) => way != Way::LineByLine,
        _ => true,
    })
}

struct Mismatch {
    line: usize,
    expected: String,
    got: String,
}

/// Something that the session did besides sending.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    Ask(String),
    Content(Vec<u8>),
    Effect(String),
}

impl Deed {
    fn show(&self) -> String {
        match self {
            Deed::Ask(text) => format!("? {text}"),
            Deed::Content(bytes) => format!("T| {}", escaped(bytes)),
            Deed::Effect(text) => format!("= {text}"),
        }
    }
}

/// A deed and how much had been sent before it.
#[derive(Debug)]
struct Placed {
    deed: Deed,
    sent: usize,
    line: usize,
}

/// What a part of a transcript foresees, or what a session did.
#[derive(Debug, Default)]
struct Course {
    deeds: Vec<Placed>,
    output: Vec<u8>,
}

impl Course {
    fn push(&mut self, deed: Deed, line: usize) {
        if let (Deed::Content(more), Some(Placed { deed: Deed::Content(bytes), .. })) = (&deed, self.deeds.last_mut()) {
            bytes.extend_from_slice(more);
            return;
        }
        self.deeds.push(Placed { deed, sent: self.output.len(), line });
    }

    fn foreseen(part: &[Step]) -> Course {
        let mut course = Course::default();
        for Step { line, kind } in part {
            match kind {
                Kind::Output(bytes) => course.output.extend_from_slice(bytes),
                Kind::Content(bytes) => course.push(Deed::Content(bytes.clone()), *line),
                Kind::Ask(text) => course.push(Deed::Ask(text.clone()), *line),
                Kind::Effect(text) => course.push(Deed::Effect(text.clone()), *line),
                Kind::Input(_) | Kind::Answer(_) | Kind::Event(_) | Kind::Waits(_) | Kind::AnyContent => {}
            }
        }
        course
    }
}

struct Player<'a, S: Stage> {
    stage: &'a S,
    session: S::Session,
    closed: bool,
    /// TLS is being started: the session is left alone until an event says how that went.
    handshake: bool,
    waits: String,
}

impl<S: Stage> Player<'_, S> {
    fn part(&mut self, part: &[Step], way: Way) -> Result<(), Mismatch> {
        let first_line = part.first().map_or(0, |step| step.line);
        let mut answers = part.iter().filter(|step| matches!(step.kind, Kind::Answer(_)));
        let mut course = Course::default();
        if let Some(Step { line, kind: Kind::Event(name) }) = part.first() {
            self.handshake = false;
            happen(self.stage, &mut self.session, name).map_err(|got| Mismatch {
                line: *line,
                expected: "an event".into(),
                got,
            })?;
        }
        self.drive(&mut course, &mut answers, first_line)?;
        for chunk in chunks(part, way) {
            if self.closed {
                break;
            }
            self.session.receive(&chunk);
            self.drive(&mut course, &mut answers, first_line)?;
        }
        if part.iter().any(|step| step.kind == Kind::AnyContent) {
            course.deeds.retain(|placed| !matches!(placed.deed, Deed::Content(_)));
        }
        compare(&Course::foreseen(part), &course, part)?;
        self.compare_waits(part)
    }

    /// Lets the session go on until it wants input, TLS, or its end.
    fn drive<'t>(
        &mut self,
        course: &mut Course,
        answers: &mut impl Iterator<Item = &'t Step>,
        line: usize,
    ) -> Result<(), Mismatch> {
        for _ in 0..STEPS_MAX {
            if self.closed || self.handshake {
                return Ok(());
            }
            match self.session.next() {
                Next::NeedInput { patience, watch } => {
                    self.waits = format!("waits {}s{}", patience.as_secs(), if watch { " watching" } else { "" });
                    return Ok(());
                }
                Next::Send(bytes) => course.output.extend_from_slice(&bytes),
                Next::Content(bytes) => course.push(Deed::Content(bytes), line),
                Next::Pause(time) => course.push(Deed::Effect(format!("pause {}ms", time.as_millis())), line),
                Next::StartTls => {
                    course.push(Deed::Effect("starttls".into()), line);
                    self.handshake = true;
                }
                Next::Close => {
                    course.push(Deed::Effect("closed".into()), line);
                    self.closed = true;
                }
                Next::Ask(ask) => {
                    let text = self.stage.show(&ask);
                    course.push(Deed::Ask(text.clone()), line);
                    self.answer(answers.next(), text, line)?;
                }
            }
        }
        Err(Mismatch {
            line,
            expected: "an end of it".into(),
            got: format!("{STEPS_MAX} steps without asking for input"),
        })
    }

    fn answer(&mut self, answer: Option<&Step>, asked: String, line: usize) -> Result<(), Mismatch> {
        let Some(Step { line, kind: Kind::Answer(text) }) = answer else {
            return Err(Mismatch { line, expected: "no further question".into(), got: format!("? {asked}") });
        };
        let Some(answer) = self.stage.parse(text) else {
            return Err(Mismatch { line: *line, expected: "an answer".into(), got: format!("! {text}") });
        };
        self.session.answer(answer);
        Ok(())
    }

    fn compare_waits(&self, part: &[Step]) -> Result<(), Mismatch> {
        let differs = |step: &&Step| matches!(&step.kind, Kind::Waits(text) if *text != self.waits);
        match part.iter().find(differs) {
            Some(Step { line, kind: Kind::Waits(text) }) => {
                Err(Mismatch { line: *line, expected: format!("= {text}"), got: format!("= {}", self.waits) })
            }
            _ => Ok(()),
        }
    }
}

/// Tells a session of an event by the name that transcripts give it.
pub(super) fn happen<S: Stage>(stage: &S, session: &mut S::Session, name: &str) -> Result<(), String> {
    match name {
        "timeout" => session.timed_out(),
        "tls" => session.tls_started(),
        "eof" => session.closed(),
        "changed" => session.changed(),
        "shutdown" => session.shut_down(),
        _ if stage.event(session, name) => {}
        _ => return Err(format!("+ {name}")),
    }
    Ok(())
}

fn chunks(part: &[Step], way: Way) -> Vec<Vec<u8>> {
    let lines = part.iter().filter_map(|step| match &step.kind {
        Kind::Input(bytes) => Some(bytes.clone()),
        _ => None,
    });
    match way {
        Way::LineByLine => lines.collect(),
        Way::ByteByByte => lines.flatten().map(|byte| vec![byte]).collect(),
        Way::AllAtOnce => vec![lines.flatten().collect()],
    }
}

fn compare(foreseen: &Course, done: &Course, part: &[Step]) -> Result<(), Mismatch> {
    let last_line = part.last().map_or(0, |step| step.line);
    let mut pairs = foreseen.deeds.iter().zip(&done.deeds);
    if let Some((expected, got)) = pairs.find(|(expected, got)| expected.deed != got.deed) {
        return Err(Mismatch { line: expected.line, expected: expected.deed.show(), got: got.deed.show() });
    }
    if let Some((expected, _)) = foreseen.deeds.iter().zip(&done.deeds).find(|(expected, got)| got.sent > expected.sent)
    {
        return Err(Mismatch {
            line: expected.line,
            expected: format!("{} first", expected.deed.show()),
            got: format!("what comes after it was sent before: {}", escaped(&done.output)),
        });
    }
    compare_output(&foreseen.output, &done.output, part)?;
    match (foreseen.deeds.get(done.deeds.len()), done.deeds.get(foreseen.deeds.len())) {
        (Some(missing), _) => {
            Err(Mismatch { line: missing.line, expected: missing.deed.show(), got: "nothing".into() })
        }
        (_, Some(extra)) => Err(Mismatch { line: last_line, expected: "nothing more".into(), got: extra.deed.show() }),
        _ => Ok(()),
    }
}

/// Compares what was sent, line of the transcript by line, so that the first that differs is named.
fn compare_output(expected: &[u8], got: &[u8], part: &[Step]) -> Result<(), Mismatch> {
    if expected == got {
        return Ok(());
    }
    let mut rest = got;
    for Step { line, kind } in part {
        let Kind::Output(bytes) = kind else { continue };
        match rest.strip_prefix(bytes.as_slice()) {
            Some(after) => rest = after,
            None => return Err(Mismatch { line: *line, expected: escaped(bytes), got: escaped(rest) }),
        }
    }
    let line = part.last().map_or(0, |step| step.line);
    Err(Mismatch { line, expected: "nothing more sent".into(), got: escaped(rest) })
}
