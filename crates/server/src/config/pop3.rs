//! `[pop3]`: from its texts to settings.

use mail::{Flags, Keyword};

use super::Mistake;
use super::settings::{DeletedFlag, Pop3Settings};
use super::written::Written;

/// Reads the table.
pub fn settle(written: &Written, mistakes: &mut Vec<Mistake>) -> Pop3Settings {
    let table = written.table("pop3").unwrap_or_else(|| panic!("the schema has no table `pop3`"));
    let yes = |key| table.text(key) == Some("yes");
    let text = table.text("deleted_flag");
    let deleted_flag = text.and_then(flag);
    if text.is_some() && deleted_flag.is_none() {
        let (message, help) = ("expected a flag", "as \"$POP3Deleted\" or \"\\\\Deleted\"".to_owned());
        mistakes.push(Mistake { span: table.place("deleted_flag"), message: message.into(), help: Some(help) });
    }
    Pop3Settings {
        lock_session: yes("lock_session"),
        no_flag_updates: yes("no_flag_updates"),
        deleted_flag,
        reuse_xuidl: yes("reuse_xuidl"),
        save_uidl: yes("save_uidl"),
        enable_last: yes("enable_last"),
    }
}

fn flag(text: &str) -> Option<DeletedFlag> {
    match text.starts_with('\\') {
        true => Flags::system(text).map(DeletedFlag::System),
        false => Keyword::parse(text).map(DeletedFlag::Keyword),
    }
}
