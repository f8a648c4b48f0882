//! Namespaces (RFC 2342): what clients call mailboxes, and what the store calls them.
//!
//! | prefix | kind | `INBOX/Sent` is | INBOX is |
//! |---|---|---|---|
//! | none | private | the mailbox `INBOX/Sent` | `INBOX` |
//! | `INBOX/` | private | the mailbox `Sent` | `INBOX` |
//! | `shared/` | shared | | ana's is `shared/ana` |
//! | `public/` | public | | has none |
//!
//! A name of a client is an *outer* one, the one of the store an *inner* one. Both are [`MailboxName`]s, so with `/` between
//! levels; a client that is told `.` writes and reads that. Pure.

use crate::MailboxName;
use crate::mailbox_name::{NameError, SEPARATOR};

/// The separator between levels as clients see it, one for all namespaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Separator {
    #[default]
    Slash,
    Dot,
}

impl Separator {
    pub fn char(self) -> char {
        if self == Separator::Dot { '.' } else { SEPARATOR }
    }

    /// A name in UTF-8 as users write it.
    pub fn parse(self, text: &str) -> Result<MailboxName, NameError> {
        MailboxName::parse(&self.inwards(text)?)
    }

    /// A name in modified UTF-7 as clients write it.
    pub fn parse_mutf7(self, encoded: &str) -> Result<MailboxName, NameError> {
        // Modified UTF-7 has neither a dot nor a slash of its own.
        MailboxName::from_mutf7(&self.inwards(encoded)?)
    }

    /// Its inverse, for a name that [`Separator::can_show`].
    pub fn to_mutf7(self, name: &MailboxName) -> String {
        let encoded = name.to_mutf7();
        if self == Separator::Dot { encoded.replace(SEPARATOR, ".") } else { encoded }
    }

    /// The same in UTF-8.
    pub fn show(self, name: &MailboxName) -> String {
        if self == Separator::Dot { name.as_str().replace(SEPARATOR, ".") } else { name.to_string() }
    }

    /// False for a name with a level in which there is the separator: clients would take it for two.
    pub fn can_show(self, name: &MailboxName) -> bool {
        self == Separator::Slash || !name.as_str().contains('.')
    }

    fn inwards(self, text: &str) -> Result<String, NameError> {
        match self {
            Separator::Slash => Ok(text.to_owned()),
            Separator::Dot if text.contains(SEPARATOR) => Err(NameError::Character),
            Separator::Dot => Ok(text.replace('.', "/")),
        }
    }
}

/// Whose mailboxes are in a namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamespaceKind {
    Private,
    /// Other users', each below his name.
    Shared,
    /// Nobody's; which of the places for such.
    Public(usize),
}

/// When LIST tells a namespace's mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InList {
    /// Always, also the folder of all when nothing is in it.
    Yes,
    /// When there are any.
    Children,
    /// When a client asks for names that begin so.
    Named,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    pub kind: NamespaceKind,
    /// `INBOX` of the prefix `INBOX/`; `None`: no prefix.
    pub root: Option<MailboxName>,
    pub list: InList,
    /// Not told by NAMESPACE.
    pub hidden: bool,
}

/// Where an outer name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    Own(MailboxName),
    Of {
        /// As it was typed.
        owner: String,
        name: MailboxName,
    },
    Public {
        place: usize,
        name: MailboxName,
    },
    /// A folder in which namespaces, or owners, are; or a name that only seems to be one.
    Nobodys,
    /// In no namespace.
    Outside,
}

/// All namespaces of a session: the first private one is where its own mailboxes are listed, others of that kind are further
/// names for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    pub separator: Separator,
    pub all: Vec<Namespace>,
}

impl Default for Namespaces {
    /// A private one without a prefix.
    fn default() -> Namespaces {
        let private = Namespace { kind: NamespaceKind::Private, root: None, list: InList::Yes, hidden: false };
        Namespaces { separator: Separator::default(), all: vec![private] }
    }
}

impl Namespaces {
    /// Whether there are mailboxes that are not the user's own.
    pub fn has_others(&self) -> bool {
        self.all.iter().any(|space| space.kind != NamespaceKind::Private)
    }

    pub fn named(&self, outer: &MailboxName) -> Named {
        // RFC 3501 §5.1: INBOX is the user's, whatever namespaces there are.
        if outer.is_inbox() {
            return Named::Own(MailboxName::inbox());
        }
        let fits = |space: &&Namespace| space.root.as_ref().is_none_or(|root| root == outer || outer.is_below(root));
        let deepest =
            self.all.iter().filter(fits).max_by_key(|space| space.root.as_ref().map(|root| root.as_str().len()));
        match deepest {
            Some(space) => space.named(outer),
            None if self.all.iter().any(|space| space.root.as_ref().is_some_and(|root| root.is_below(outer))) => {
                Named::Nobodys
            }
            None => Named::Outside,
        }
    }

