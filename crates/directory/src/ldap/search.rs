//! One search on one connection: pages put together, references left alone, everything within bounds.
//!
//! Values are octets, as LDAP has them; a value that is not UTF-8 is no text but does no harm.

use ldap3::controls::{Control, ControlType, PagedResults, RawControl};
use ldap3::{Ldap, LdapError, ResultEntry, SearchOptions};

use super::ber::{Elements, tag};
use super::fault::Fault;

/// The octets of all values of one answer. A group of 100,000 members stays below.
pub const ANSWER_LENGTH_MAX: usize = 64 * 1024 * 1024;
/// References kept from one answer, when they are followed at all.
pub const REFERENCES_MAX: usize = 4;

/// RFC 4511 appendix A.
const SUCCESS: u32 = 0;
const SIZE_LIMIT_EXCEEDED: u32 = 4;
pub(super) const REFERRAL: u32 = 10;
pub(super) const NO_SUCH_OBJECT: u32 = 32;
/// RFC 4511 §4.1.8.
const INTERMEDIATE: u64 = 25;

/// How far below the base to look (RFC 4511 §4.5.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Base,
    OneLevel,
    Subtree,
}

impl From<Scope> for ldap3::Scope {
    fn from(scope: Scope) -> ldap3::Scope {
        match scope {
            Scope::Base => ldap3::Scope::Base,
            Scope::OneLevel => ldap3::Scope::OneLevel,
            Scope::Subtree => ldap3::Scope::Subtree,
        }
    }
}

/// A question. The filter has its values escaped already (RFC 4515 §3).
#[derive(Debug, Clone)]
pub struct Query {
    pub base: String,
    pub scope: Scope,
    pub filter: String,
    pub attributes: Vec<String>,
    /// More entries than this are an error, not a longer answer.
    pub entries_max: usize,
}

/// What was found, and where else the server would have looked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub entries: Vec<Entry>,
    /// LDAP URLs, at most `REFERENCES_MAX`.
    pub references: Vec<String>,
    /// The server has nothing of what was asked for, and only says who might: without following, this is no answer.
    pub referred: bool,
}

/// One entry of the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    pub dn: String,
    /// Names as the server writes them, with its options (`member;range=0-1499`).
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl Entry {
    /// The values of an attribute, in the server's order; case does not matter (RFC 4512 §2.5).
    pub fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map_or(&[], |(_, values)| values)
    }

    /// The values that are UTF-8.
    pub fn texts<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.values(name).iter().filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// The first value that is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts(name).next()
    }

    /// Where the rest of an attribute's values begins, when the server gave only a part of them. Active Directory gives
    /// 1,500 at once and names the attribute `member;range=0-1499`; the last part is `member;range=1500-*`.
    pub fn part(&self, name: &str) -> Option<(&[Vec<u8>], Option<usize>)> {
        self.attributes.iter().find_map(|(own, values)| {
            let range = own.get(name.len()..)?.strip_prefix(";range=")?;
            let same = own.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
            let (_, last) = range.split_once('-').filter(|_| same)?;
            Some((values.as_slice(), last.parse::<usize>().ok().and_then(|last| last.checked_add(1))))
        })
    }
}

/// Searches. The caller sets the time limit, and throws the connection away when it is over.
///
/// # Errors
/// Anything but success, `NO_SUCH_OBJECT` included.
pub async fn search(ldap: &mut Ldap, query: &Query, page_size: Option<u16>) -> Result<Found, Fault> {
    let mut gathered = Gathered::default();
    let mut cookie = Vec::new();
    loop {
        cookie = page(ldap, query, page_size, cookie, &mut gathered).await?;
        if cookie.is_empty() {
            return Ok(gathered.found);
        }
    }
}

