//! Hashes of passwords under a key that lives and dies with the process: what is kept of a password in memory.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use proto::sasl::Secret;

/// Makes the hashes. Two of them know nothing of each other's.
pub struct Keyed(hmac::Key);

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed(…)")
    }
}

impl Keyed {
    /// `None` when the system gives no random numbers.
    pub fn new() -> Option<Keyed> {
        hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok().map(Keyed)
    }

    /// The hash of a name with a password.
    pub fn tag(&self, login: &str, password: &Secret) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        // A login has no NUL in it (`proto::sasl`), so no two pairs look alike.
        [login.as_bytes(), b"\0", password.reveal().as_bytes()].iter().for_each(|part| context.update(part));
        context.sign()
    }
}
