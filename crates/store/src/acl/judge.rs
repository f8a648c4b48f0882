//! What somebody may do with a mailbox, judged as Dovecot 2.3 does it.
//!
//! Who looks begins with everything (the owner) or nothing (anybody else). Then anyone, authenticated, groups, owner, user and
//! group-override are gone through in this order: where lines of such a kind fit, what they give together replaces what was given
//! before, and what they take away together replaces what was taken away before. An owner of whom no line speaks has
//! everything again, whatever was said of anyone or of his groups. At the end what was taken away is subtracted. Pure.

use mail::acl::{Identifier, Rights};

use super::file::{Acl, Row};

/// Who looks at a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Viewer {
    /// The account's one name.
    pub user: String,
    pub groups: Vec<String>,
    /// Whether the mailbox is his own; also of a master user who acts as him.
    pub owner: bool,
}

const KINDS: usize = 6;

impl Viewer {
    /// Somebody in his own account, or a master user who acts as him.
    pub fn owner(name: &str) -> Viewer {
        Viewer { user: name.to_owned(), groups: Vec::new(), owner: true }
    }

    /// What this viewer may do where a mailbox's file says `acl`. Where it says nothing the owner has everything, and
    /// nobody else has anything.
    pub fn rights(&self, acl: &Acl) -> Rights {
        let default = if self.owner { Rights::ALL } else { Rights::NONE };
        if !acl.makes_sense() {
            return default;
        }
        let (mut given, mut taken) = (default, Rights::NONE);
        for kind in 0..KINDS {
            let rows =
                || acl.rows().iter().filter(|row| kind_of(&row.identifier) == kind && self.fits(&row.identifier));
            if self.owner && kind == kind_of(&Identifier::Owner) && rows().next().is_none() {
                (given, taken) = (default, Rights::NONE);
            }
            given = together(rows().filter(|row| !row.negative)).unwrap_or(given);
            taken = together(rows().filter(|row| row.negative)).unwrap_or(taken);
        }
        given.without(taken)
    }

    fn fits(&self, identifier: &Identifier) -> bool {
        match identifier {
            Identifier::Anyone | Identifier::Authenticated => true,
            Identifier::Group(group) | Identifier::GroupOverride(group) => self.groups.contains(group),
            Identifier::Owner => self.owner,
            Identifier::User(user) => *user == self.user,
        }
    }
}

fn together<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<Rights> {
    rows.map(|row| row.rights).reduce(|all, rights| all | rights)
}

fn kind_of(identifier: &Identifier) -> usize {
    match identifier {
        Identifier::Anyone => 0,
        Identifier::Authenticated => 1,
        Identifier::Group(_) => 2,
        Identifier::Owner => 3,
        Identifier::User(_) => 4,
        Identifier::GroupOverride(_) => KINDS - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(content: &str, user: &str) -> String {
        let groups = vec!["g1".to_owned(), "g2".to_owned()];
        let viewer = Viewer { user: user.to_owned(), groups, owner: user == "ana" };
        viewer.rights(&Acl::parse(content.as_bytes())).to_string()
    }

    /// What `doveadm acl rights` of Dovecot 2.3.19 said for bob, who is in g1 and g2.
    #[test]
    fn others_are_judged_as_dovecot_judges_them() {
        for (content, expected) in [
            ("", ""),
            ("group=g1 lr\ngroup=g2 li\n", "lri"),
            ("anyone lrw\ngroup=g1 l\n", "l"),
            ("anyone lrw\n-user=bob w\n", "lr"),
            ("group=g1 lrwi\nuser=bob lr\n", "lr"),
            ("user=bob lr\ngroup-override=g1 li\n", "li"),
            ("-group=g1 r\nuser=bob lrw\n", "lw"),
            ("authenticated l\nanyone lr\n", "l"),
            ("user=BOB lr\n", ""),
            ("user=bob l\nuser=bob r\n", "lr"),
            ("-user=bob l\n-anyone r\nuser=bob lrw\n", "rw"),
            ("-group=g1 r\n-group=g2 w\nuser=bob lrw\n", "l"),
            ("-group=g1 r\n-user=bob w\nuser=bob lrw\n", "lr"),
            ("owner lr\n", ""),
        ] {
            assert_eq!(rights(content, "bob"), expected, "{content:?}");
        }
    }

    /// The same for ana, the owner.
    #[test]
    fn owners_are_judged_as_dovecot_judges_them() {
        for (content, expected) in [
            ("", "lrwstipekxa"),
            ("user=bob lr\n", "lrwstipekxa"),
            ("anyone lr\n", "lrwstipekxa"),
            ("-anyone w\n", "lrwstipekxa"),
            ("owner lr\n", "lr"),
            ("owner lr\nuser=ana lrw\n", "lrw"),
            ("user=ana lr\n", "lr"),
            ("-owner w\n", "lrstipekxa"),
            ("-user=ana w\n", "lrstipekxa"),
            ("owner lr\n-user=ana r\n", "l"),
        ] {
            assert_eq!(rights(content, "ana"), expected, "{content:?}");
        }
    }

    #[test]
    fn a_file_that_makes_no_sense_lets_in_nobody_but_the_owner() {
        assert_eq!(rights("anyone lr\nuser=bob lr q\n", "bob"), "");
        assert_eq!(rights("anyone lr\nuser=bob lr q\n", "ana"), "lrwstipekxa");
    }
}
