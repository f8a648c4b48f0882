//! `tepui-special-use`, beside `subscriptions`: what mailboxes were made for (CREATE-SPECIAL-USE, RFC 6154 §3), apart from
//! those that the settings name. A line a mailbox: attribute, tab, name in modified UTF-7. Ours alone: Dovecot keeps this in
//! its settings, and passes over the file. Lines that make no sense are dropped. Pure.

use mail::MailboxName;

use crate::SpecialUse;

pub(crate) const FILE: &str = "tepui-special-use";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SpecialUses(Vec<(MailboxName, SpecialUse)>);

impl SpecialUses {
    pub(crate) fn parse(content: &[u8]) -> SpecialUses {
        let line = |line: &str| {
            let (attribute, name) = line.split_once('\t')?;
            Some((MailboxName::from_mutf7(name).ok()?, SpecialUse::parse(attribute)?))
        };
        SpecialUses(String::from_utf8_lossy(content).lines().filter_map(line).collect())
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let line = |(name, special_use): &(MailboxName, SpecialUse)| {
            format!("{}\t{}\n", special_use.attribute(), name.to_mutf7())
        };
        self.0.iter().map(line).collect::<String>().into_bytes()
    }

    pub(crate) fn of(&self, name: &MailboxName) -> Option<SpecialUse> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, special_use)| *special_use)
    }

    pub(crate) fn set(&mut self, name: &MailboxName, special_use: Option<SpecialUse>) {
        self.0.retain(|(known, _)| known != name);
        self.0.extend(special_use.map(|special_use| (name.clone(), special_use)));
    }

    /// A mailbox and those below it have another name now.
    pub(crate) fn rename(&mut self, from: &MailboxName, to: &MailboxName) {
        for (name, _) in &mut self.0 {
            if (name == from || name.is_below(from))
                && let Ok(moved) = name.moved(from, to)
            {
                *name = moved;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_follow_their_mailbox() {
        let name = |name: &str| MailboxName::parse(name).unwrap();
        let mut uses = SpecialUses::parse(b"\\Archive\tA&APE-os/x\njunk\n\\Nothing\ty\n");
        uses.rename(&name("A\u{f1}os"), &name("Years"));
        assert_eq!(uses.of(&name("Years/x")), Some(SpecialUse::Archive));
        assert_eq!(uses.encode(), b"\\Archive\tYears/x\n");
        uses.set(&name("Years/x"), None);
        assert_eq!(uses.encode(), b"");
    }
}
