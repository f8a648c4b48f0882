//! Active Directory, or any LDAP directory: servers and connections, log in by bind, recipients, groups.
pub mod ber;
pub mod connection;
pub mod dial;
pub mod fault;
pub mod gate;
pub mod pool;
pub mod referral;
pub mod search;
pub mod servers;
pub mod settings;
pub mod ad;
