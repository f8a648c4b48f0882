//! The LDAP rooms against a real slapd with Active Directory's attributes, and against twins that refuse, hang and
//! babble.

mod chain;
mod failing;
mod iterate;
mod logins;
mod masters;
mod recipients;
mod referrals;
mod slapd;
mod transports;
mod twins;
