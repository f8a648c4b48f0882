//! How far a long command is, on a terminal; nothing where nobody looks.

use indicatif::{ProgressBar, ProgressStyle};

/// A line that counts; it goes away at the end.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// `what` is said before the count of messages.
    pub fn start(what: String) -> Progress {
        Progress::of(what, "messages")
    }

    /// The same for something else that is counted.
    pub fn of(what: String, counted: &str) -> Progress {
        // Draws on standard error, and only if that is a terminal.
        let bar = ProgressBar::new_spinner().with_message(what);
        let template = format!("{{spinner}} {{msg}}: {{human_pos}} {counted}, {{per_sec}}, {{elapsed}}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Progress(bar)
    }

    /// What is said from now on.
    pub fn say(&self, what: String) {
        self.0.set_message(what);
    }

    /// Lets something be printed meanwhile.
    pub fn beside(&self, print: impl FnOnce()) {
        self.0.suspend(print);
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
