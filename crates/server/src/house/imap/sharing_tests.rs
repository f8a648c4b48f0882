//! bob among ana's mailboxes: what each right lets him do there, and that without it he learns nothing.

use std::path::Path;
use std::sync::Arc;

use mail::acl::{Identifier, Right, Rights};
use mail::flags::{FlagChange, How};
use mail::namespace::{InList, Namespace, NamespaceKind, Namespaces};
use mail::{Flags, MailboxName, Uid};
use proto::imap::ask::{Answer, Ask, Refusal, Who};
use store::{SharedTo, Store, Viewer};

use super::others::{Met, Neighbour, Shared, Sharing};
use super::room::Room;

const DICTIONARY: &str = "/home/shared.db";

struct World {
    disk: Arc<disk::MemoryDisk>,
    store: Store,
    ana: Arc<store::Account>,
    bob: Room,
}

fn name(text: &str) -> MailboxName {
    MailboxName::parse(text).unwrap()
}

fn shared(store: &Store, anyone: bool) -> Option<Arc<Shared>> {
    let sharing = Some(Sharing { dict: store.shared_dict(Path::new(DICTIONARY).to_owned()), anyone });
    let mut namespaces = Namespaces::default();
    let (root, list) = (Some(name("shared")), InList::Children);
    namespaces.all.push(Namespace { kind: NamespaceKind::Shared, root, list, hidden: false });
    Some(Arc::new(Shared { namespaces, sharing, store: store.clone(), public: Vec::new() }))
}

/// ana has the mailboxes Team and Team/sub.
fn world(anyone: bool) -> World {
    let disk = Arc::new(disk::MemoryDisk::new());
    let store = Store::new(Arc::clone(&disk) as Arc<dyn disk::Disk>, store::Settings::default());
    let account = |user: &str| store.account(&Path::new("/home").join(user)).unwrap();
    let ana = account("ana");
    ana.create(&name("Team"), None).unwrap();
    ana.create(&name("Other"), None).unwrap();
    let mut bob = Room::new(account("bob"), Viewer::owner("bob"), shared(&store, anyone));
    let neighbour = |name: &str, account| Neighbour { name: name.to_owned(), account };
    bob.meet(Met::from([
        ("ana".to_owned(), neighbour("ana", Some(Arc::clone(&ana)))),
        ("ana@example.test".to_owned(), neighbour("ana", Some(Arc::clone(&ana)))),
        ("bob".to_owned(), neighbour("bob", Some(account("bob")))),
        ("empty".to_owned(), neighbour("empty", None)),
    ]));
    World { disk, ana, bob, store }
}

impl World {
    fn gives(&self, mailbox: &str, letters: &str) {
        let rights = Rights::parse(letters).unwrap();
        let set = |acl: &mut store::Acl| acl.set(Identifier::User("bob".to_owned()), false, rights);
        self.ana.change_acl(&name(mailbox), set).unwrap();
    }

    /// A message of ana's.
    fn message(&self, mailbox: &str) -> Uid {
        let mut draft = self.ana.draft(&name(mailbox)).unwrap();
        draft.write(b"Subject: x\r\n\r\n").unwrap();
        draft.append(Flags::NONE, &[], None).unwrap().uid
    }

    fn asks(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        match self.bob.answer(ask, "test") {
            Answer::Refused(refusal) => Err(refusal),
            answer => Ok(answer),
        }
    }

    fn sees(&mut self) -> String {
        let Ok(Answer::Mailboxes { mailboxes, .. }) = self.asks(Ask::Mailboxes { spaces: vec![0, 1] }) else {
            panic!()
        };
        let shared = mailboxes.into_iter().filter(|mailbox| mailbox.name.as_str().starts_with("shared"));
        let show = |mailbox: proto::imap::ask::MailboxInfo| {
            let marks = [(mailbox.selectable, ""), (!mailbox.selectable, "-"), (mailbox.has_children, "+")];
            let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
            format!("{marks}{}", mailbox.name)
        };
        let mut shown: Vec<String> = shared.map(show).collect();
        shown.sort_by_key(|line| line.trim_start_matches(['-', '+']).to_owned());
        shown.join(" ")
    }
}

