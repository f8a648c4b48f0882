//! From what is written to settings: values typed, completed and checked against each other. Every mistake is told.

use std::ops::Range;
use std::path::{Path, PathBuf};

use mail::Domain;

use super::Mistake;
use super::ldap::{self, LdapSettings};
use super::settings::{
    DirectorySettings, Limits, Listener, LogFormat, LogSettings, MailboxSettings, PROTOCOLS, Protocol, QueueSettings,
    Role, Route, RouteTls, Settings, TlsFiles, TlsMode,
};
use super::written::{Written, WrittenTable};

/// Makes settings of what is written. Whatever is wrong is added to the mistakes, and then the result must not be used.
pub fn settle(written: &Written, folder: &Path, mistakes: &mut Vec<Mistake>) -> Settings {
    let mut settler = Settler { written, folder, mistakes };
    let settings = Settings {
        name: settler.name(),
        roles: settler.roles(),
        state: settler.path("node", "state"),
        listeners: settler.listeners(),
        local_domains: settler.local_domains(),
        recipient_delimiter: settler.punctuation("domains", "recipient_delimiter"),
        routes: settler.routes(),
        directory: settler.directory(),
        ldap: settler.ldap(),
        mailboxes: settler.mailboxes(),
        queue: settler.queue(),
        tls: settler.tls(),
        limits: settler.limits(),
        log: settler.log(),
    };
    settler.check_sources(&settings);
    settler.check_listeners(&settings);
    settler.check_home(&settings);
    settings
}

struct Settler<'a> {
    written: &'a Written,
    folder: &'a Path,
    mistakes: &'a mut Vec<Mistake>,
}

