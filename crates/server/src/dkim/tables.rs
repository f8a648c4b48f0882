//! OpenDKIM's tables, read as they are: `KeyTable`, `SigningTable`, and lists of hosts (opendkim.conf(5)).
//!
//! ```text
//! KeyTable      NAME DOMAIN:SELECTOR:FILE          ; DOMAIN `%`: that of the message
//! SigningTable  PATTERN NAME                       ; with `refile:` a wildcard; NAME `%`: the domain of the message
//! hosts         [!]ADDRESS[/BITS]
//! ```
//!
//! Empty lines, and what follows a `#`, do not count.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use directory::passwd_file::Network;

/// The most lines of one table.
const LINES_MAX: usize = 1_000_000;

/// A table's file, as OpenDKIM's configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFile {
    pub path: PathBuf,
    /// `refile:`: its keys are patterns.
    pub patterns: bool,
}

impl TableFile {
    /// Parses `refile:PATH`, `file:PATH` or a bare path, which is meant from the folder.
    pub fn parse(text: &str, folder: &Path) -> TableFile {
        let (patterns, path) = match (text.strip_prefix("refile:"), text.strip_prefix("file:")) {
            (Some(path), _) => (true, path),
            (None, Some(path)) => (false, path),
            (None, None) => (false, text),
        };
        TableFile { path: folder.join(path), patterns }
    }
}

/// A line that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadLine {
    pub line: usize,
    pub what: &'static str,
}

/// The lines that count, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take(LINES_MAX).enumerate();
    lines
        .map(|(number, line)| (number + 1, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
}

fn pair(number: usize, line: &str) -> Result<(&str, &str), BadLine> {
    let two = line.split_once(char::is_whitespace).map(|(first, second)| (first, second.trim()));
    two.ok_or(BadLine { line: number, what: "expected two words" })
}

/// One key that may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    pub name: String,
    /// `%` for the domain of the message.
    pub domain: String,
    pub selector: String,
    pub file: PathBuf,
}

/// Reads a `KeyTable`. Relative files are meant from its folder.
///
/// # Errors
/// The first line that makes no sense.
pub fn key_table(text: &str, folder: &Path) -> Result<Vec<KeyRow>, BadLine> {
    let row = |(number, line): (usize, &str)| {
        let (name, value) = pair(number, line)?;
        let mut parts = value.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(domain), Some(selector), Some(file)) if ![domain, selector, file].contains(&"") => Ok(KeyRow {
                name: name.to_owned(),
                domain: domain.to_owned(),
                selector: selector.to_owned(),
                file: folder.join(file),
            }),
            _ => Err(BadLine { line: number, what: "expected DOMAIN:SELECTOR:FILE" }),
        }
    };
    lines(text).map(row).collect()
}

/// Which keys sign for whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SigningTable {
    /// Pattern in lower case, name of the key.
    rows: Vec<(String, String)>,
    patterns: bool,
}

impl SigningTable {
    /// # Errors
    /// The first line that makes no sense.
    pub fn parse(text: &str, patterns: bool) -> Result<SigningTable, BadLine> {
        let row =
            |(number, line)| pair(number, line).map(|(pattern, name)| (pattern.to_ascii_lowercase(), name.to_owned()));
        Ok(SigningTable { rows: lines(text).map(row).collect::<Result<_, _>>()?, patterns })
    }

    pub fn rows(&self) -> &[(String, String)] {
        &self.rows
    }

    /// The names of the keys for an address, the best one first.
    pub fn keys_of(&self, local_part: &str, domain: &str) -> Vec<&str> {
        let (local_part, domain) = (local_part.to_ascii_lowercase(), domain.to_ascii_lowercase());
        if self.patterns {
            let address = format!("{local_part}@{domain}");
            let fits = |(pattern, _): &&(String, String)| fits(pattern.as_bytes(), address.as_bytes());
            return self.rows.iter().filter(fits).map(|(_, name)| name.as_str()).collect();
        }
        let wanted = keys_looked_for(&local_part, &domain);
        let of = |wanted: &String| {
            self.rows.iter().filter(|(key, _)| key == wanted).map(|(_, name)| name.as_str()).collect()
        };
        wanted.iter().map(of).find(|names: &Vec<&str>| !names.is_empty()).unwrap_or_default()
    }
}

/// What OpenDKIM asks a table without patterns for, in its order.
fn keys_looked_for(local_part: &str, domain: &str) -> Vec<String> {
    let above: Vec<&str> = domain.match_indices('.').map(|(at, _)| &domain[at..]).collect();
    let mut wanted = vec![format!("{local_part}@{domain}")];
    wanted.extend(above.iter().map(|above| format!("{local_part}@{above}")));
    wanted.push(domain.to_owned());
    wanted.extend(above.iter().map(|above| (*above).to_owned()));
    wanted.extend([format!("{local_part}@*"), "*".to_owned()]);
    wanted
}