fn who(user: &str) -> Who {
    Who { identifier: Identifier::User(user.to_owned()), negative: false }
}

/// Each question, what it needs, and what is heard without it.
fn questions(below: &str) -> Vec<(Ask, &'static str, Refusal)> {
    let team = || name(&format!("{below}/Team"));
    let sub = |sub: &str| name(&format!("{below}/Team/{sub}"));
    let rights = Rights::of(&[Right::Lookup]);
    use Refusal::{NoPermission, NoSuchMailbox};
    let append = Ask::AppendBegin {
        mailbox: team(),
        flags: Flags::NONE,
        keywords: Vec::new(),
        internal_date: None,
        size: Some(1),
    };
    vec![
        (Ask::Status { name: team() }, "r", NoSuchMailbox),
        (Ask::Select { name: team(), read_only: true }, "r", NoSuchMailbox),
        (Ask::Subscribe { name: team() }, "l", NoSuchMailbox),
        (append, "i", NoSuchMailbox),
        (Ask::Acl { name: team() }, "a", NoSuchMailbox),
        (Ask::MayAdminister { name: team() }, "a", NoSuchMailbox),
        (Ask::SetAcl { name: team(), who: who("eva"), how: How::Add, rights }, "a", NoSuchMailbox),
        (Ask::DeleteAcl { name: team(), who: who("eva") }, "a", NoSuchMailbox),
        (Ask::MyRights { name: team() }, "", NoSuchMailbox),
        (Ask::Create { name: sub("a"), special_use: None }, "k", NoPermission),
        (Ask::Rename { from: sub("old"), to: sub("new") }, "xk", NoSuchMailbox),
        (Ask::Delete { name: sub("old") }, "x", NoSuchMailbox),
    ]
}

#[test]
fn every_question_needs_its_right_and_no_other() {
    for at in 0..questions("shared/ana").len() {
        let (_, needed, _) = questions("shared/ana").swap_remove(at);
        for letter in needed.chars().map(Some).chain([None]) {
            let mut world = world(false);
            let held: String = "lrwstipekxa".chars().filter(|held| *held == 'l' || Some(*held) != letter).collect();
            let given = if letter.is_none() { format!("l{needed}") } else { held };
            world.gives("Team", &given);
            world.ana.create(&name("Team/old"), None).unwrap();
            let (ask, ..) = questions("shared/ana").swap_remove(at);
            let said = format!("{ask:?} with {given}");
            let heard = world.asks(ask);
            match letter.filter(|letter| *letter != 'l') {
                Some(_) => assert_eq!(heard.err(), Some(Refusal::NoPermission), "{said}"),
                None => assert!(heard.is_ok(), "{said}: {heard:?}"),
            }
        }
    }
}

#[test]
fn forbidden_empty_and_unknown_sound_the_same() {
    for below in ["shared/ana", "shared/empty", "shared/nobody", "shared/bob"] {
        for (ask, _, refusal) in questions(below) {
            let mut world = world(false);
            world.ana.create(&name("Team/old"), None).unwrap();
            let said = format!("{ask:?}");
            assert_eq!(world.asks(ask).err(), Some(refusal), "{said}");
        }
    }
    for nowhere in ["shared", "shared/ana", "shared/ana/Nope"] {
        let refused = world(false).asks(Ask::Select { name: name(nowhere), read_only: false }).err();
        assert_eq!(refused, Some(Refusal::NoSuchMailbox), "{nowhere}");
    }
}

