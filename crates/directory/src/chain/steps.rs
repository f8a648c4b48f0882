//! What was done on the way to an answer, told step by step to an operator who asks for it. Costs nothing where nobody
//! does.

/// The steps, if somebody listens.
#[derive(Debug, Default)]
pub struct Steps(Option<Vec<String>>);

impl Steps {
    /// Nobody listens.
    pub fn silent() -> Steps {
        Steps(None)
    }

    pub fn told() -> Steps {
        Steps(Some(Vec::new()))
    }

    /// The words are only made when somebody listens. Never a password.
    pub fn tell(&mut self, step: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push(step());
        }
    }

    pub fn into_steps(self) -> Vec<String> {
        self.0.unwrap_or_default()
    }
}
