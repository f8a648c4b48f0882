//! Search programs that nobody sends: those that people type.

use std::sync::Arc;

use mail::search::Key;
use mail::{MailboxName, Snapshot};

use super::keys;
use crate::imap::parse::{Fault, Parser};
use crate::imap::view::View;

/// What is searched for by `SINCE 1-Jan-2026 UNSEEN`, in a mailbox that holds this.
///
/// # Errors
/// What is wrong with it.
pub fn search_key(text: &str, mailbox: &MailboxName, snapshot: Arc<Snapshot>) -> Result<Key, String> {
    let view = View::new(mailbox.clone(), snapshot, Vec::new(), true);
    let spaced = format!(" {}", text.trim());
    match keys::program(&mut Parser::new(spaced.as_bytes()), &view) {
        Ok(program) => Ok(program.key),
        Err(Fault::Syntax(text)) => Err(text.into_owned()),
        Err(Fault::Refused(completion)) => Err(completion.text.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use mail::{Flags, Keywords, ModSeq, Rows, Uid, UidValidity};

    use super::*;

    #[test]
    fn what_people_type_is_searched_for() {
        let snapshot = Arc::new(Snapshot {
            uid_validity: UidValidity::new(1).unwrap(),
            uid_next: Uid::FIRST,
            highest_modseq: ModSeq(1),
            keywords: Keywords::default(),
            rows: Rows::default(),
        });
        let key = |text| search_key(text, &MailboxName::inbox(), Arc::clone(&snapshot));
        assert_eq!(key("SEEN"), Ok(Key::Flags(Flags::SEEN)));
        assert_eq!(key(" all "), Ok(Key::All));
        assert!(matches!(key("FROM ana SINCE 1-Jan-2026"), Ok(Key::And(_))));
        for bad in ["", "NOTHING", "SINCE tomorrow", "CHARSET x ALL"] {
            assert!(key(bad).is_err(), "{bad}");
        }
    }
}