#[test]
fn only_what_may_be_looked_up_is_listed_once_and_without_its_owners_secrets() {
    let mut world = world(false);
    assert_eq!(world.sees(), "");
    world.ana.create(&name("Team/a/b"), None).unwrap();
    world.gives("Team/a/b", "l");
    assert_eq!(world.sees(), "-+shared -+shared/ana -+shared/ana/Team -+shared/ana/Team/a shared/ana/Team/a/b");
    world.gives("Team", "lr");
    world.gives("INBOX", "lr");
    world.gives("Team/a/b", "r");
    assert_eq!(world.sees(), "-+shared +shared/ana shared/ana/Team");
    // An account that has a mailbox of that name itself does not see it any more.
    let home = world.store.account(Path::new("/home/bob")).unwrap();
    home.create(&name("shared/mine"), None).unwrap();
    assert_eq!(world.sees(), "-+shared +shared/ana shared/ana/Team");
}

#[test]
fn anothers_inbox_has_his_name_and_is_not_to_be_deleted() {
    let mut world = world(false);
    world.gives("INBOX", "lrkx");
    for inbox in ["shared/ana", "shared/ana/INBOX", "shared/ana@example.test/inbox"] {
        assert!(world.asks(Ask::Select { name: name(inbox), read_only: true }).is_ok(), "{inbox}");
        assert!(matches!(world.asks(Ask::Delete { name: name(inbox) }), Err(Refusal::Cannot(_))), "{inbox}");
    }
}

#[test]
fn what_is_changed_is_told_to_the_dictionary_by_one_names() {
    let mut world = world(false);
    let store = world.store.clone();
    world.gives("Team", "la");
    let with = || {
        let dict = store.shared_dict(Path::new(DICTIONARY).to_owned());
        ["bob", "eva"].map(|user| dict.owners(&Viewer { user: user.to_owned(), ..Viewer::default() }).unwrap().len())
    };
    let team = || name("shared/ana@example.test/Team");
    let rights = Rights::of(&[Right::Lookup]);
    world.asks(Ask::SetAcl { name: team(), who: who("eva"), how: How::Replace, rights }).unwrap();
    assert_eq!(with(), [1, 1]);
    let Ok(Answer::Acl(rows)) = world.asks(Ask::Acl { name: team() }) else { panic!() };
    assert_eq!(rows.iter().filter(|(row, _)| *row == who("ana")).count(), 1);
    world.asks(Ask::DeleteAcl { name: team(), who: who("eva") }).unwrap();
    assert_eq!(with(), [1, 0]);
    // Whoever is known by another name is meant by it.
    world.asks(Ask::SetAcl { name: team(), who: who("ana@example.test"), how: How::Replace, rights }).unwrap();
    assert_eq!(world.ana.acl(&name("Team")).unwrap().rights_of(&who("ana").identifier, false), Some(rights));
    assert!(!world.ana.shared_with().unwrap().contains(&SharedTo::User("ana@example.test".to_owned())));
}

#[test]
fn rights_that_change_hold_for_a_mailbox_that_is_selected() {
    let mut world = world(false);
    world.gives("Team", "lrwe");
    let uid = world.message("Team");
    world.asks(Ask::Select { name: name("shared/ana/Team"), read_only: false }).unwrap();
    let expunge = || Ask::Expunge { uids: vec![uid] };
    let star = || Ask::Store {
        uids: vec![uid],
        change: FlagChange { how: How::Add, flags: Flags::FLAGGED, keywords: Vec::new() },
    };
    let flags = |world: &World| world.ana.open(&name("Team")).unwrap().snapshot().row(uid).map(|row| row.flags);
    world.gives("Team", "lr");
    assert_eq!(world.asks(expunge()).err(), Some(Refusal::NoPermission));
    world.asks(star()).unwrap();
    assert_eq!(flags(&world), Some(Flags::NONE));
    world.gives("Team", "lrw");
    world.asks(star()).unwrap();
    assert_eq!(flags(&world), Some(Flags::FLAGGED));
    world.gives("Team", "lw");
    assert_eq!(world.asks(star()).err(), Some(Refusal::NoSuchMailbox));
    assert_eq!(world.asks(Ask::Sync).err(), Some(Refusal::NoSuchMailbox));
}

