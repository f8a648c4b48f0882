//! From what is written to settings: values typed, completed and checked against each other. Every mistake is told.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use directory::ldap::HomeRoots;
use directory::lockout::Rules;
use directory::passwd_file::Network;
use mail::Domain;
use proto::pop3::UniqueIdFormat;
use proto::pop3::unique_id::BadFormat;
use proto::sasl::Mechanism;

use super::Mistake;
use super::ldap::{self, LdapSettings};
use super::settings::{
    AuthMode, ClientCertificates, DirectorySettings, GssapiSettings, Limits, ListenAt, Listener, LmtpSettings,
    LogFormat, LogSettings, MailboxSettings, OauthCheck, OauthSettings, PROTOCOLS, Protocol, QueueSettings, Role,
    Route, RouteTls, Settings, SharedSettings, TlsFiles, TlsMode, TrustedSettings, UniqueIdSettings,
};
use super::written::{Written, WrittenTable};
use super::{auto, dkim, domains, hints, namespace, pop3, quota, relay, scan, sieve, smtp, verify};
use crate::certificate::UserField;

/// The shortest `poll`.
const POLL_MIN: Duration = Duration::from_millis(100);

/// Makes settings of what is written. Whatever is wrong is added to the mistakes, and then the result must not be used.
pub fn settle(written: &Written, folder: &Path, mistakes: &mut Vec<Mistake>) -> Settings {
    let (namespaces, public) = namespace::settle(written, mistakes);
    let mut settler = Settler { written, folder, mistakes };
    let settings = Settings {
        name: settler.name(),
        roles: settler.roles(),
        state: settler.path("node", "state"),
        listeners: settler.listeners(),
        local_domains: settler.local_domains(),
        recipient_delimiter: settler.punctuation("domains", "recipient_delimiter"),
        spare: domains::settle(written, settler.mistakes),
        relay: relay::settle(written, settler.mistakes),
        smtp: smtp::settle(written, folder, settler.mistakes),
        routes: settler.routes(),
        directory: settler.directory(),
        ldap: settler.ldap(),
        oauth: settler.oauth(),
        gssapi: settler.gssapi(),
        trusted: settler.trusted(),
        lockout: settler.lockout(),
        mailboxes: settler.mailboxes(),
        hints: hints::settle(written, folder, settler.mistakes),
        shared: settler.shared(),
        namespaces,
        public,
        quota: quota::settle(written, folder, settler.mistakes),
        sieve: sieve::settle(written, folder, settler.mistakes),
        lmtp: settler.lmtp(),
        pop3: pop3::settle(written, settler.mistakes),
        scan: scan::settle(written, folder, settler.mistakes),
        dkim: dkim::settle(written, folder, settler.mistakes),
        verify: verify::settle(written, settler.mistakes),
        dns: verify::settle_dns(written, settler.mistakes),
        queue: settler.queue(),
        tls: settler.tls(),
        limits: settler.limits(),
        log: settler.log(),
    };
    settler.check_sources(&settings);
    settler.check_listeners(&settings);
    settler.check_trusted(&settings);
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
        let auth = match (table.text("auth"), protocol) {
            (Some("required"), _) | (None, Some(Protocol::Submission)) => AuthMode::Required,
            (Some("offered"), _) => AuthMode::Offered,
            _ => AuthMode::Off,
        };
        let address = table.text("address")?;
        let Some(address) = ListenAt::parse(address) else {
            self.mistake(
                table.place("address"),
                "expected an IP address and a port",
                "as \"0.0.0.0:143\" or \"[::]:143\"",
            );
            return None;
        };
        let (name, proxy) = (table.text("name").map(str::to_owned), networks(table.texts("proxy"), self.mistakes));
        let hide = table.texts("hide").iter().map(|(keyword, _)| keyword.clone()).collect();
        let own_name = self.table("node").text("name").unwrap_or_default();
        let banner = table.text("banner").map(|banner| banner.replace("{name}", own_name));
        Some(Listener { protocol: protocol?, address, name, tls, proxy, auth, hide, banner })
    }

    fn local_domains(&mut self) -> Vec<Domain> {
        self.required("domains", "recipient_delimiter");
        domains(self.table("domains").texts("local"), self.mistakes)
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
            text => Some(domain(text, &place, self.mistakes)?),
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
            secret_file: match table.text("secret_file") {
                Some(path) => self.folder.join(path),
                None => self.path("node", "state").join("directory.secret"),
            },
            mechanisms: table
                .value_is_written("mechanisms")
                .then(|| table.texts("mechanisms").iter().filter_map(|(name, _)| Mechanism::parse(name)).collect()),
        }
    }

    fn ldap(&mut self) -> Vec<LdapSettings> {
        let home_roots = self.home_roots();
        let (tables, folder) = (self.written.tables("ldap"), self.folder);
        tables.iter().map(|table| ldap::settle(table, folder, &home_roots, self.mistakes)).collect()
    }

    fn trusted(&mut self) -> Vec<TrustedSettings> {
        let texts = |table: &WrittenTable, key: &str| -> Vec<String> {
            table.texts(key).iter().map(|(text, _)| text.clone()).collect()
        };
        let tables = self.written.tables("trusted");
        tables
            .iter()
            .map(|table| TrustedSettings {
                networks: networks(table.texts("networks"), self.mistakes),
                listeners: texts(table, "listeners"),
                domains: texts(table, "domains"),
            })
            .collect()
    }

    fn lockout(&mut self) -> Option<Rules> {
        let table = self.table("lockout");
        let number = |key| u32::try_from(table.number(key)).unwrap_or(u32::MAX);
        let rules = Rules {
            account_failures: number("account_failures"),
            address_failures: number("address_failures"),
            network_failures: number("network_failures"),
            window: table.duration("window"),
            slow_max: table.duration("slow_max"),
            lock_time: table.duration("lock_time"),
            known: table.duration("known"),
            ipv4_network: number("ipv4_network"),
            ipv6_network: number("ipv6_network"),
            trusted: networks(table.texts("trusted"), self.mistakes),
        };
        (table.text("mode") != Some("off")).then_some(rules)
    }

    /// A trusted network that holds nowhere, or on a listener that is not there, is a slip of the pen.
    fn check_trusted(&mut self, settings: &Settings) {
        for table in self.written.tables("trusted") {
            for key in ["networks", "listeners"].into_iter().filter(|key| table.value_is_written(key)) {
                if table.texts(key).is_empty() {
                    self.mistake(table.place(key), format!("expected at least one of the {key}"), "");
                }
            }
            for (name, span) in table.texts("listeners") {
                if !settings.listeners.iter().any(|listener| listener.name.as_deref() == Some(name)) {
                    let help = "give the [[listener]] this `name`";
                    self.mistake(Some(span.clone()), format!("no listener has the name `{name}`"), help);
                }
            }
        }
    }

    fn oauth(&mut self) -> Option<OauthSettings> {
        let table = self.table("oauth");
        table.span.as_ref()?;
        let text = |key: &str| table.text(key).map(str::to_owned);
        let path = |key: &str| table.text(key).map(|path| self.folder.join(path));
        let audience: Vec<String> = table.texts("audience").iter().map(|(text, _)| text.clone()).collect();
        let check = match (text("keys_url"), path("keys_file"), text("introspection_url")) {
            (Some(url), None, None) => Some(OauthCheck::KeysUrl(url)),
            (None, Some(file), None) => Some(OauthCheck::KeysFile(file)),
            (None, None, Some(url)) => {
                text("client_id").zip(path("client_secret_file")).map(|(client_id, client_secret_file)| {
                    OauthCheck::Introspection { url, client_id, client_secret_file }
                })
            }
            _ => None,
        };
        if check.is_none() {
            let help =
                "one of `keys_url`, `keys_file`, or `introspection_url` with `client_id` and `client_secret_file`";
            self.mistake(table.span.clone(), "it is not clear how tokens are verified", help);
        }
        if audience.is_empty() && table.value_is_written("audience") {
            let help = "tokens for every other program of the company would let in here";
            self.mistake(table.place("audience"), "a token must be for somebody", help);
        }
        Some(OauthSettings {
            issuer: table.text("issuer")?.to_owned(),
            audience,
            check: check?,
            ca_file: table.text("ca_file").map(|path| self.folder.join(path)),
            user_claim: table.text("user_claim").unwrap_or_default().to_owned(),
            scope: table.text("scope").map(str::to_owned),
            leeway: table.duration("leeway"),
            timeout: table.duration("timeout"),
            keys_pause: table.duration("keys_pause"),
            stale: table.duration("stale"),
            remember: table.duration("remember"),
        })
    }

    fn gssapi(&mut self) -> Option<GssapiSettings> {
        let table = self.table("gssapi");
        table.span.as_ref()?;
        if cfg!(not(feature = "gssapi")) {
            self.mistake(
                table.span.clone(),
                "this tepui was built without GSSAPI",
                "build it with `--features gssapi`",
            );
        }
        let texts = |key| table.texts(key).iter().map(|(text, _)| text.clone()).collect::<Vec<_>>();
        let (realms, mut hosts) = (texts("realms"), texts("hosts"));
        if realms.is_empty() && table.value_is_written("realms") {
            let help = "realms that trust each other would all log in here";
            self.mistake(table.place("realms"), "expected at least one realm", help);
        }
        if hosts.is_empty() {
            hosts = self.table("node").text("name").map(str::to_owned).into_iter().collect();
        }
        Some(GssapiSettings {
            keytab: self.folder.join(table.text("keytab")?),
            realms,
            hosts,
            whole_principal: table.text("login") == Some("principal"),
        })
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
        let state = self.table("node").text("state").unwrap_or_default();
        let index = table.text("index").map(PathBuf::from).unwrap_or_else(|| Path::new(state).join("index"));
        let location =
            table.text("location").unwrap_or_default().parse().unwrap_or_else(|error: store::BadLocation| {
                self.mistake(table.place("location"), error.to_string(), "write it as Dovecot's mail_location");
                store::Location::default()
            });
        let format = table.text("pop3_uidl_format").unwrap_or_default().parse().unwrap_or_else(|error: BadFormat| {
            let help = "write it as Dovecot's pop3_uidl_format";
            self.mistake(table.place("pop3_uidl_format"), error.to_string(), help);
            UniqueIdFormat::default()
        });
        let rename_duplicates = table.text("pop3_uidl_duplicates") == Some("rename");
        let poll = table.duration("poll");
        if poll < POLL_MIN {
            let help = "a shorter one would do nothing but look";
            self.mistake(table.place("poll"), "expected at least \"100ms\"", help);
        }
        let level = u8::try_from(table.number("compress_level")).ok().and_then(store::ZstdLevel::new);
        MailboxSettings {
            auto: auto::settle(self.written, &location, self.mistakes),
            home,
            location,
            unique_ids: UniqueIdSettings { format: format.into(), rename_duplicates },
            poll,
            single_instance: table.text("single_instance") != Some("off"),
            compress: level.filter(|_| table.text("compress") == Some("zstd")),
            lock_wait: table.duration("lock_wait"),
            index: self.folder.join(index),
            index_size: table.size("index_size"),
        }
    }

    fn shared(&mut self) -> Option<SharedSettings> {
        let table = self.table("shared");
        table.span.as_ref()?;
        Some(SharedSettings {
            dictionary: self.folder.join(table.text("dictionary")?),
            anyone: table.text("anyone") == Some("allow"),
        })
    }

    fn home_roots(&mut self) -> HomeRoots {
        let mut roots = HomeRoots::default();
        for (root, span) in self.table("mailboxes").texts("home_roots") {
            if let Err(error) = roots.add(root) {
                self.mistake(Some(span.clone()), error.to_string(), "as \"/var/vmail\"");
            }
        }
        roots
    }

    fn queue(&mut self) -> QueueSettings {
        let table = self.table("queue");
        QueueSettings {
            retry_first: table.duration("retry_first"),
            retry_max: table.duration("retry_max"),
            lifetime: table.duration("lifetime"),
            bounce_lifetime: table.duration("bounce_lifetime"),
            delay_warning: Some(table.duration("delay_warning")).filter(|after| !after.is_zero()),
            connections_per_destination: table.number("connections_per_destination"),
        }
    }

    fn tls(&mut self) -> Option<TlsFiles> {
        let table = self.table("tls");
        let (certificate, key) = (table.text("certificate")?, table.text("key")?);
        let clients = table.text("client_ca").map(|authority| ClientCertificates {
            authority: self.folder.join(authority),
            required: table.text("client_certificates") == Some("required"),
            user_field: match table.text("client_name") {
                Some("upn") => UserField::Upn,
                Some("common-name") => UserField::CommonName,
                _ => UserField::Email,
            },
        });
        Some(TlsFiles { certificate: self.folder.join(certificate), key: self.folder.join(key), clients })
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

    fn lmtp(&self) -> LmtpSettings {
        let table = self.table("lmtp");
        LmtpSettings {
            save_to_detail_mailbox: table.text("save_to_detail_mailbox") == Some("yes"),
            answer_within: table.duration("answer_within"),
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
            let logs_in = matches!(listener.protocol, Protocol::Smtp | Protocol::Submission);
            if !logs_in && table.value_is_written("auth") {
                let message = format!("`auth` is for smtp and submission, not for {}", listener.protocol.word());
                self.mistake(table.place("auth"), message, "");
            }
            let greets = logs_in || listener.protocol == Protocol::Lmtp;
            for key in ["hide", "banner"].into_iter().filter(|key| !greets && table.value_is_written(key)) {
                let message = format!("`{key}` is for smtp, submission and lmtp, not for {}", listener.protocol.word());
                self.mistake(table.place(key), message, "");
            }
            if listener.tls != TlsMode::Off && settings.tls.is_none() {
                self.mistake(
                    table.place("tls"),
                    "this listener needs a certificate",
                    "write [tls] with `certificate` and `key`",
                );
            }
            if listener.address.ip().is_none() && listener.protocol != Protocol::Lmtp {
                self.mistake(
                    table.place("address"),
                    "only LMTP is spoken on a unix socket",
                    "write an IP address and a port",
                );
            }
            if listener.protocol == Protocol::Admin && !listener.proxy.is_empty() {
                let help = "let the balancer pass HTTP on";
                self.mistake(table.place("proxy"), "the admin listener takes no PROXY header", help);
            }
            let same_name =
                |earlier: &WrittenTable| earlier.text("name").is_some_and(|name| table.text("name") == Some(name));
            if self.written.tables("listener").iter().take(index).any(same_name) {
                self.mistake(table.place("name"), "another listener has this name already", "");
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

fn domain(text: &str, span: &Range<usize>, mistakes: &mut Vec<Mistake>) -> Option<Domain> {
    let domain = Domain::parse(text).ok();
    if domain.is_none() {
        mistakes.push(Mistake::at(span.clone(), format!("`{text}` is not a domain")).help("as \"example.test\""));
    }
    domain
}

pub(super) fn domains(texts: &[(String, Range<usize>)], mistakes: &mut Vec<Mistake>) -> Vec<Domain> {
    texts.iter().filter_map(|(text, span)| domain(text, span, mistakes)).collect()
}

pub(super) fn networks(texts: &[(String, Range<usize>)], mistakes: &mut Vec<Mistake>) -> Vec<Network> {
    let mut networks = Vec::new();
    for (text, span) in texts {
        match Network::parse(text) {
            Some(network) => networks.push(network),
            None => {
                let help = "as \"192.0.2.0/24\", \"192.0.2.7\" or \"2001:db8::/32\"";
                mistakes.push(Mistake::at(span.clone(), format!("`{text}` is not a network")).help(help));
            }
        }
    }
    networks
}

fn is_written_as(listener: &Listener, table: &WrittenTable) -> bool {
    let address = table.text("address").and_then(ListenAt::parse);
    address.as_ref() == Some(&listener.address) && table.text("protocol") == Some(listener.protocol.word())
}

/// `[192.0.2.1]:25`, `[::1]:25` or `host.example:25`.
pub(super) fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(literal) => literal.parse::<std::net::IpAddr>().ok()?.to_string(),
        None => Domain::parse(host).ok()?.as_str().to_owned(),
    };
    Some((host, port))
}
