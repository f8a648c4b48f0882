//! Where an account's mail lies: Dovecot's `mail_location`, as the settings write it and as it is for one account.
//!
//! ```text
//! maildir:~/maildir:LAYOUT=fs:INBOX=~/inbox:CONTROL=/control/%u:INDEX=/index/%u:UTF-8
//! ```
//!
//! After the Maildir come, in any order: `LAYOUT=` (`Maildir++`, or `fs`), `INBOX=` when INBOX is not the Maildir itself,
//! `CONTROL=` for the list of UIDs, the keywords and the subscriptions, `INDEX=` for Dovecot's index files (we have none
//! there, but a deleted or renamed mailbox takes its own along), and `UTF-8` when folders are not named in modified UTF-7.
//! `~` and `%h` are the home, `%u` the account's name, `%n` and `%d` its parts before and after the `@`. Pure.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use mail::MailboxName;

use crate::layout::{Encoding, Layout};
use crate::{Error, Result};

/// A `mail_location`, the same for all accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    mail: String,
    inbox: Option<String>,
    control: Option<String>,
    index: Option<String>,
    layout: Layout,
    encoding: Encoding,
}

/// What is wrong with a `mail_location`; for the administrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLocation {
    #[error("a mail location begins with \"maildir:\"; other formats are not served")]
    Format,
    #[error("the layout {0:?} is not known: Maildir++ and fs are")]
    Layout(String),
    #[error("the part {0:?} is not known: LAYOUT=, INBOX=, CONTROL=, INDEX= and UTF-8 are")]
    Part(String),
    #[error("{0:?} is said twice")]
    Twice(&'static str),
    #[error("{0:?} begins neither with / nor with ~/ nor with %h")]
    Relative(String),
    #[error("the variable %{0} is not known: %h, %u, %n and %d are")]
    Variable(char),
}

impl Default for Location {
    fn default() -> Location {
        Location {
            mail: "~/maildir".to_owned(),
            inbox: None,
            control: None,
            index: None,
            layout: Layout::MaildirPlusPlus,
            encoding: Encoding::ModifiedUtf7,
        }
    }
}

impl Location {
    /// Whether an account there can have a mailbox of this name; why not, as its user would hear it.
    pub fn admits(&self, name: &MailboxName) -> Result<()> {
        self.layout.folder(name, self.encoding).map(drop)
    }
}

impl Location {
    /// Whether it is the same place for every account: for mailboxes that are nobody's.
    pub fn is_one_for_all(&self) -> bool {
        let parts = [&self.control, &self.index].into_iter().flatten().chain([&self.mail]);
        let mut fixed = parts.map(|part| part.starts_with('/') && !part.contains('%'));
        self.inbox.is_none() && fixed.all(|fixed| fixed)
    }
}

impl FromStr for Location {
    type Err = BadLocation;

    fn from_str(text: &str) -> std::result::Result<Location, BadLocation> {
        let mut parts = text.strip_prefix("maildir:").ok_or(BadLocation::Format)?.split(':');
        let mail = checked(parts.next().unwrap_or_default())?;
        let mut location = Location { mail, ..Location::default() };
        for part in parts {
            match part.split_once('=') {
                Some(("LAYOUT", layout)) => {
                    location.layout = Layout::parse(layout).ok_or_else(|| BadLocation::Layout(layout.to_owned()))?;
                }
                Some(("INBOX", path)) => once(&mut location.inbox, "INBOX=", path)?,
                Some(("CONTROL", path)) => once(&mut location.control, "CONTROL=", path)?,
                Some(("INDEX", "MEMORY")) => {}
                Some(("INDEX", path)) => once(&mut location.index, "INDEX=", path)?,
                None if part == "UTF-8" => location.encoding = Encoding::Utf8,
                _ => return Err(BadLocation::Part(part.to_owned())),
            }
        }
        Ok(location)
    }
}

fn once(place: &mut Option<String>, name: &'static str, path: &str) -> std::result::Result<(), BadLocation> {
    match place.replace(checked(path)?) {
        None => Ok(()),
        Some(_) => Err(BadLocation::Twice(name)),
    }
}

fn checked(path: &str) -> std::result::Result<String, BadLocation> {
    if !["/", "~/", "%h"].iter().any(|start| path.starts_with(start)) {
        return Err(BadLocation::Relative(path.to_owned()));
    }
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match if c == '%' { chars.next() } else { None } {
            None if c == '%' => return Err(BadLocation::Variable(' ')),
            None | Some('h' | 'u' | 'n' | 'd' | '%') => {}
            Some(other) => return Err(BadLocation::Variable(other)),
        }
    }
    Ok(path.trim_end_matches('/').to_owned())
}

impl Location {
    /// The places of one account.
    pub(crate) fn of(&self, home: &Path, user: &str) -> Result<Places> {
        let expand = |template: &String| expand(template, home, user);
        let mail = expand(&self.mail)?;
        let other = |template: &Option<String>| -> Result<Option<PathBuf>> {
            let path = template.as_ref().map(expand).transpose()?;
            Ok(path.filter(|path| *path != mail))
        };
        Ok(Places {
            inbox: other(&self.inbox)?,
            control: other(&self.control)?,
            index: other(&self.index)?,
            mail,
            layout: self.layout,
            encoding: self.encoding,
        })
    }
}

