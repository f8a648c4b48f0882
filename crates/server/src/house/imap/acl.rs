//! What SETACL makes of a mailbox's ACL, and GETACL tells of it (RFC 4314 §3). Pure.

use mail::acl::{Identifier, Right, Rights};
use mail::flags::How;
use proto::imap::ask::Who;
use store::{Acl, Viewer};

/// A change of what is said of somebody.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) who: Who,
    /// `None`: nothing more is said.
    pub(super) rights: Option<(How, Rights)>,
}

/// Makes the change. `one_name` is the account's that a user's name means, `owner` the one whose mailbox it is, `viewer` who changes it.
/// False when the ACL has no room for it.
pub(super) fn change(
    acl: &mut Acl,
    change: Change,
    one_name: Option<&str>,
    owner: Option<&str>,
    viewer: &Viewer,
) -> bool {
    let Change { who: Who { identifier, negative }, rights } = change;
    let identifier = match (identifier, one_name) {
        // A row that is there under the name that was typed is the one that was meant.
        (Identifier::User(typed), Some(name))
            if acl.rights_of(&Identifier::User(typed.clone()), negative).is_none() =>
        {
            Identifier::User(name.to_owned())
        }
        (identifier, _) => identifier,
    };
    let Some((how, rights)) = rights else {
        acl.remove(&identifier, negative);
        return true;
    };
    // What GETACL tells of an owner of whom no row speaks is what is added to.
    let untold = if is_owner(&identifier, owner) && !negative { owners(acl, owner) } else { Rights::NONE };
    let before = acl.rights_of(&identifier, negative).unwrap_or(untold);
    let rights = match how {
        How::Replace => rights,
        How::Add => before | rights,
        How::Remove => before.without(rights),
    };
    // As in Dovecot, nobody locks himself out of the ACL that he is changing.
    let himself = is_owner(&identifier, owner) && viewer.owner || identifier == Identifier::User(viewer.user.clone());
    let admin = Rights::of(&[Right::Admin]);
    let rights = match (himself, negative) {
        (true, false) => rights | admin,
        (true, true) => rights.without(admin),
        (false, _) => rights,
    };
    acl.set(identifier, negative, rights)
}

/// The rows of GETACL. The owner is among them also where no row speaks of him.
pub(super) fn told(acl: &Acl, owner: Option<&str>) -> Vec<(Who, Rights)> {
    let told = |row: &store::Row| (Who { identifier: row.identifier.clone(), negative: row.negative }, row.rights);
    let mut rows: Vec<_> = acl.rows().iter().map(told).collect();
    if let Some(name) = owner
        && !rows.iter().any(|(who, _)| !who.negative && is_owner(&who.identifier, owner))
    {
        rows.push((Who { identifier: Identifier::User(name.to_owned()), negative: false }, Rights::ALL));
    }
    rows
}

fn is_owner(identifier: &Identifier, owner: Option<&str>) -> bool {
    match identifier {
        Identifier::Owner => owner.is_some(),
        Identifier::User(user) => Some(user.as_str()) == owner,
        _ => false,
    }
}

fn owners(acl: &Acl, owner: Option<&str>) -> Rights {
    let row = |identifier: &Identifier| acl.rights_of(identifier, false);
    owner
        .and_then(|owner| row(&Identifier::User(owner.to_owned())))
        .or_else(|| row(&Identifier::Owner))
        .unwrap_or(Rights::ALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_after(changes: &[(&str, bool, How, &str)], viewer: &Viewer) -> String {
        let mut acl = Acl::default();
        for (user, negative, how, letters) in changes {
            let who = Who { identifier: Identifier::User((*user).to_owned()), negative: *negative };
            let rights = Some((*how, Rights::parse(letters).unwrap()));
            assert!(change(&mut acl, Change { who, rights }, user.split('@').next(), Some("ana"), viewer));
        }
        let show = |(who, rights): (Who, Rights)| match who.identifier {
            Identifier::User(user) => format!("{}{user}={rights}", if who.negative { "-" } else { "" }),
            other => panic!("{other:?}"),
        };
        told(&acl, Some("ana")).into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn rights_are_replaced_added_and_taken_away() {
        let ana = Viewer::owner("ana");
        for (changes, expected) in [
            (vec![], "ana=lrwstipekxa"),
            (vec![("bob", false, How::Replace, "lr"), ("bob", false, How::Add, "s")], "bob=lrs ana=lrwstipekxa"),
            (vec![("bob", false, How::Add, "lr"), ("bob", false, How::Remove, "l")], "bob=r ana=lrwstipekxa"),
            (vec![("bob", true, How::Replace, "w")], "-bob=w ana=lrwstipekxa"),
            (vec![("bob@example.test", false, How::Replace, "l")], "bob=l ana=lrwstipekxa"),
            (vec![("ana", false, How::Remove, "xp")], "ana=lrwstieka"),
        ] {
            assert_eq!(told_after(&changes, &ana), expected);
        }
    }

    #[test]
    fn nobody_takes_the_right_to_administer_from_himself() {
        let ana = Viewer::owner("ana");
        assert_eq!(told_after(&[("ana", false, How::Replace, "lr")], &ana), "ana=lra");
        assert_eq!(told_after(&[("ana", true, How::Replace, "wa")], &ana), "-ana=w ana=lrwstipekxa");
        let bob = Viewer { user: "bob".to_owned(), ..Viewer::default() };
        assert_eq!(told_after(&[("bob", false, How::Replace, "l")], &bob), "bob=la ana=lrwstipekxa");
        assert_eq!(told_after(&[("eva", false, How::Replace, "l")], &bob), "eva=l ana=lrwstipekxa");
    }

    #[test]
    fn a_row_under_another_name_of_the_same_account_is_the_one_that_is_changed() {
        let mut acl = Acl::default();
        let typed = Identifier::User("bob@example.test".to_owned());
        assert!(acl.set(typed.clone(), false, Rights::ALL));
        let who = Who { identifier: typed, negative: false };
        assert!(change(&mut acl, Change { who, rights: None }, Some("bob"), Some("ana"), &Viewer::owner("ana")));
        assert!(acl.rows().is_empty());
    }
}
