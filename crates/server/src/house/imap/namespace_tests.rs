//! ana with her own mailboxes below `INBOX/`, and with public ones: every question speaks the names that clients know, the
//! store has others.

use std::path::Path;
use std::sync::Arc;

use mail::MailboxName;
use mail::acl::{Identifier, Rights};
use mail::namespace::{InList, Namespace, NamespaceKind, Namespaces};
use proto::imap::ask::{Answer, Ask, Refusal, Who};
use store::{SpecialUse, Store, Viewer};

use super::others::Shared;
use super::room::Room;

struct World {
    ana: Arc<store::Account>,
    public: Arc<store::Account>,
    room: Room,
}

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

/// Own mailboxes below `own`, with another name below `old` that is not listed, and public ones.
fn world(own: &str) -> World {
    let store = Store::new(Arc::new(disk::MemoryDisk::new()), store::Settings::default());
    let space = |kind, root: &str, list, hidden| Namespace { kind, root: MailboxName::parse(root).ok(), list, hidden };
    let all = vec![
        space(NamespaceKind::Private, own, InList::Yes, false),
        space(NamespaceKind::Private, "old", InList::Named, true),
        space(NamespaceKind::Public(0), "public", InList::Children, false),
    ];
    let namespaces = Namespaces { all, ..Namespaces::default() };
    let locations = vec!["maildir:/srv/public".parse().unwrap()];
    let shared = Arc::new(Shared { namespaces, sharing: None, store: store.clone(), public: locations });
    let (ana, public) = (store.account(Path::new("/home/ana")).unwrap(), shared.public(0).unwrap());
    World { room: Room::new(Arc::clone(&ana), Viewer::owner("ana"), Some(shared)), ana, public }
}

impl World {
    fn asks(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        match self.room.answer(ask, "test") {
            Answer::Refused(refusal) => Err(refusal),
            answer => Ok(answer),
        }
    }

    fn create(&mut self, outer: &str) -> Result<Answer, Refusal> {
        self.asks(Ask::Create { name: name(outer), special_use: None })
    }

    /// Without those that everybody has; with marks for folders and for what has something below it.
    fn sees(&mut self, space: usize) -> String {
        let Ok(Answer::Mailboxes { mailboxes, .. }) = self.asks(Ask::Mailboxes { spaces: vec![space] }) else {
            panic!()
        };
        let usual = ["Drafts", "Junk", "Trash", "Sent"];
        let of_the_test =
            mailboxes.into_iter().filter(|mailbox| !usual.iter().any(|usual| mailbox.name.as_str().ends_with(usual)));
        let show = |mailbox: proto::imap::ask::MailboxInfo| {
            let marks = [(!mailbox.selectable, "-"), (mailbox.has_children, "+")];
            let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            format!("{marks}{}", mailbox.name)
        };
        let mut shown: Vec<String> = of_the_test.map(show).collect();
        shown.sort_by_key(|line| line.trim_start_matches(['-', '+']).to_owned());
        shown.join(" ")
    }

    fn subscriptions(&mut self) -> Vec<String> {
        let Ok(Answer::Mailboxes { subscriptions, .. }) = self.asks(Ask::Mailboxes { spaces: vec![0] }) else {
            panic!()
        };
        let mut names: Vec<String> = subscriptions.iter().map(MailboxName::to_string).collect();
        names.sort();
        names
    }

    fn gives(&self, mailbox: &str, identifier: Identifier, letters: &str) {
        let rights = Rights::parse(letters).unwrap();
        self.public.change_acl(&name(mailbox), |acl| acl.set(identifier, false, rights)).unwrap();
    }
}

#[test]
fn names_have_the_prefix_outside_and_not_in_the_store() {
    let mut world = world("INBOX");
    world.create("INBOX/Projects/2026").unwrap();
    assert!(world.ana.exists(&name("Projects/2026")).unwrap());
    assert_eq!(world.sees(0), "+INBOX -+INBOX/Projects INBOX/Projects/2026");
    world.asks(Ask::Rename { from: name("INBOX/Projects"), to: name("INBOX/Work") }).unwrap();
    world.asks(Ask::Select { name: name("INBOX/Work/2026"), read_only: false }).unwrap();
    assert_eq!(world.sees(0), "+INBOX -+INBOX/Work INBOX/Work/2026");
    // The same by its other name, which is listed for whoever asks for it.
    assert_eq!(world.sees(1), "INBOX -+old -+old/Work old/Work/2026");
    world.asks(Ask::Delete { name: name("old/Work/2026") }).unwrap();
    assert_eq!(world.sees(0), "+INBOX");
}

#[test]
fn a_mailbox_below_the_inner_inbox_is_found_again() {
    let mut world = world("INBOX");
    world.ana.create(&name("INBOX/x"), None).unwrap();
    assert_eq!(world.sees(0), "+INBOX -+INBOX/INBOX INBOX/INBOX/x");
    assert!(world.asks(Ask::Status { name: name("INBOX/INBOX/x") }).is_ok());
    assert_eq!(world.create("INBOX/INBOX").err(), Some(Refusal::NoPermission));
}