/// Searches a page at a time, and tells of each: an answer without end in the memory of one page. The caller sets no
/// time limit; each page has its own.
///
/// # Errors
/// As `search`.
pub async fn each_page(
    ldap: &mut Ldap,
    query: &Query,
    page_size: u16,
    page_timeout: std::time::Duration,
    tell: &mut (impl FnMut(Vec<Entry>) + Send),
) -> Result<(), Fault> {
    let mut cookie = Vec::new();
    loop {
        let mut gathered = Gathered::default();
        let page = page(ldap, query, Some(page_size), cookie, &mut gathered);
        cookie = tokio::time::timeout(page_timeout, page).await.map_err(|_| Fault::TimedOut)??;
        if gathered.found.referred {
            return Err(Fault::Result { code: REFERRAL, text: "it refers to another server".to_owned() });
        }
        tell(gathered.found.entries);
        if cookie.is_empty() {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Gathered {
    found: Found,
    length: usize,
}

/// One page; gives the cookie for the next one, empty after the last (RFC 2696 §3).
async fn page(
    ldap: &mut Ldap,
    query: &Query,
    page_size: Option<u16>,
    cookie: Vec<u8>,
    gathered: &mut Gathered,
) -> Result<Vec<u8>, Fault> {
    // RFC 4511 §4.5.1.4: 0 asks for no limit.
    let size_limit = i32::try_from(query.entries_max).unwrap_or(0);
    ldap.with_search_options(SearchOptions::new().sizelimit(size_limit));
    // A page that holds the whole answer is no page: servers do more work for those.
    if let Some(size) = page_size.filter(|size| usize::from(*size) < query.entries_max) {
        ldap.with_controls(RawControl::from(PagedResults { size: i32::from(size), cookie }));
    }
    let attributes: Vec<&str> = query.attributes.iter().map(String::as_str).collect();
    let stream = ldap.streaming_search(&query.base, query.scope.into(), &query.filter, attributes).await;
    let mut stream = stream.map_err(fault)?;
    while let Some(item) = stream.next().await.map_err(fault)? {
        if let Err(fault) = gathered.take(item, query.entries_max) {
            // The rest need not come; the library forgets the question when the stream is finished.
            stream.finish().await;
            return Err(fault);
        }
    }
    let result = stream.finish().await;
    match result.rc {
        SUCCESS => Ok(next_cookie(&result.ctrls)),
        // The limit was ours, or the server has a smaller one of its own: that one says nothing about how many there
        // are.
        SIZE_LIMIT_EXCEEDED if gathered.found.entries.len() >= query.entries_max => {
            Err(Fault::TooMany(query.entries_max))
        }
        REFERRAL => {
            gathered.found.referred = true;
            gathered.found.references.extend(result.refs.into_iter().take(REFERENCES_MAX));
            Ok(Vec::new())
        }
        code => Err(Fault::Result { code, text: result.text }),
    }
}

impl Gathered {
    fn take(&mut self, item: ResultEntry, entries_max: usize) -> Result<(), Fault> {
        if item.is_ref() {
            let room = REFERENCES_MAX.saturating_sub(self.found.references.len());
            self.found.references.extend(texts(item).into_iter().take(room));
            return Ok(());
        }
        if item.0.id == INTERMEDIATE {
            return Ok(());
        }
        let Some(entry) = entry(item) else { return Ok(()) };
        self.length += entry.attributes.iter().flat_map(|(_, values)| values).map(Vec::len).sum::<usize>();
        if self.length > ANSWER_LENGTH_MAX {
            return Err(Fault::TooLarge(ANSWER_LENGTH_MAX));
        }
        if self.found.entries.len() >= entries_max {
            return Err(Fault::TooMany(entries_max));
        }
        self.found.entries.push(entry);
        Ok(())
    }
}

// RFC 4511 §4.5.2. An entry whose name is not UTF-8 could not be asked for or bound again, so it is left out.
fn entry(item: ResultEntry) -> Option<Entry> {
    let mut parts = item.0.expect_constructed()?.into_iter();
    let dn = String::from_utf8(parts.next()?.expect_primitive()?).ok()?;
    let mut attributes = Vec::new();
    for attribute in parts.next()?.expect_constructed()? {
        let mut parts = attribute.expect_constructed()?.into_iter();
        let Ok(name) = String::from_utf8(parts.next()?.expect_primitive()?) else { continue };
        let values = parts.next()?.expect_constructed()?;
        attributes.push((name, values.into_iter().filter_map(|value| value.expect_primitive()).collect()));
    }
    Some(Entry { dn, attributes })
}

// RFC 4511 §4.5.3: SearchResultReference ::= SEQUENCE OF URI
fn texts(item: ResultEntry) -> Vec<String> {
    let uris = item.0.expect_constructed().unwrap_or_default();
    uris.into_iter().filter_map(|uri| String::from_utf8(uri.expect_primitive()?).ok()).collect()
}

// RFC 2696 §2: realSearchControlValue ::= SEQUENCE { size INTEGER, cookie OCTET STRING }
fn next_cookie(controls: &[Control]) -> Vec<u8> {
    let paged = controls.iter().find(|control| matches!(control.0, Some(ControlType::PagedResults)));
    let value = paged.and_then(|control| control.1.val.as_deref()).unwrap_or_default();
    let cookie = Elements(value).expect(tag::SEQUENCE).and_then(|parts| {
        let mut parts = Elements(parts);
        parts.expect(tag::INTEGER)?;
        parts.expect(tag::OCTET_STRING)
    });
    cookie.unwrap_or_default().to_vec()
}

pub(super) fn fault(error: LdapError) -> Fault {
    match error {
        LdapError::FilterParsing => Fault::Filter,
        LdapError::Timeout { .. } => Fault::TimedOut,
        _ => Fault::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_values_says_where_the_rest_begins() {
        let entry = |name: &str| Entry {
            dn: String::new(),
            attributes: vec![("cn".into(), vec![]), (name.into(), vec![b"x".to_vec()])],
        };
        assert_eq!(entry("Member;range=0-1499").part("member").unwrap().1, Some(1500));
        assert_eq!(entry("member;range=1500-*").part("member").unwrap().1, None);
        assert_eq!(entry("member").part("member"), None);
        assert_eq!(entry("membership;range=0-1").part("member"), None);
    }

    #[test]
    fn a_value_that_is_not_utf8_is_no_text() {
        let entry = Entry { dn: String::new(), attributes: vec![("Mail".into(), vec![vec![0xff], b"a@b".to_vec()])] };
        assert_eq!((entry.text("mail"), entry.values("MAIL").len()), (Some("a@b"), 2));
    }
}
