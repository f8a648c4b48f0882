//! The CR LF view.