fn expand(template: &str, home: &Path, user: &str) -> Result<PathBuf> {
    let home = home.to_str().ok_or(Error::NotAllowed("home folder is not valid UTF-8"))?;
    let mut path = String::with_capacity(template.len() + home.len());
    let mut rest = template;
    if let Some(below) = rest.strip_prefix('~') {
        path.push_str(home);
        rest = below;
    }
    while let Some((before, after)) = rest.split_once('%') {
        path.push_str(before);
        let variable = after.chars().next().unwrap_or('%');
        match variable {
            'h' => path.push_str(home),
            '%' => path.push('%'),
            _ => path.push_str(part_of_name(user, variable)?),
        }
        rest = after.get(variable.len_utf8()..).unwrap_or_default();
    }
    path.push_str(rest);
    Ok(PathBuf::from(path))
}

/// A name with a slash, or which is no name, would lead into the folder of another account.
fn part_of_name(user: &str, variable: char) -> Result<&str> {
    let (local, domain) = user.split_once('@').unwrap_or((user, ""));
    let part = match variable {
        'u' => user,
        'n' => local,
        _ => domain,
    };
    let leads_away = part.contains(['/', '\0']) || matches!(part, "." | "..");
    if part.is_empty() || leads_away {
        return Err(Error::NotAllowed("account's name does not fit into the mail location"));
    }
    Ok(part)
}

/// Where the files of one account lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// The Maildir; folders of mailboxes lie in it.
    pub(crate) mail: PathBuf,
    inbox: Option<PathBuf>,
    control: Option<PathBuf>,
    index: Option<PathBuf>,
    pub(crate) layout: Layout,
    pub(crate) encoding: Encoding,
}

/// Where the files of one mailbox lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MailboxPlaces {
    /// `new`, `cur`, `tmp`.
    pub(crate) mail: PathBuf,
    /// The list of UIDs and the keywords; often the same folder.
    pub(crate) control: PathBuf,
    /// Dovecot's index files, where they have a folder of their own.
    pub(crate) index: Option<PathBuf>,
}

impl Places {
    /// The folder of what belongs to no single mailbox: subscriptions, UIDVALIDITYs.
    pub(crate) fn account_files(&self) -> &Path {
        self.control.as_ref().unwrap_or(&self.mail)
    }

    /// A separate place for the list of UIDs makes a rename of a mailbox a matter of several folders.
    pub(crate) fn is_split(&self) -> bool {
        self.control.is_some()
    }

    pub(crate) fn mailbox(&self, name: &MailboxName) -> Result<MailboxPlaces> {
        let folder = self.layout.folder(name, self.encoding)?;
        let mail = match (&self.inbox, name.is_inbox()) {
            (Some(inbox), true) => inbox.clone(),
            (None, true) => self.mail.clone(),
            (_, false) => self.mail.join(&folder),
        };
        // In a place of its own even INBOX is a folder among others.
        let control = self.control.as_ref().map_or_else(|| mail.clone(), |control| control.join(&folder));
        Ok(MailboxPlaces { control, index: self.index.as_ref().map(|index| index.join(&folder)), mail })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(location: &str) -> Places {
        location.parse::<Location>().unwrap().of(Path::new("/home/ana"), "ana@example.test").unwrap()
    }

    #[test]
    fn a_plain_maildir_holds_everything() {
        assert_eq!("maildir:~/maildir".parse(), Ok(Location::default()));
        let places = places("maildir:~/maildir");
        let inbox = places.mailbox(&MailboxName::inbox()).unwrap();
        assert_eq!((inbox.mail.as_path(), inbox.control.as_path()), (places.mail.as_path(), places.account_files()));
        let folder = places.mailbox(&MailboxName::parse("A/B").unwrap()).unwrap();
        assert_eq!(folder.control, Path::new("/home/ana/maildir/.A.B"));
    }

    #[test]
    fn every_part_has_its_place() {
        let places = places("maildir:/mail/%d/%n/:LAYOUT=fs:INBOX=%h/in:CONTROL=/c/%u:INDEX=/i/%u:UTF-8");
        let folder = places.mailbox(&MailboxName::parse("A\u{f1}os/B").unwrap()).unwrap();
        assert_eq!(folder.mail, Path::new("/mail/example.test/ana/A\u{f1}os/B"));
        assert_eq!(folder.control, Path::new("/c/ana@example.test/A\u{f1}os/B"));
        assert_eq!(folder.index.unwrap(), Path::new("/i/ana@example.test/A\u{f1}os/B"));
        let inbox = places.mailbox(&MailboxName::inbox()).unwrap();
        assert_eq!(inbox.mail, Path::new("/home/ana/in"));
        assert_eq!(inbox.control, Path::new("/c/ana@example.test/INBOX"));
    }

    #[test]
    fn mistakes_are_told() {
        for (location, mistake) in [
            ("mbox:~/mail", BadLocation::Format),
            ("maildir:mail", BadLocation::Relative("mail".to_owned())),
            ("maildir:~/m:LAYOUT=index", BadLocation::Layout("index".to_owned())),
            ("maildir:~/m:DIRNAME=x", BadLocation::Part("DIRNAME=x".to_owned())),
            ("maildir:~/m:INBOX=~/a:INBOX=~/b", BadLocation::Twice("INBOX=")),
            ("maildir:~/%p", BadLocation::Variable('p')),
            ("maildir:~/100%", BadLocation::Variable(' ')),
        ] {
            assert_eq!(location.parse::<Location>(), Err(mistake), "{location}");
        }
    }

    #[test]
    fn a_name_cannot_lead_into_another_account() {
        let location: Location = "maildir:/mail/%u".parse().unwrap();
        for name in ["", "..", "../bob", "a/b", "."] {
            assert!(location.of(Path::new("/home"), name).is_err(), "{name:?}");
        }
    }
}