    /// Own mailboxes by the name that they are listed under. `None` for one that another namespace hides, or whose name would be
    /// too long or could not be read back.
    pub fn own(&self, inner: &MailboxName) -> Option<MailboxName> {
        let space = self.all.iter().find(|space| space.kind == NamespaceKind::Private)?;
        self.listed(space.outer(inner)?, &Named::Own(inner.clone()))
    }

    /// The same for a name in any namespace of the right kind.
    pub fn in_space(&self, space: &Namespace, owner: &str, inner: &MailboxName) -> Option<MailboxName> {
        let (name, inner) = (|name: &str| space.root.as_ref().map(|root| format!("{root}/{name}")), inner.clone());
        match space.kind {
            NamespaceKind::Private => self.listed(space.outer(&inner)?, &Named::Own(inner)),
            NamespaceKind::Public(place) => {
                self.listed(MailboxName::parse(&name(inner.as_str())?).ok()?, &Named::Public { place, name: inner })
            }
            NamespaceKind::Shared => {
                let below = if inner.is_inbox() { owner.to_owned() } else { format!("{owner}/{inner}") };
                let outer = MailboxName::parse(&name(&below)?).ok()?;
                self.listed(outer, &Named::Of { owner: owner.to_owned(), name: inner })
            }
        }
    }

    fn listed(&self, outer: MailboxName, leads_to: &Named) -> Option<MailboxName> {
        (self.separator.can_show(&outer) && self.named(&outer) == *leads_to).then_some(outer)
    }

    /// What a name in the file of subscriptions is to a client that asks for these namespaces: of own mailboxes the file has the
    /// inner name, of all others the outer one.
    pub fn subscribed<'a>(
        &'a self,
        written: &'a MailboxName,
        spaces: &'a [usize],
    ) -> impl Iterator<Item = MailboxName> + 'a {
        let anothers = self.is_anothers(written);
        let spaces = spaces.iter().filter_map(|at| self.all.get(*at));
        let own = spaces.filter(move |space| !anothers && space.kind == NamespaceKind::Private);
        let own = own.filter_map(|space| self.in_space(space, "", written));
        own.chain((anothers && self.separator.can_show(written)).then(|| written.clone()))
    }

    /// Whether a name in the file of subscriptions is an outer one.
    pub fn is_anothers(&self, written: &MailboxName) -> bool {
        matches!(self.named(written), Named::Of { .. } | Named::Public { .. })
    }

    /// What a client may have meant with a name outside.
    pub fn hint(&self) -> String {
        let own = self.all.iter().find(|space| space.kind == NamespaceKind::Private);
        match own.and_then(|space| space.root.as_ref()) {
            Some(root) => {
                let (root, separator) = (self.separator.show(root), self.separator.char());
                format!("There is no such namespace; perhaps the name should begin with {root}{separator}")
            }
            None => "There is no such namespace".to_owned(),
        }
    }
}

impl Namespace {
    fn named(&self, outer: &MailboxName) -> Named {
        let rest = match &self.root {
            None => Some(outer.as_str()),
            Some(root) => outer.as_str().get(root.as_str().len() + 1..),
        };
        let Some(rest) = rest else { return Named::Nobodys };
        let parse = |rest: &str| MailboxName::parse(rest).ok();
        let named = match self.kind {
            NamespaceKind::Private => parse(rest).filter(|name| !name.is_inbox()).map(Named::Own),
            NamespaceKind::Public(place) => {
                parse(rest).filter(|name| !name.is_inbox()).map(|name| Named::Public { place, name })
            }
            NamespaceKind::Shared => {
                let (owner, rest) = rest.split_once(SEPARATOR).unwrap_or((rest, "INBOX"));
                parse(rest).map(|name| Named::Of { owner: owner.to_owned(), name })
            }
        };
        named.unwrap_or(Named::Nobodys)
    }

