//! Following references to other servers, where the settings allow it (RFC 4511 §4.1.10 and §4.5.3, RFC 4516).
//!
//! One step only, with a connection of its own that is bound as this node and closed afterwards. A reference that
//! cannot be followed makes the answer incomplete, and an incomplete answer is no answer: it could mean "no such user".

use mail::uri::percent_decoded;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::dial::Trust;
use super::fault::Fault;
use super::search::{Entry, Found, NO_SUCH_OBJECT, Query, REFERENCES_MAX, Scope};
use super::settings::{Settings, Transport, Url};

/// The answer with what the referred-to servers add.
///
/// # Errors
/// One of them could not be asked.
pub async fn follow(
    mut found: Found,
    query: &Query,
    settings: &Settings,
    trust: &Trust,
    deadline: Instant,
) -> Result<Found, Fault> {
    for reference in std::mem::take(&mut found.references).iter().take(REFERENCES_MAX) {
        let Some((url, query)) = read(reference, query) else {
            return Err(Fault::Garbage("a reference that is no LDAP URL"));
        };
        for entry in ask(&url, &query, settings, trust, deadline).await? {
            if found.entries.len() >= query.entries_max {
                return Err(Fault::TooMany(query.entries_max));
            }
            found.entries.push(entry);
        }
    }
    Ok(found)
}

async fn ask(
    url: &Url,
    query: &Query,
    settings: &Settings,
    trust: &Trust,
    deadline: Instant,
) -> Result<Vec<Entry>, Fault> {
    let answer = async {
        let connection = Connection::open(url, settings, trust, deadline).await?;
        if let Some(own) = settings.own_bind.as_ref().filter(|own| !own.password.reveal().is_empty()) {
            let answer = connection.bind(&own.dn, &own.password, deadline).await?;
            if answer.code != 0 {
                return Err(Fault::OwnBind { code: answer.code, text: answer.text });
            }
        }
        match connection.search(query, settings.page_size, deadline).await {
            Err(Fault::Result { code: NO_SUCH_OBJECT, .. }) => Ok(Vec::new()),
            other => other.map(|found| found.entries),
        }
    };
    timeout_at(deadline, answer).await.unwrap_or(Err(Fault::TimedOut))
}

// RFC 4516 §2: ldapurl = scheme "://" [host [":" port]] ["/" dn ["?" attributes ["?" scope ["?" filter …]]]]
fn read(reference: &str, query: &Query) -> Option<(Url, Query)> {
    let (scheme, rest) = reference.split_once("://")?;
    let (host, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let url = Url::parse(&format!("{scheme}://{host}")).ok().filter(|url| url.transport != Transport::Unix)?;
    let mut parts = rest.split('?');
    let mut query = query.clone();
    if let Some(dn) = parts.next().filter(|dn| !dn.is_empty()) {
        query.base = percent_decoded(dn)?;
    }
    // The second part, attributes, is ours to choose; so is the filter (RFC 4511 §4.5.3 lets the server change it: it
    // does for aliases only).
    match parts.nth(1) {
        Some("base") => query.scope = Scope::Base,
        Some("one") => query.scope = Scope::OneLevel,
        Some("sub") => query.scope = Scope::Subtree,
        _ => {}
    }
    Some((url, query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_replaces_base_and_scope() {
        let query = Query {
            base: "dc=a".into(),
            scope: Scope::Subtree,
            filter: "(cn=x)".into(),
            attributes: vec![],
            entries_max: 1,
        };
        let (url, asked) = read("ldap://b.test/CN=Config%20Uno,DC=b??base", &query).unwrap();
        assert_eq!((url.to_string().as_str(), asked.base.as_str()), ("ldap://b.test:389", "CN=Config Uno,DC=b"));
        assert_eq!(asked.scope, Scope::Base);
        assert_eq!(read("ldap://b.test", &query).unwrap().1.base, "dc=a");
        assert!(read("http://b.test/", &query).is_none());
        assert!(read("ldapi://%2Ftmp%2Fx/", &query).is_none());
    }
}
