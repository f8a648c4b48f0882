//! The peer that vanishes: replays a transcript up to each byte of its input, then closes the connection.
//!
//! What the session says in the end no longer matters; that it ends, and what it asks while it does, does.

use proto::{Next, Session};

use super::format::{Kind, Step, Transcript};
use super::play::{happen, parts};
use super::{Failure, Stage, Way};

/// At most this many places of one transcript are tried; longer ones are cut at even distances.
const CUTS_MAX: usize = 1500;
/// A session that has not come to an end after this many steps never will.
const STEPS_MAX: usize = 1_000_000;

/// Cuts a transcript everywhere. `judge` gets the questions and the answers (as written) in their order.
pub fn cut<S: Stage>(
    stage: &S,
    name: &str,
    text: &str,
    judge: impl Fn(&[(String, String)]) -> Result<(), String>,
) -> Result<(), Failure> {
    let transcript = Transcript::parse(name, text, S::PEER)?;
    let length: usize = steps(&transcript).filter_map(input).map(<[u8]>::len).sum();
    for at in (0..=length).step_by(1 + length / CUTS_MAX) {
        let failure = |got| Failure {
            name: name.to_owned(),
            line: 0,
            way: None,
            expected: format!("a good end when cut after byte {at}"),
            got,
        };
        let asked = cut_at(stage, &transcript, at).map_err(failure)?;
        judge(&asked).map_err(|why| failure(format!("{why}: {asked:?}")))?;
    }
    Ok(())
}

fn steps(transcript: &Transcript) -> impl Iterator<Item = &Step> {
    transcript.blocks.iter().flatten()
}

fn input(step: &Step) -> Option<&[u8]> {
    match &step.kind {
        Kind::Input(bytes) => Some(bytes),
        _ => None,
    }
}

/// What was asked and answered.
type Asked = Vec<(String, String)>;

fn cut_at<S: Stage>(stage: &S, transcript: &Transcript, at: usize) -> Result<Asked, String> {
    let mut run = Run { stage, session: stage.open(&transcript.settings)?, asked: Vec::new(), over: false };
    let mut left = at;
    'all: for block in &transcript.blocks {
        for part in parts(block, Way::LineByLine) {
            let mut foreseen = questions(part);
            if let Some(Step { kind: Kind::Event(name), .. }) = part.first() {
                happen(stage, &mut run.session, name)?;
            }
            run.drive(&mut foreseen)?;
            for bytes in part.iter().filter_map(input) {
                let now = bytes.get(..left).unwrap_or(bytes);
                if !run.over {
                    run.session.receive(now);
                    run.drive(&mut foreseen)?;
                }
                left -= now.len();
                if left == 0 {
                    break 'all;
                }
            }
        }
    }
    if !run.over {
        run.session.closed();
        run.drive(&mut [].into_iter())?;
    }
    Ok(run.asked)
}

/// The questions of a part with their answers.
fn questions(part: &[Step]) -> std::vec::IntoIter<(String, String)> {
    let asks = part.iter().filter_map(|step| if let Kind::Ask(text) = &step.kind { Some(text.clone()) } else { None });
    let answers =
        part.iter().filter_map(|step| if let Kind::Answer(text) = &step.kind { Some(text.clone()) } else { None });
    asks.zip(answers).collect::<Vec<_>>().into_iter()
}

struct Run<'a, S: Stage> {
    stage: &'a S,
    session: S::Session,
    asked: Asked,
    over: bool,
}

impl<S: Stage> Run<'_, S> {
    fn drive(&mut self, foreseen: &mut impl Iterator<Item = (String, String)>) -> Result<(), String> {
        for _ in 0..STEPS_MAX {
            if self.over {
                return Ok(());
            }
            match self.session.next() {
                Next::NeedInput { .. } | Next::StartTls => return Ok(()),
                Next::Close => self.over = true,
                Next::Send(_) | Next::Content(_) | Next::Pause(_) => {}
                Next::Ask(ask) => {
                    let text = self.stage.show(&ask);
                    let written = foreseen.next().filter(|(asked, _)| *asked == text).map(|(_, answer)| answer);
                    let answer = written.as_deref().and_then(|written| self.stage.parse(written));
                    self.session.answer(answer.unwrap_or_else(|| self.stage.otherwise(&ask)));
                    self.asked.push((text, written.unwrap_or_else(|| "otherwise".to_owned())));
                }
            }
        }
        Err(format!("{STEPS_MAX} steps without an end"))
    }
}