/// Whether a text fits a pattern, in which `*` is anything.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    // Where to go on when the last star takes one octet more.
    let mut star: Option<(usize, usize)> = None;
    while in_text < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, in_text));
            at += 1;
        } else if pattern.get(at) == Some(&text[in_text]) {
            at += 1;
            in_text += 1;
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            (at, in_text) = (star_at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&octet| octet == b'*')
}

/// Hosts by their addresses. Of the entries that hold an address the most exact one counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostList(Vec<(Network, bool)>);

impl Default for HostList {
    /// OpenDKIM's `InternalHosts` when there is none.
    fn default() -> HostList {
        HostList(["127.0.0.1", "::1"].iter().filter_map(|text| Some((Network::parse(text)?, true))).collect())
    }
}

impl HostList {
    /// # Errors
    /// The first line that makes no sense. Names of hosts are such: who they are only the owner of an address says.
    pub fn parse(text: &str) -> Result<HostList, BadLine> {
        let entry = |(number, line): (usize, &str)| {
            let (text, inside) = line.strip_prefix('!').map_or((line, true), |rest| (rest.trim(), false));
            let what = "expected an address or a network; names of hosts are not looked up";
            // `[192.0.2.1]` is how some write it.
            let text = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
            Network::parse(text).map(|network| (network, inside)).ok_or(BadLine { line: number, what })
        };
        Ok(HostList(lines(text).map(entry).collect::<Result<_, _>>()?))
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        let holding = self.0.iter().filter(|(network, _)| network.contains(address));
        holding.max_by_key(|(network, inside)| (network.bits(), !inside)).is_some_and(|(_, inside)| *inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_tables_are_read_as_they_are() {
        let text =
            "# keys\ndefault._domainkey.a.test a.test:default:/etc/keys/a.private\n\nany\t %:s1:keys/any.pem # all\n";
        let rows = key_table(text, Path::new("/t")).unwrap();
        assert_eq!(
            (rows[0].domain.as_str(), rows[0].selector.as_str(), rows[0].file.as_path()),
            ("a.test", "default", Path::new("/etc/keys/a.private"))
        );
        assert_eq!(
            (rows[1].name.as_str(), rows[1].domain.as_str(), rows[1].file.as_path()),
            ("any", "%", Path::new("/t/keys/any.pem"))
        );
        for bad in ["name", "name a.test:default", "name a.test::x"] {
            assert!(key_table(&format!("\n{bad}\n"), Path::new("/")).is_err_and(|error| error.line == 2), "{bad}");
        }
    }

    #[test]
    fn patterns_fit_in_the_order_of_the_table() {
        let table =
            SigningTable::parse("ana@a.test own\n*@a.test all\n*@*.b.test below\n*@a.test second\n", true).unwrap();
        assert_eq!(table.keys_of("Ana", "A.test"), ["own", "all", "second"]);
        assert_eq!(table.keys_of("bob", "a.test"), ["all", "second"]);
        assert_eq!(table.keys_of("bob", "x.y.b.test"), ["below"]);
        assert!(table.keys_of("bob", "b.test").is_empty() && table.keys_of("bob", "sub.a.test").is_empty());
    }

    #[test]
    fn without_patterns_the_most_exact_key_counts() {
        let table = SigningTable::parse("ana@a.test own\na.test domain\n.a.test below\nroot@* roots\n", false).unwrap();
        assert_eq!(table.keys_of("ana", "a.test"), ["own"]);
        assert_eq!(table.keys_of("bob", "a.test"), ["domain"]);
        assert_eq!(table.keys_of("bob", "x.a.test"), ["below"]);
        assert_eq!(table.keys_of("root", "elsewhere.test"), ["roots"]);
        assert!(table.keys_of("bob", "*@a.test").is_empty());
    }

    #[test]
    fn stars_are_anything_and_cost_little() {
        assert!(fits(b"*", b"") && fits(b"a*b*c", b"a--b-bc") && !fits(b"a*b", b"a-bc") && !fits(b"", b"a"));
        assert!(!fits("*a".repeat(1000).as_bytes(), "a".repeat(999).as_bytes()));
    }

    #[test]
    fn the_most_exact_entry_says_whether_a_host_is_inside() {
        let hosts =
            HostList::parse("127.0.0.1\n10.0.0.0/8\n!10.1.0.0/16\n10.1.2.3 # but him\n2001:db8::/32\n").unwrap();
        let inside = |text: &str| hosts.contains(text.parse().unwrap());
        assert!(inside("127.0.0.1") && inside("10.2.0.1") && inside("10.1.2.3") && inside("2001:db8::7"));
        assert!(!inside("10.1.2.4") && !inside("127.0.0.2") && !inside("192.0.2.1"));
        assert!(HostList::parse("mail.example.test").is_err());
        assert!(HostList::default().contains("::1".parse().unwrap()));
    }
}
