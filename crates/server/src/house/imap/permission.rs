//! What a session may do in its account (RFC 4314 §4): which right each question needs, in one table, and what is left of
//! a change of flags, or of a list of mailboxes, for somebody who may not do everything.

use std::collections::BTreeSet;

use mail::flags::{FlagChange, How, Keywords};
use mail::{Flags, Keyword, MailboxName};
use proto::imap::ask::{Ask, MayChange, Refusal};
use store::{Account, Listed, Right, Rights, Viewer};

use super::others::Place;
use Of::{Above, Mailbox, Selected};

/// Of which mailbox a right is needed.
#[derive(Debug, Clone, Copy)]
enum Of<'a> {
    Mailbox(&'a MailboxName),
    /// The nearest one above it that is there; at the top everything is the owner's, and nothing anybody else's.
    Above(&'a MailboxName),
    Selected,
}

// RFC 4314 §4, the table; RFC 6851 §3.3 for MOVE. What is not here needs nothing, or (STORE, LIST) is answered in part.
fn needs(ask: &Ask) -> Vec<(Of<'_>, Right)> {
    match ask {
        Ask::Status { name } | Ask::Select { name, .. } | Ask::Borrow { mailbox: Some(name), .. } => {
            vec![(Mailbox(name), Right::Read)]
        }
        Ask::Borrow { mailbox: None, .. } => vec![(Selected, Right::Read)],
        Ask::Subscribe { name } => vec![(Mailbox(name), Right::Lookup)],
        Ask::Create { name, .. } => vec![(Above(name), Right::Create)],
        Ask::Delete { name } => vec![(Mailbox(name), Right::Delete)],
        Ask::Rename { from, to } => vec![(Mailbox(from), Right::Delete), (Above(to), Right::Create)],
        Ask::AppendBegin { mailbox: to, .. } | Ask::Copy { to, .. } => vec![(Mailbox(to), Right::Insert)],
        Ask::Move { to, .. } => {
            vec![(Mailbox(to), Right::Insert), (Selected, Right::WriteDeleted), (Selected, Right::Expunge)]
        }
        Ask::Acl { name } | Ask::SetAcl { name, .. } | Ask::DeleteAcl { name, .. } | Ask::MayAdminister { name } => {
            vec![(Mailbox(name), Right::Admin)]
        }
        Ask::Expunge { .. } => vec![(Selected, Right::Expunge)],
        // RFC 8508 §4.1: as STORE of \Deleted and EXPUNGE.
        Ask::AppendEnd { replaces: Some(_) } => vec![(Selected, Right::WriteDeleted), (Selected, Right::Expunge)],
        _ => Vec::new(),
    }
}

/// Whether the question may be answered. `place`: where a name leads; `selected`: the rights in the selected mailbox.
pub(super) fn permit(
    place: impl Fn(&MailboxName) -> store::Result<Option<Place>>,
    selected: Rights,
    ask: &Ask,
) -> store::Result<Result<(), Refusal>> {
    for (of, right) in needs(ask) {
        // Of an account that is not there one hears what one hears of an account that shares nothing.
        let rights = match of {
            Mailbox(name) => place(name)?.map_or(Ok(Rights::NONE), |place| place.rights())?,
            Above(name) => place(name)?.map_or(Ok(Rights::NONE), |place| rights_above(&place))?,
            Selected => selected,
        };
        if !rights.has(right) {
            // RFC 4314 §6: who may not look a mailbox up does not learn that it is there.
            let hidden = matches!(of, Mailbox(_)) && !rights.has(Right::Lookup);
            return Ok(Err(if hidden { Refusal::NoSuchMailbox } else { Refusal::NoPermission }));
        }
    }
    let comes_along = match ask {
        Ask::Rename { from, .. } => place(from)?.map_or(Ok(true), |place| may_move_those_below(&place))?,
        _ => true,
    };
    Ok(if comes_along { Ok(()) } else { Err(Refusal::NoPermission) })
}

/// RFC 4314 §4 asks for a right in the mailbox that is renamed. Those below it are taken away from their place as well.
fn may_move_those_below(place: &Place) -> store::Result<bool> {
    // RFC 3501 §6.3.5: what is below INBOX stays when INBOX is renamed.
    if place.name.is_inbox() {
        return Ok(true);
    }
    for listed in place.account.list()?.into_iter().filter(|listed| listed.exists && listed.name.is_below(&place.name))
    {
        if !place.account.rights(&listed.name, &place.viewer)?.has(Right::Delete) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn rights_above(place: &Place) -> store::Result<Rights> {
    for parent in std::iter::successors(place.name.parent(), MailboxName::parent) {
        if place.account.exists(&parent)? {
            return place.account.rights(&parent, &place.viewer);
        }
    }
    match &place.owner {
        // As in Dovecot: what the file at the root says holds for the top.
        None => place.account.rights(&MailboxName::inbox(), &place.viewer),
        Some(_) => Ok(if place.viewer.owner { Rights::ALL } else { Rights::NONE }),
    }
}

/// RFC 4314 §4: who has any of these learns which rights he has; for anybody else the mailbox is not there.
pub(super) fn may_ask_for_rights(rights: Rights) -> bool {
    let any = [Right::Lookup, Right::Read, Right::Insert, Right::Create, Right::Delete, Right::Admin];
    any.iter().any(|right| rights.has(*right))
}

/// The mailboxes that may be looked up, and as names the ones above those. One's own INBOX always is, as with Dovecot.
pub(super) fn visible(account: &Account, viewer: &Viewer, listed: Vec<Listed>) -> store::Result<Vec<Listed>> {
    let mut shown = BTreeSet::new();
    for mailbox in listed.iter().filter(|mailbox| mailbox.selectable) {
        let free = viewer.owner && (mailbox.name.is_inbox() || !mailbox.exists);
        if free || account.rights_lately(&mailbox.name, viewer)?.has(Right::Lookup) {
            shown.insert(mailbox.name.clone());
        }
    }
    let above: BTreeSet<MailboxName> =
        shown.iter().flat_map(|name| std::iter::successors(name.parent(), MailboxName::parent)).collect();
    let visible = listed.into_iter().filter(|mailbox| shown.contains(&mailbox.name) || above.contains(&mailbox.name));
    Ok(visible
        .map(|mailbox| Listed {
            selectable: shown.contains(&mailbox.name),
            has_children: above.contains(&mailbox.name),
            ..mailbox
        })
        .collect())
}

/// RFC 4314 §5.2: a mailbox that one may change in no way is read-only.
pub(super) fn is_read_only(rights: Rights) -> bool {
    let changing = [Right::Insert, Right::Expunge, Right::Write, Right::WriteDeleted, Right::WriteSeen];
    !changing.iter().any(|right| rights.has(*right))
}

pub(super) fn may_change(rights: Rights) -> MayChange {
    MayChange {
        seen: rights.has(Right::WriteSeen),
        deleted: rights.has(Right::WriteDeleted),
        others: rights.has(Right::Write),
    }
}

/// The part of some flags that one may set (RFC 4314 §4, Copying or appending messages).
pub(super) fn part_of(flags: Flags, keywords: Vec<Keyword>, may: MayChange) -> (Flags, Vec<Keyword>) {
    (flags.without(beyond(may)), if may.others { keywords } else { Vec::new() })
}

/// What of a change one may do (RFC 4314 §4, STORE), perhaps in two steps, perhaps nothing.
pub(super) fn part_of_change(change: FlagChange, may: MayChange, known: &Keywords) -> Vec<FlagChange> {
    if may == MayChange::ALL {
        return vec![change];
    }
    let (flags, keywords) = part_of(change.flags, change.keywords, may);
    let mut parts = Vec::new();
    if change.how == How::Replace {
        let others = known.iter().map(|(_, keyword)| keyword).filter(|keyword| !keywords.contains(keyword)).cloned();
        let others = if may.others { others.collect() } else { Vec::new() };
        let rest = Flags::SYSTEM.without(beyond(may)).without(flags);
        parts.push(FlagChange { how: How::Remove, flags: rest, keywords: others });
    }
    let how = if change.how == How::Replace { How::Add } else { change.how };
    parts.push(FlagChange { how, flags, keywords });
    parts.retain(|part| part.flags != Flags::NONE || !part.keywords.is_empty());
    parts
}

/// The system flags that one may not change.
pub(super) fn beyond(may: MayChange) -> Flags {
    let own = Flags::SEEN.with(Flags::DELETED);
    [(may.seen, Flags::SEEN), (may.deleted, Flags::DELETED), (may.others, Flags::SYSTEM.without(own))]
        .iter()
        .filter(|(allowed, _)| !allowed)
        .fold(Flags::NONE, |all, (_, flags)| all.with(*flags))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use proto::imap::ask::Answer;
    use store::{Identifier, Store};

    use super::super::room::Room;
    use super::*;

    /// A mailbox `Team` whose owner left himself these rights, and a session of his.
    fn left_with(rights: &[Right]) -> (Arc<Account>, Room) {
        let store = Store::new(Arc::new(disk::MemoryDisk::new()), store::Settings::default());
        let account = store.account(Path::new("/home/ana")).unwrap();
        account.create(&team(), None).unwrap();
        account.change_acl(&team(), |acl| acl.set(Identifier::Owner, false, Rights::of(rights))).unwrap();
        let viewer = Viewer { user: "ana".to_owned(), groups: Vec::new(), owner: true };
        (Arc::clone(&account), Room::new(account, viewer, None))
    }

    fn team() -> MailboxName {
        MailboxName::parse("Team").unwrap()
    }

    fn refusal(room: &mut Room, ask: Ask) -> Option<Refusal> {
        match room.answer(ask, "test") {
            Answer::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    fn questions() -> Vec<Ask> {
        let sub = MailboxName::parse("Team/sub").unwrap();
        vec![
            Ask::Status { name: team() },
            Ask::Select { name: team(), read_only: false },
            Ask::Subscribe { name: team() },
            Ask::Copy { uids: Vec::new(), to: team() },
            Ask::Create { name: sub, special_use: None },
            Ask::Rename { from: team(), to: MailboxName::parse("Crew").unwrap() },
            Ask::Delete { name: team() },
        ]
    }

    #[test]
    fn without_its_right_nothing_is_done() {
        let (account, mut room) = left_with(&[Right::Lookup]);
        let allowed = |ask: &Ask| matches!(ask, Ask::Subscribe { .. });
        for ask in questions() {
            let expected = (!allowed(&ask)).then_some(Refusal::NoPermission);
            assert_eq!(refusal(&mut room, ask), expected);
        }
        assert!(account.exists(&team()).unwrap());
    }

    #[test]
    fn what_may_not_be_looked_up_does_not_seem_to_be_there() {
        let (_, mut room) = left_with(&[]);
        assert_eq!(refusal(&mut room, Ask::Status { name: team() }), Some(Refusal::NoSuchMailbox));
        let Answer::Mailboxes { mailboxes, .. } = room.answer(Ask::Mailboxes { spaces: vec![0] }, "test") else {
            panic!("no list")
        };
        assert!(mailboxes.iter().any(|mailbox| mailbox.name.is_inbox()));
        assert!(mailboxes.iter().all(|mailbox| mailbox.name != team()));
    }

    #[test]
    fn a_mailbox_that_cannot_be_changed_is_selected_read_only() {
        let only = |rights: &[Right]| {
            let (_, mut room) = left_with(rights);
            match room.answer(Ask::Select { name: team(), read_only: false }, "test") {
                Answer::Selected { read_only, may_change, .. } => (read_only, may_change),
                other => panic!("{other:?}"),
            }
        };
        let seen = MayChange { seen: true, deleted: false, others: false };
        assert_eq!(only(&[Right::Lookup, Right::Read, Right::Admin]), (true, MayChange { seen: false, ..seen }));
        assert_eq!(only(&[Right::Lookup, Right::Read, Right::WriteSeen]), (false, seen));
        assert!(!only(&[Right::Lookup, Right::Read, Right::Expunge]).0);
    }

    #[test]
    fn only_flags_that_one_may_change_are_changed() {
        let may = MayChange { seen: true, deleted: false, others: false };
        let change = |how| FlagChange { how, flags: Flags::SEEN.with(Flags::DELETED), keywords: Vec::new() };
        let part = |how| FlagChange { how, flags: Flags::SEEN, keywords: Vec::new() };
        let known = Keywords::default();
        assert_eq!(part_of_change(change(How::Add), may, &known), [part(How::Add)]);
        assert_eq!(part_of_change(change(How::Replace), may, &known), [part(How::Add)]);
        let none = FlagChange { how: How::Replace, flags: Flags::NONE, keywords: Vec::new() };
        assert_eq!(part_of_change(none, may, &known), [part(How::Remove)]);
        let may = MayChange { seen: false, deleted: false, others: false };
        assert!(part_of_change(change(How::Add), may, &known).is_empty());
    }
}
