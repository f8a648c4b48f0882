//! `[[namespace]]` and the prefix of `[shared]`: what clients call mailboxes.

use mail::MailboxName;
use mail::namespace::{InList, Namespace, NamespaceKind, Namespaces, Separator};
use store::Location;

use super::Mistake;
use super::written::{Written, WrittenTable};

/// The most of them: each is looked into at every listing.
const NAMESPACES_MAX: usize = 32;

/// The namespaces, and where mailboxes lie that are nobody's. Own ones come first. What is wrong is added to the mistakes.
pub fn settle(written: &Written, mistakes: &mut Vec<Mistake>) -> (Namespaces, Vec<Location>) {
    let tables = written.tables("namespace");
    let mut settler = Settler {
        separator: separator(tables.first()),
        sharing: written.table("shared").filter(|table| table.span.is_some()),
        all: Vec::new(),
        locations: Vec::new(),
        mistakes,
    };
    settler.of_shared();
    tables.iter().for_each(|table| settler.add(table));
    settler.check(tables);
    let Settler { separator, mut all, locations, .. } = settler;
    if !all.iter().any(|space| space.kind == NamespaceKind::Private) {
        all.extend(Namespaces::default().all);
    }
    all.sort_by_key(|space| (space.kind != NamespaceKind::Private, space.hidden));
    (Namespaces { separator, all }, locations)
}

fn separator(table: Option<&WrittenTable>) -> Separator {
    match table.and_then(|table| table.text("separator")) {
        Some(".") => Separator::Dot,
        _ => Separator::Slash,
    }
}

