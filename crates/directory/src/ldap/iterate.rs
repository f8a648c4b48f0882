//! Every account of a directory, a page at a time: memory holds one page, however many there are.

use std::time::SystemTime;

use super::directory::{LdapDirectory, Person};
use super::fault::Fault;
use super::search::{Entry, Query};
use crate::template::Variables;

/// What an entry that was found is.
#[derive(Debug)]
pub enum Listing {
    Person(Box<Person>),
    /// No account can be made of it.
    Unusable {
        dn: String,
        why: String,
    },
}

impl LdapDirectory {
    /// Tells of every account, page by page, and gives how many entries there were.
    ///
    /// # Errors
    /// No server answers, or one breaks off half-way; what was told before was told.
    pub async fn each_account(
        &self,
        now: SystemTime,
        mut tell: impl FnMut(Vec<Listing>) + Send,
    ) -> Result<usize, Fault> {
        let nobody = Variables::new("");
        let query = Query {
            base: self.description.base.expand_dn(&nobody).map_err(|_| Fault::Filter)?,
            scope: self.description.scope,
            filter: self.iterate_filter(&nobody)?,
            attributes: self.description.wanted(),
            entries_max: usize::MAX,
        };
        let mut count = 0;
        let listing = |entry: Entry| {
            let name = entry.text(&self.description.name_attribute).unwrap_or_default().to_owned();
            match self.person(&entry, &name, now) {
                Ok(person) => Listing::Person(Box::new(person)),
                Err(why) => Listing::Unusable { dn: entry.dn, why: why.to_string() },
            }
        };
        let page = |entries: Vec<Entry>| {
            count += entries.len();
            tell(entries.into_iter().map(listing).collect());
        };
        self.servers.each_page(&query, page).await?;
        Ok(count)
    }

    fn iterate_filter(&self, nobody: &Variables) -> Result<String, Fault> {
        if let Some(filter) = &self.description.iterate_filter {
            return filter.expand_filter(nobody).map_err(|_| Fault::Filter);
        }
        // To Active Directory a computer is a person too, and its name ends in `$`. `objectClass=computer` would be
        // unknown to other servers, and what is not unknown is nothing at all (RFC 4511 §4.5.1.7).
        let name = &self.description.name_attribute;
        Ok(format!("(&(objectClass=person)({name}=*)(!({name}=*$)))"))
    }
}
