//! How far a long command is, on a terminal; nothing where nobody looks.

use indicatif::{ProgressBar, ProgressStyle};

/// A line that counts; it goes away at the end.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// `what` is said before the count.
    pub fn start(what: String) -> Progress {
        // Draws on standard error, and only if that is a terminal.
        let bar = ProgressBar::new_spinner().with_message(what);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}: {human_pos} messages, {per_sec}, {elapsed}") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    pub fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