#[test]
fn a_mailbox_is_not_renamed_over_the_head_of_one_below_it() {
    let mut world = world(false);
    world.ana.create(&name("Team/sub"), None).unwrap();
    world.gives("Team", "lrkx");
    let rename = || Ask::Rename { from: name("shared/ana/Team"), to: name("shared/ana/Team2") };
    world.gives("Other", "k");
    assert_eq!(world.asks(rename()).err(), Some(Refusal::NoPermission));
    let below = || Ask::Rename { from: name("shared/ana/Team"), to: name("shared/ana/Other/x") };
    assert_eq!(world.asks(below()).err(), Some(Refusal::NoPermission));
    world.gives("Team/sub", "x");
    assert!(world.asks(below()).is_ok());
}

#[test]
fn sharing_with_everybody_is_the_administrators_choice() {
    for (anyone, expected) in [(false, true), (true, false)] {
        let mut world = world(anyone);
        world.gives("Team", "la");
        let everybody = |negative| Who { identifier: Identifier::Anyone, negative };
        let set = |negative| Ask::SetAcl {
            name: name("shared/ana/Team"),
            who: everybody(negative),
            how: How::Replace,
            rights: Rights::of(&[Right::Lookup]),
        };
        assert_eq!(matches!(world.asks(set(false)), Err(Refusal::Cannot(_))), expected);
        assert!(world.asks(set(true)).is_ok());
        assert!(world.asks(Ask::DeleteAcl { name: name("shared/ana/Team"), who: everybody(false) }).is_ok());
    }
}

#[test]
fn nothing_is_renamed_into_another_account_and_nobodys_quota_is_told() {
    let mut world = world(false);
    world.gives("Team", "lrkxa");
    let rename = |from: &str, to: &str| Ask::Rename { from: name(from), to: name(to) };
    for ask in [rename("shared/ana/Team", "Mine"), rename("Drafts", "shared/ana/Team/x")] {
        assert!(matches!(world.asks(ask), Err(Refusal::Cannot(_))));
    }
    let quota = |of: &str| Ask::Quota { mailbox: Some(name(of)) };
    assert_eq!(world.asks(quota("shared/ana/Team")).err(), Some(Refusal::NoPermission));
    assert_eq!(world.asks(quota("shared/nobody/Team")).err(), Some(Refusal::NoSuchMailbox));
}

/// Copies a message with flags to a mailbox where one has these rights; how many calls of the disk that took.
fn copies_with(letters: &str) -> (World, u64) {
    let mut world = world(false);
    world.gives("Team", letters);
    let own = world.store.account(Path::new("/home/bob")).unwrap();
    let mut draft = own.draft(&name("INBOX")).unwrap();
    draft.write(b"Subject: x\n\n").unwrap();
    let uid = draft.append(Flags::SEEN.with(Flags::FLAGGED), &[], None).unwrap().uid;
    world.asks(Ask::Select { name: name("INBOX"), read_only: false }).unwrap();
    let before = world.disk.calls();
    world.asks(Ask::Copy { uids: vec![uid], to: name("shared/ana/Team") }).unwrap();
    let calls = world.disk.calls() - before;
    (world, calls)
}

#[test]
fn what_may_not_be_set_does_not_come_along_with_a_copy() {
    let (world, calls) = copies_with("lri");
    let copy = world.ana.open(&name("Team")).unwrap();
    assert!(copy.snapshot().rows.iter().all(|row| row.flags == Flags::NONE) && copy.snapshot().rows.len() == 1);
    // Nothing is taken away from a copy that is made already: that could fail, and the client would hear NO.
    assert_eq!(calls, copies_with("lristw").1);
}
