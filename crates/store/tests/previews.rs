//! Previews (RFC 8970): learned when a message comes in, or when one is asked for, and remembered by the node's index.

use std::path::Path;
use std::sync::Arc;

use disk::MemoryDisk;
use mail::digest::{Fields, Want};
use mail::preview::Wanted;
use mail::{Flags, MailboxName, Uid};
use store::{Account, Settings, Store};

fn node(disk: &MemoryDisk, index: bool) -> Arc<Account> {
    let index = index.then(|| Path::new("/var/index").to_owned());
    let settings = Settings { index, ..Settings::default() };
    Store::new(Arc::new(disk.clone()), settings).account(Path::new("/home/ana")).unwrap()
}

fn append(account: &Arc<Account>, content: &str) {
    let mut draft = account.draft(&MailboxName::inbox()).unwrap();
    draft.write(content.as_bytes()).unwrap();
    draft.append(Flags::NONE, &[], None).unwrap();
}

fn previews(account: &Arc<Account>, want: Want) -> Vec<Option<String>> {
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    let uids: Vec<Uid> = inbox.snapshot().rows.iter().map(|row| row.uid).collect();
    inbox.digests(&uids, &want).unwrap().digests.into_iter().map(|digest| digest.preview).collect()
}

fn wanted(preview: Wanted) -> Want {
    Want { preview, ..Want::SIZE }
}

fn message(text: &str) -> String {
    format!("Subject: x\r\n\r\n{text}\r\n")
}

#[test]
fn what_came_in_here_has_a_preview_that_costs_nothing() {
    let disk = MemoryDisk::new();
    let account = node(&disk, true);
    append(&account, &message("Hello, añ\u{301}o."));
    append(&account, "Content-Type: image/png\r\n\r\nxyz\r\n");
    let expected = [Some("Hello, añ\u{301}o.".to_owned()), Some(String::new())];
    assert_eq!(previews(&account, wanted(Wanted::Lazy)), expected);
    assert_eq!(previews(&account, wanted(Wanted::Yes)), expected);
    assert_eq!(previews(&account, wanted(Wanted::No)), [None, None]);
    // With all that is remembered beside it.
    let all = Want { fields: Fields::envelope(), structure: true, ..wanted(Wanted::Lazy) };
    assert_eq!(previews(&account, all), expected);
}

#[test]
fn a_preview_that_nobody_knows_is_made_for_whom_can_wait_and_remembered() {
    let disk = MemoryDisk::new();
    // By a node without an index; and with a text that begins far behind what is kept when it comes in.
    append(&node(&disk, false), &message("Hello."));
    append(&node(&disk, true), &format!("X-Long: {}\r\n\r\nFar.\r\n", "x\r\n ".repeat(20_000)));
    let account = node(&disk, true);
    assert_eq!(previews(&account, wanted(Wanted::Lazy)), [None, None]);
    let expected = [Some("Hello.".to_owned()), Some("Far.".to_owned())];
    assert_eq!(previews(&account, wanted(Wanted::Yes)), expected);
    assert_eq!(previews(&account, wanted(Wanted::Lazy)), expected);
    drop(account);
    assert_eq!(previews(&node(&disk, true), wanted(Wanted::Lazy)), expected);
}

#[test]
fn without_an_index_a_preview_is_made_each_time_and_a_lazy_one_never() {
    let disk = MemoryDisk::new();
    let account = node(&disk, false);
    append(&account, &message("Hello."));
    assert_eq!(previews(&account, wanted(Wanted::Yes)), [Some("Hello.".to_owned())]);
    assert_eq!(previews(&account, wanted(Wanted::Lazy)), [None]);
}

#[test]
fn a_copy_has_the_preview_of_what_it_is_made_of() {
    let disk = MemoryDisk::new();
    let account = node(&disk, true);
    append(&account, &message("Hello."));
    let inbox = account.open(&MailboxName::inbox()).unwrap();
    inbox.copy(&[Uid::FIRST], &inbox).unwrap();
    assert_eq!(previews(&account, wanted(Wanted::Lazy)), [Some("Hello.".to_owned()), Some("Hello.".to_owned())]);
}