    fn outer(&self, inner: &MailboxName) -> Option<MailboxName> {
        match &self.root {
            Some(root) if !inner.is_inbox() => MailboxName::parse(&format!("{root}/{inner}")).ok(),
            _ => Some(inner.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> MailboxName {
        MailboxName::parse(name).unwrap()
    }

    fn space(kind: NamespaceKind, root: &str) -> Namespace {
        Namespace { kind, root: MailboxName::parse(root).ok(), list: InList::Yes, hidden: false }
    }

    /// A private one below `own`, and with it `user/shared/`, `public/` and `public/old/`.
    fn with_own(own: &str) -> Namespaces {
        let kinds = [
            (NamespaceKind::Private, own),
            (NamespaceKind::Shared, "user/shared"),
            (NamespaceKind::Public(0), "public"),
            (NamespaceKind::Public(1), "public/old"),
        ];
        Namespaces { separator: Separator::Slash, all: kinds.map(|(kind, root)| space(kind, root)).into() }
    }

    fn of(owner: &str, name: &str) -> Named {
        Named::Of { owner: owner.to_owned(), name: parse(name) }
    }

    #[test]
    fn a_name_leads_into_the_namespace_with_the_longest_prefix_and_back() {
        let public = |place, name| Named::Public { place, name: parse(name) };
        let own = |name| Named::Own(parse(name));
        for (outer, bare, prefixed) in [
            ("INBOX", own("INBOX"), own("INBOX")),
            ("inbox/Sent", own("INBOX/Sent"), own("Sent")),
            ("INBOX/inbox/x", own("INBOX/inbox/x"), own("INBOX/x")),
            ("INBOX/inbox", own("INBOX/inbox"), Named::Nobodys),
            ("Sent", own("Sent"), Named::Outside),
            ("user", own("user"), Named::Nobodys),
            ("user/shared", Named::Nobodys, Named::Nobodys),
            ("user/shared/ana", of("ana", "INBOX"), of("ana", "INBOX")),
            (
                "user/shared/ana@example.test/Team/a.b",
                of("ana@example.test", "Team/a.b"),
                of("ana@example.test", "Team/a.b"),
            ),
            ("user/shares/ana", own("user/shares/ana"), Named::Outside),
            ("public", Named::Nobodys, Named::Nobodys),
            ("public/INBOX", Named::Nobodys, Named::Nobodys),
            ("public/a", public(0, "a"), public(0, "a")),
            ("public/old/a", public(1, "a"), public(1, "a")),
            ("public/old", Named::Nobodys, Named::Nobodys),
        ] {
            for (spaces, expected) in [(with_own(""), bare), (with_own("INBOX"), prefixed)] {
                assert_eq!(spaces.named(&parse(outer)), expected, "{outer}");
                let back = spaces.all.iter().find_map(|space| match (&expected, space.kind) {
                    (Named::Own(name), NamespaceKind::Private) => spaces.own(name),
                    (Named::Of { owner, name }, NamespaceKind::Shared) => spaces.in_space(space, owner, name),
                    (Named::Public { place, name }, NamespaceKind::Public(at)) if at == *place => {
                        spaces.in_space(space, "", name)
                    }
                    _ => None,
                });
                let leads = back.map(|back| spaces.named(&back));
                assert!(leads.is_none_or(|leads| leads == expected), "{outer}");
            }
        }
    }

    #[test]
    fn own_mailboxes_are_listed_unless_another_namespace_hides_them() {
        for (own, inner, outer) in [
            ("", "INBOX", Some("INBOX")),
            ("", "INBOX/x", Some("INBOX/x")),
            ("", "user/shared/ana", None),
            ("", "public/x", None),
            ("INBOX", "INBOX", Some("INBOX")),
            ("INBOX", "Sent", Some("INBOX/Sent")),
            ("INBOX", "INBOX/x", Some("INBOX/INBOX/x")),
            ("INBOX", "public/x", Some("INBOX/public/x")),
            ("Mail", "INBOX", Some("INBOX")),
            ("Mail", "a/b", Some("Mail/a/b")),
        ] {
            assert_eq!(with_own(own).own(&parse(inner)), outer.map(parse), "{own:?} {inner}");
        }
    }

    #[test]
    fn a_subscription_is_an_own_mailbox_unless_it_says_whose() {
        for (own, written, outer) in [
            ("", "Sent", "Sent"),
            ("", "public/x", "public/x"),
            ("INBOX", "Sent", "INBOX/Sent"),
            ("INBOX", "INBOX", "INBOX"),
            ("INBOX", "user/shared/ana/Team", "user/shared/ana/Team"),
        ] {
            let spaces = with_own(own);
            assert_eq!(
                spaces.subscribed(&parse(written), &[0, 1]).collect::<Vec<_>>(),
                [parse(outer)],
                "{own:?} {written}"
            );
        }
    }

    #[test]
    fn a_dot_separates_levels_and_nothing_else() {
        let dot = Separator::Dot;
        assert_eq!(dot.parse("INBOX.A\u{f1}os.x").unwrap(), parse("INBOX/A\u{f1}os/x"));
        assert_eq!(dot.parse_mutf7("inbox.A&APE-os").unwrap(), parse("INBOX/A\u{f1}os"));
        assert_eq!(dot.to_mutf7(&parse("INBOX/A\u{f1}os")), "INBOX.A&APE-os");
        assert_eq!(dot.parse("a/b"), Err(NameError::Character));
        assert_eq!(dot.parse("a..b"), Err(NameError::EmptyLevel));
        assert!(!dot.can_show(&parse("a.b")) && dot.can_show(&parse("a/b")));
        let spaces = Namespaces { separator: dot, ..with_own("INBOX") };
        assert_eq!(spaces.own(&parse("a.b")), None);
        assert!(spaces.hint().ends_with("begin with INBOX."));
    }
}