impl<'a> Settler<'a> {
    /// Tables that do not repeat are always there, with their defaults.
    fn table(&self, name: &str) -> &'a WrittenTable {
        self.written.table(name).unwrap_or_else(|| panic!("the schema has no single table `{name}`"))
    }

    fn mistake(&mut self, span: Option<Range<usize>>, message: impl Into<String>, help: &str) {
        let help = (!help.is_empty()).then(|| help.to_owned());
        self.mistakes.push(Mistake { span, message: message.into(), help });
    }

    /// A text that must be there. When its table is there, its absence is already a mistake.
    fn required(&mut self, table: &str, key: &str) -> String {
        let written = self.table(table);
        if written.span.is_none()
            && !self.mistakes.iter().any(|mistake| mistake.message == format!("[{table}] is missing"))
        {
            let sentence = super::schema::table(table).map_or("", |table| table.sentence);
            self.mistake(None, format!("[{table}] is missing"), sentence);
        }
        written.text(key).unwrap_or_default().to_owned()
    }

    fn path(&mut self, table: &str, key: &str) -> PathBuf {
        let text = self.required(table, key);
        self.folder.join(text)
    }

    fn name(&mut self) -> String {
        let name = self.required("node", "name");
        if !name.is_empty() && Domain::parse(&name).is_err() {
            self.mistake(self.table("node").place("name"), "expected a host name", "as \"mx1.example.test\"");
        }
        name
    }

    fn roles(&mut self) -> Vec<Role> {
        let node = self.table("node");
        let words = node.texts("roles");
        if words.is_empty() && node.value_is_written("roles") {
            self.mistake(node.place("roles"), "a node needs at least one role", "\"outgoing\", \"mailbox\" or both");
        }
        words.iter().map(|(word, _)| if word == "outgoing" { Role::Outgoing } else { Role::Mailbox }).collect()
    }

    fn listeners(&mut self) -> Vec<Listener> {
        let tables = self.written.tables("listener");
        if tables.is_empty() {
            self.mistake(None, "there is no [[listener]]", "a node that listens nowhere does nothing");
        }
        tables.iter().filter_map(|table| self.listener(table)).collect()
    }

    fn listener(&mut self, table: &WrittenTable) -> Option<Listener> {
        let protocol =
            PROTOCOLS.iter().find(|(word, _)| Some(*word) == table.text("protocol")).map(|(_, protocol)| *protocol);
        let tls = match table.text("tls") {
            Some("starttls") => TlsMode::StartTls,
            Some("required") => TlsMode::Required,
            Some("implicit") => TlsMode::Implicit,
            _ => TlsMode::Off,
        };
        let address = table.text("address")?;
        let Ok(address) = address.parse() else {
            self.mistake(
                table.place("address"),
                "expected an IP address and a port",
                "as \"0.0.0.0:143\" or \"[::]:143\"",
            );
            return None;
        };
        Some(Listener { protocol: protocol?, address, tls })
    }

    fn local_domains(&mut self) -> Vec<Domain> {
        self.required("domains", "recipient_delimiter");
        let texts = self.table("domains").texts("local");
        texts.iter().filter_map(|(text, span)| self.domain(text, span.clone())).collect()
    }

    fn domain(&mut self, text: &str, span: Range<usize>) -> Option<Domain> {
        let domain = Domain::parse(text).ok();
        if domain.is_none() {
            self.mistake(Some(span), format!("`{text}` is not a domain"), "as \"example.test\"");
        }
        domain
    }

    fn punctuation(&mut self, table: &str, key: &str) -> char {
        let table = self.table(table);
        let mut chars = table.text(key).unwrap_or_default().chars();
        match (chars.next(), chars.next()) {
            (Some(delimiter), None) if delimiter.is_ascii_punctuation() && delimiter != '@' => delimiter,
            _ => {
                self.mistake(table.place(key), "expected one punctuation character", "as \"+\"");
                '+'
            }
        }
    }

    fn routes(&mut self) -> Vec<Route> {
        self.written.tables("route").iter().filter_map(|table| self.route(table)).collect()
    }

    fn route(&mut self, table: &WrittenTable) -> Option<Route> {
        let place = table.place("domain").unwrap_or_default();
        let domain = match table.text("domain")? {
            "*" => None,
            text => Some(self.domain(text, place)?),
        };
        let Some((host, port)) = table.text("to").and_then(host_and_port) else {
            self.mistake(
                table.place("to"),
                "expected a host and a port",
                "as \"[192.0.2.1]:25\" or \"mailbox.example.test:25\"",
            );
            return None;
        };
        let tls = match table.text("tls") {
            Some("off") => RouteTls::Off,
            Some("required") => RouteTls::Required,
            _ => RouteTls::Opportunistic,
        };
        Some(Route { domain, host, port, lmtp: table.text("protocol") == Some("lmtp"), tls })
    }

    fn directory(&mut self) -> DirectorySettings {
        let table = self.table("directory");
        DirectorySettings {
            password_file: table.text("password_file").map(|path| self.folder.join(path)),
            remember: table.duration("remember"),
            remember_unknown: table.duration("remember_unknown"),
            stale: table.duration("stale"),
            master_users: table.text("master_users").map(|path| self.folder.join(path)),
            master_separator: self.punctuation("directory", "master_separator"),
        }
    }

    fn ldap(&mut self) -> Vec<LdapSettings> {
        let (tables, folder) = (self.written.tables("ldap"), self.folder);
        tables.iter().map(|table| ldap::settle(table, folder, self.mistakes)).collect()
    }

    fn check_sources(&mut self, settings: &Settings) {
        if settings.directory.password_file.is_none() && settings.ldap.is_empty() {
            self.mistake(
                self.table("directory").span.clone(),
                "nobody can log in: there is no directory",
                "write `password_file` in [directory], or an [[ldap]]",
            );
        }
    }

    fn mailboxes(&mut self) -> MailboxSettings {
        let home = self.path("mailboxes", "home");
        let table = self.table("mailboxes");
        MailboxSettings { home, poll: table.duration("poll"), lock_wait: table.duration("lock_wait") }
    }

    fn queue(&mut self) -> QueueSettings {
        let table = self.table("queue");
        QueueSettings {
            retry_first: table.duration("retry_first"),
            retry_max: table.duration("retry_max"),
            lifetime: table.duration("lifetime"),
            bounce_lifetime: table.duration("bounce_lifetime"),
            connections_per_destination: table.number("connections_per_destination"),
        }
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        let table = self.table("tls");
        let (certificate, key) = (table.text("certificate")?, table.text("key")?);
        Some(TlsFiles { certificate: self.folder.join(certificate), key: self.folder.join(key) })
    }

    fn limits(&mut self) -> Limits {
        let table = self.table("limits");
        Limits {
            connections: table.number("connections"),
            connections_per_address: table.number("connections_per_address"),
            message_size: table.size("message_size"),
            recipients: table.number("recipients"),
            line: usize::try_from(table.size("line")).unwrap_or(usize::MAX),
            literal: usize::try_from(table.size("literal")).unwrap_or(usize::MAX),
            errors: table.number("errors"),
            idle_smtp: table.duration("idle_smtp"),
            idle_imap: table.duration("idle_imap"),
            idle_pop3: table.duration("idle_pop3"),
            login_time: table.duration("login_time"),
            login_failure_delay: table.duration("login_failure_delay"),
            drain_time: table.duration("drain_time"),
            disk_threads: table.number("disk_threads"),
        }
    }

    fn log(&mut self) -> LogSettings {
        let table = self.table("log");
        let format = if table.text("format") == Some("json") { LogFormat::Json } else { LogFormat::Text };
        let level = table.text("level").and_then(|level| level.parse().ok()).unwrap_or(tracing::Level::INFO);
        LogSettings { format, level }
    }

    fn check_listeners(&mut self, settings: &Settings) {
        for (index, table) in self.written.tables("listener").iter().enumerate() {
            let Some(listener) = settings.listeners.iter().find(|listener| is_written_as(listener, table)) else {
                continue;
            };
            let lacks_role = listener.protocol.role().is_some_and(|role| !settings.has_role(role));
            if lacks_role && !settings.roles.is_empty() {
                let role = if listener.protocol == Protocol::Submission { "outgoing" } else { "mailbox" };
                self.mistake(
                    table.place("protocol"),
                    format!("this node has not the role \"{role}\" that this listener needs"),
                    "",
                );
            }
            if listener.tls != TlsMode::Off && settings.tls.is_none() {
                self.mistake(
                    table.place("tls"),
                    "this listener needs a certificate",
                    "write [tls] with `certificate` and `key`",
                );
            }
            let taken = |earlier: &WrittenTable| earlier.text("address") == table.text("address");
            if self.written.tables("listener").iter().take(index).any(taken) {
                self.mistake(table.place("address"), "another listener has this address already", "");
            }
        }
    }

    /// Two accounts must not have one home.
    fn check_home(&mut self, settings: &Settings) {
        let home = settings.mailboxes.home.to_string_lossy();
        let table = self.table("mailboxes");
        if table.text("home").is_some() && !home.contains("%u") && !home.contains("%n") {
            self.mistake(table.place("home"), "every account would have the same home", "use %u, or %d and %n, in it");
        }
    }
}

fn is_written_as(listener: &Listener, table: &WrittenTable) -> bool {
    let address = table.text("address").and_then(|address| address.parse().ok());
    address == Some(listener.address) && table.text("protocol") == Some(listener.protocol.word())
}

/// `[192.0.2.1]:25`, `[::1]:25` or `host.example:25`.
fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(literal) => literal.parse::<std::net::IpAddr>().ok()?.to_string(),
        None => Domain::parse(host).ok()?.as_str().to_owned(),
    };
    Some((host, port))
}