#[test]
fn what_everybody_has_is_below_the_prefix_with_its_use_and_subscribed() {
    let mut world = world("INBOX");
    let Ok(Answer::Mailboxes { mailboxes, subscriptions }) = world.asks(Ask::Mailboxes { spaces: vec![0] }) else {
        panic!()
    };
    let trash = mailboxes.iter().find(|mailbox| mailbox.name == name("INBOX/Trash")).unwrap();
    assert_eq!((trash.special_use, trash.subscribed), (Some(SpecialUse::Trash.attribute()), true));
    assert!(subscriptions.contains(&name("INBOX/Trash")) && subscriptions.contains(&name("INBOX")));
    assert!(world.asks(Ask::Select { name: name("INBOX/Trash"), read_only: false }).is_ok());
    assert!(world.ana.exists(&name("Trash")).unwrap());
}

#[test]
fn a_name_in_no_namespace_is_told_where_it_may_belong() {
    let mut world = world("INBOX");
    let questions = |name: MailboxName| {
        [
            Ask::Create { name: name.clone(), special_use: None },
            Ask::Status { name: name.clone() },
            Ask::Subscribe { name: name.clone() },
            Ask::Unsubscribe { name: name.clone() },
            Ask::Select { name, read_only: true },
        ]
    };
    for ask in questions(name("Sent")) {
        let refused = world.asks(ask).err();
        assert!(matches!(&refused, Some(Refusal::Cannot(why)) if why.ends_with("INBOX/")), "{refused:?}");
    }
}

#[test]
fn subscriptions_are_kept_without_the_prefix_and_those_of_public_mailboxes_with_theirs() {
    for own in ["INBOX", ""] {
        let mut world = world(own);
        let outer = if own.is_empty() { "Work" } else { "INBOX/Work" };
        world.create(outer).unwrap();
        world.public.create(&name("News"), None).unwrap();
        world.gives("News", Identifier::Anyone, "lr");
        for subscribed in [outer, "public/News"] {
            world.asks(Ask::Subscribe { name: name(subscribed) }).unwrap();
        }
        let written = world.ana.subscriptions().unwrap();
        assert!(written.contains(&name("Work")) && written.contains(&name("public/News")), "{written:?}");
        let told = world.subscriptions();
        assert!(told.contains(&outer.to_owned()) && told.contains(&"public/News".to_owned()), "{told:?}");
        for subscribed in [outer, "public/News"] {
            world.asks(Ask::Unsubscribe { name: name(subscribed) }).unwrap();
        }
        assert!(!world.subscriptions().iter().any(|name| name == outer || name == "public/News"));
    }
}

#[test]
fn public_mailboxes_are_for_whom_their_acl_lets_in_and_have_no_owner() {
    let mut world = world("");
    assert_eq!(world.sees(2), "");
    world.public.create(&name("News/2026"), None).unwrap();
    assert_eq!(world.sees(2), "");
    world.gives("News/2026", Identifier::Authenticated, "lr");
    assert_eq!(world.sees(2), "-+public -+public/News public/News/2026");
    let post = Ask::AppendBegin {
        mailbox: name("public/News/2026"),
        flags: mail::Flags::NONE,
        keywords: Vec::new(),
        internal_date: None,
        size: Some(1),
    };
    assert_eq!(world.asks(post).err(), Some(Refusal::NoPermission));
    assert_eq!(world.create("public/Mine").err(), Some(Refusal::NoPermission));
    // What is allowed at the top says the file at the root; `owner` is nobody there.
    world.gives("INBOX", Identifier::Owner, "k");
    assert_eq!(world.create("public/Mine").err(), Some(Refusal::NoPermission));
    world.gives("INBOX", Identifier::User("ana".to_owned()), "lka");
    world.create("public/Mine").unwrap();
    world.gives("News/2026", Identifier::Authenticated, "lra");
    let Ok(Answer::Acl(rows)) = world.asks(Ask::Acl { name: name("public/News/2026") }) else { panic!() };
    let all = Who { identifier: Identifier::Authenticated, negative: false };
    assert_eq!(rows, [(all, Rights::parse("lra").unwrap())]);
    let copy = Ask::Rename { from: name("Sent"), to: name("public/Mine/x") };
    assert!(world.asks(copy).is_err());
}

#[test]
fn a_public_place_is_no_account() {
    let mut world = world("");
    world.public.create(&name("News"), None).unwrap();
    world.gives("News", Identifier::Anyone, "lr");
    assert!(!world.public.exists(&name("Trash")).unwrap());
    assert!(world.public.list().unwrap().iter().all(|listed| listed.special_use.is_none()));
    assert_eq!(world.asks(Ask::Status { name: name("public/INBOX") }).err(), Some(Refusal::NoSuchMailbox));
    let quota = Ask::Quota { mailbox: Some(name("public/News")) };
    assert_eq!(world.asks(quota).err(), Some(Refusal::NoPermission));
    assert_eq!(world.public.quota().unwrap(), None);
}