struct Settler<'a> {
    separator: Separator,
    sharing: Option<&'a WrittenTable>,
    all: Vec<Namespace>,
    locations: Vec<Location>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Settler<'_> {
    fn mistake(&mut self, table: &WrittenTable, key: &str, message: impl Into<String>, help: &str) {
        let place = table.place(key).or_else(|| table.span.clone()).unwrap_or_default();
        let mistake = Mistake::at(place, message);
        self.mistakes.push(if help.is_empty() { mistake } else { mistake.help(help) });
    }

    fn of_shared(&mut self) {
        let Some(table) = self.sharing else { return };
        let list = if table.text("list") == Some("yes") { InList::Yes } else { InList::Children };
        if let Some(root) = self.root_of_others(table) {
            self.all.push(Namespace { kind: NamespaceKind::Shared, root: Some(root), list, hidden: false });
        }
    }

    fn add(&mut self, table: &WrittenTable) {
        let hidden = table.text("hidden") == Some("yes");
        let (kind, root, usual) = match table.text("type") {
            Some("private") => match self.own_root(table) {
                Some(root) => (NamespaceKind::Private, root, if hidden { InList::Named } else { InList::Yes }),
                None => return,
            },
            Some("shared") => match self.root_of_others(table) {
                Some(root) => (NamespaceKind::Shared, Some(root), InList::Children),
                None => return,
            },
            Some("public") => match (self.public_root(table), self.location(table)) {
                (Some(root), Some(location)) => {
                    self.locations.push(location);
                    (NamespaceKind::Public(self.locations.len() - 1), Some(root), InList::Yes)
                }
                _ => return,
            },
            _ => return,
        };
        let list = match table.text("list") {
            Some("yes") => InList::Yes,
            Some("children") => InList::Children,
            Some("no") => InList::Named,
            _ => usual,
        };
        self.check_one(table, kind, &root, hidden, list);
        self.all.push(Namespace { kind, root, list, hidden });
    }

    /// `None` is a mistake, `Some(None)` no prefix.
    fn own_root(&mut self, table: &WrittenTable) -> Option<Option<MailboxName>> {
        match table.text("prefix") {
            None => Some(None),
            Some(prefix) => self.root(table, prefix).map(Some),
        }
    }

    fn public_root(&mut self, table: &WrittenTable) -> Option<MailboxName> {
        let Some(prefix) = table.text("prefix") else {
            self.mistake(table, "type", "public mailboxes need a `prefix`", "as \"public/\"");
            return None;
        };
        let root = self.root(table, prefix)?;
        self.not_in_inbox(table, root)
    }

    fn root_of_others(&mut self, table: &WrittenTable) -> Option<MailboxName> {
        let root = table.text("prefix").and_then(|prefix| prefix.strip_suffix("/%u/"));
        let Some(root) = root.and_then(|root| MailboxName::parse(root).ok()) else {
            let help = "some levels and whose they are, as \"shared/%u/\"";
            self.mistake(table, "prefix", "this cannot be where others' mailboxes are", help);
            return None;
        };
        self.not_in_inbox(table, root)
    }

    fn not_in_inbox(&mut self, table: &WrittenTable, root: MailboxName) -> Option<MailboxName> {
        let below_inbox = root.is_inbox() || root.is_below(&MailboxName::inbox());
        if below_inbox {
            self.mistake(table, "prefix", "INBOX is every user's own", "");
        }
        (!below_inbox).then_some(root)
    }

    fn root(&mut self, table: &WrittenTable, prefix: &str) -> Option<MailboxName> {
        let separator = self.separator.char();
        let root = prefix.strip_suffix(separator).map(|root| self.separator.parse(root));
        match root {
            Some(Ok(root)) if !prefix.contains('%') => return Some(root),
            Some(Err(error)) => self.mistake(table, "prefix", error.to_string(), ""),
            Some(Ok(_)) => self.mistake(table, "prefix", "there are no variables in this prefix", ""),
            None => {
                let help = format!("as \"{prefix}{separator}\"");
                self.mistake(table, "prefix", format!("a prefix ends with the separator {separator}"), &help);
            }
        }
        None
    }

    fn location(&mut self, table: &WrittenTable) -> Option<Location> {
        let help = "as \"maildir:/srv/mail/public\"";
        match table.text("location").map(str::parse::<Location>) {
            Some(Ok(location)) if location.is_one_for_all() => return Some(location),
            Some(Ok(_)) => self.mistake(table, "location", "public mailboxes lie at one place for all users", help),
            Some(Err(error)) => self.mistake(table, "location", error.to_string(), help),
            None => self.mistake(table, "type", "public mailboxes need a `location`", help),
        }
        None
    }

    fn check_one(
        &mut self,
        table: &WrittenTable,
        kind: NamespaceKind,
        root: &Option<MailboxName>,
        hidden: bool,
        list: InList,
    ) {
        if table.text("location").is_some() && !matches!(kind, NamespaceKind::Public(_)) {
            let help = "where users' mail lies say [mailboxes] and the directory";
            self.mistake(table, "location", "only public mailboxes have a `location` of their own", help);
        }
        if kind == NamespaceKind::Shared && self.sharing.is_none() {
            self.mistake(table, "type", "others' mailboxes need [shared]", "there stands who shares with whom");
        }
        let is_main = |space: &Namespace| space.kind == NamespaceKind::Private && !space.hidden;
        if kind == NamespaceKind::Private && !hidden && self.all.iter().any(is_main) {
            let help = "write hidden = \"yes\" for one that is only another name of them";
            self.mistake(table, "type", "a user's own mailboxes are in one namespace", help);
        }
        if kind == NamespaceKind::Private && !hidden && list == InList::Named {
            self.mistake(table, "list", "a user's own mailboxes are always listed", "or hidden = \"yes\"");
        }
        let clashes = |space: &Namespace| {
            let below_an_owner = space.kind == NamespaceKind::Shared
                && space.root.as_ref().zip(root.as_ref()).is_some_and(|(above, root)| root.is_below(above));
            space.root == *root || below_an_owner
        };
        if self.all.iter().any(clashes) {
            self.mistake(table, "prefix", "another namespace has these names already", "");
        }
    }

    /// What holds for all together.
    fn check(&mut self, tables: &[WrittenTable]) {
        for table in tables {
            if separator(Some(table)) != self.separator {
                let message = "all namespaces have one separator";
                self.mistake(table, "separator", message, "clients take that of one for that of all");
            }
        }
        // An owner's name may have dots in it, and clients would take them for levels.
        if let Some(table) = self.sharing.filter(|_| self.separator == Separator::Dot) {
            self.mistake(table, "prefix", "others' mailboxes need the separator /", "names of users have dots in them");
        }
        let mut private = tables.iter().filter(|table| table.text("type") == Some("private")).peekable();
        if let Some(first) = private.peek().copied()
            && private.all(|table| table.text("hidden") == Some("yes"))
        {
            self.mistake(first, "hidden", "one namespace of users' own mailboxes must not be hidden", "");
        }
        if let Some(table) = tables.get(NAMESPACES_MAX) {
            self.mistake(table, "type", format!("more than {NAMESPACES_MAX} namespaces"), "");
        }
    }
}
