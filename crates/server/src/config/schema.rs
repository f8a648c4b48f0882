//! Every option there is: one row each, with its type, default, unit and sentence.
//!
//! The reader, the defaults and the reference in `docs/reference/configuration.md` all come from these rows.

/// What may stand behind an option's `=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text that is not empty.
    Text,
    /// A file or folder; relative ones are meant from the configuration file's folder.
    Path,
    /// `"500ms"`, `"30s"`, `"5m"`, `"12h"`, `"1d"`.
    Duration,
    /// A number of octets, or `"64K"`, `"25M"`, `"2G"` (powers of 1024).
    Size,
    /// A whole number within bounds.
    Number { min: i64, max: i64 },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of words out of these.
    Choices(&'static [&'static str]),
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub key: &'static str,
    pub kind: Kind,
    /// As it would be written in the file; `None` when there is no substitute for writing it.
    pub default: Option<&'static str>,
    pub required: bool,
    /// What it means.
    pub sentence: &'static str,
}

/// One table of the file, `[name]` or, when it repeats, `[[name]]`.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    pub repeats: bool,
    pub sentence: &'static str,
    pub rows: &'static [Row],
}

const fn with(key: &'static str, kind: Kind, default: &'static str, sentence: &'static str) -> Row {
    Row { key, kind, default: Some(default), required: false, sentence }
}

const fn must(key: &'static str, kind: Kind, sentence: &'static str) -> Row {
    Row { key, kind, default: None, required: true, sentence }
}

const fn may(key: &'static str, kind: Kind, sentence: &'static str) -> Row {
    Row { key, kind, default: None, required: false, sentence }
}

const fn up_to(max: i64) -> Kind {
    Kind::Number { min: 1, max }
}

pub const PROTOCOLS: &[&str] = &["smtp", "submission", "lmtp", "imap", "pop3", "managesieve", "admin"];
pub const TLS_MODES: &[&str] = &["off", "starttls", "required", "implicit"];

/// The whole file.
pub const TABLES: &[Table] = &[
    Table {
        name: "node",
        repeats: false,
        sentence: "Who this node is. The rest of the file is the same on every node of the platform.",
        rows: &[
            must("name", Kind::Text, "The full host name, as greetings and Received lines show it."),
            must("roles", Kind::Choices(&["outgoing", "mailbox"]), "What this node does for the platform."),
            must("state", Kind::Path, "The folder for the queue and the admin token. Made when missing."),
        ],
    },
    Table {
        name: "listener",
        repeats: true,
        sentence: "One address that takes connections. `smtp`, `lmtp`, `imap`, `pop3` and `managesieve` need the role `mailbox`, `submission` needs `outgoing`.",
        rows: &[
            must("protocol", Kind::Choice(PROTOCOLS), "What is spoken there."),
            must("address", Kind::Text, "IP address and port, as `\"0.0.0.0:143\"` or `\"[::]:143\"`."),
            with(
                "tls",
                Kind::Choice(TLS_MODES),
                "\"off\"",
                "`off`; `starttls`: offered, and passwords only after it; `required`: nothing before it; `implicit`: TLS from the first byte.",
            ),
        ],
    },
    Table {
        name: "domains",
        repeats: false,
        sentence: "Whose mail this platform keeps.",
        rows: &[
            must(
                "local",
                Kind::Texts,
                "Domains whose mailboxes are here. Their recipients are checked in the directory.",
            ),
            with(
                "recipient_delimiter",
                Kind::Text,
                "\"+\"",
                "The character between a local-part and its detail, as in `ana+lists@example.test`.",
            ),
        ],
    },
    Table {
        name: "route",
        repeats: true,
        sentence: "Where the queue sends mail for a domain. The most exact one wins; mail for a domain without a route is refused when it is submitted.",
        rows: &[
            must("domain", Kind::Text, "A domain, or `\"*\"` for all others."),
            must("to", Kind::Text, "The next hop, as `\"[192.0.2.1]:25\"` or `\"mailbox.example.test:25\"`."),
            with("protocol", Kind::Choice(&["smtp", "lmtp"]), "\"smtp\"", "What the next hop speaks."),
            with(
                "tls",
                Kind::Choice(&["off", "opportunistic", "required"]),
                "\"opportunistic\"",
                "`opportunistic`: when offered, whatever the certificate; `required`: with a certificate that is trusted, else the mail waits.",
            ),
        ],
    },
    Table {
        name: "directory",
        repeats: false,
        sentence: "Who is who. The password file is asked first, then each `[[ldap]]` in the order of the file.",
        rows: &[
            may(
                "password_file",
                Kind::Path,
                "A file in the form of Dovecot's passwd-file, as `tepui password` makes its lines.",
            ),
            with(
                "remember",
                Kind::Duration,
                "\"5m\"",
                "How long an account, a recipient and a right password are remembered.",
            ),
            with(
                "remember_unknown",
                Kind::Duration,
                "\"1m\"",
                "How long it is remembered that there is no such account or recipient.",
            ),
            with(
                "stale",
                Kind::Duration,
                "\"0s\"",
                "How long the last known answer stands in when no directory answers; `0s`: never.",
            ),
            may(
                "master_users",
                Kind::Path,
                "A password file of users who log in as others, as `ana@example.test*admin`.",
            ),
            with("master_separator", Kind::Text, "\"*\"", "The character between the account and the master user."),
        ],
    },
    Table {
        name: "ldap",
        repeats: true,
        sentence: "An LDAP directory or Active Directory. In filters and in the base, `%u` is the whole login, `%n` its local-part, `%d` its domain; all are escaped.",
        rows: &[
            must("servers", Kind::Texts, "URLs in order of preference: `ldap://`, `ldaps://` or `ldapi://`."),
            with(
                "tls",
                Kind::Choice(&["off", "starttls"]),
                "\"off\"",
                "Whether `ldap://` is encrypted by StartTLS. Without it passwords travel readable.",
            ),
            may("ca_file", Kind::Path, "Certificates that vouch for the servers, PEM; without it, the system's."),
            may("bind_dn", Kind::Text, "As whom the platform searches; without it nobody is bound."),
            may(
                "bind_password_file",
                Kind::Path,
                "A file with the password of `bind_dn`, readable for this user only.",
            ),
            must("base", Kind::Text, "Where to search, with everything below."),
            with("domains", Kind::Texts, "[]", "Domains whose users are here; none: all."),
            must(
                "login_filter",
                Kind::Text,
                "Finds who logs in; they are then bound with their password (Dovecot's `pass_filter`).",
            ),
            may(
                "bind_name",
                Kind::Text,
                "As whom to bind who logs in, as `%n@example.test`; without it, as the DN that was found.",
            ),
            may(
                "account_filter",
                Kind::Text,
                "Finds an account by its name (Dovecot's `user_filter`); without it, `login_filter`.",
            ),
            must(
                "attributes",
                Kind::Text,
                "What an account is made of, in the form of Dovecot's `user_attrs`: `sAMAccountName=home=/var/vmail/%1M$/%$,=quota_rule=*:bytes=%{ldap:info}`.",
            ),
            with(
                "name_attribute",
                Kind::Text,
                "\"sAMAccountName\"",
                "The attribute that is an account's one name, whatever was typed.",
            ),
            may(
                "default_quota",
                Kind::Text,
                "The quota rule for accounts whose own is missing or malformed, as `*:storage=2G`.",
            ),
            may(
                "recipient_filter",
                Kind::Text,
                "Finds the account an address belongs to. Postfix's form: `%s` is the address, `%u` its local-part, `%d` its domain.",
            ),
            may("group_filter", Kind::Text, "Finds the group an address belongs to, in the same form."),
            with("member_attribute", Kind::Text, "\"member\"", "The attribute with the DNs of a group's members."),
            with(
                "address_attributes",
                Kind::Texts,
                "[\"mail\"]",
                "Attributes with a member's address; the first that has any counts.",
            ),
            may(
                "owner_attribute",
                Kind::Text,
                "Who hears of failures instead of the sender when a group is expanded, as `managedBy`.",
            ),
            with(
                "account_state",
                Kind::Choice(&["active-directory", "off"]),
                "\"active-directory\"",
                "Whether disabled and expired accounts are told by Active Directory's attributes, and not by the bind alone.",
            ),
            with(
                "referrals",
                Kind::Choice(&["off", "follow"]),
                "\"off\"",
                "Whether referrals to other servers are followed.",
            ),
            with("connect_timeout", Kind::Duration, "\"3s\"", "For connecting to one server."),
            with("answer_timeout", Kind::Duration, "\"5s\"", "For one server's answer, before the next one is asked."),
            with(
                "operation_timeout",
                Kind::Duration,
                "\"15s\"",
                "For an answer at all, over all servers: nobody waits longer.",
            ),
            with(
                "lookup_connections",
                up_to(64),
                "2",
                "Connections to a server for look-ups; each carries many at once.",
            ),
            with(
                "bind_connections",
                up_to(256),
                "8",
                "Connections to a server on which passwords are checked, one at a time each.",
            ),
        ],
    },
    Table {
        name: "mailboxes",
        repeats: false,
        sentence: "Where mail lies.",
        rows: &[
            must(
                "home",
                Kind::Path,
                "An account's home folder; `%n` is the local-part, `%d` the domain, `%u` the whole address. The mailboxes are in `maildir` below it.",
            ),
            with(
                "poll",
                Kind::Duration,
                "\"5s\"",
                "How often a session that waits (IDLE) looks whether another node changed its mailbox.",
            ),
            with(
                "lock_wait",
                Kind::Duration,
                "\"30s\"",
                "How long an operation waits for a mailbox's lock before it answers that the mailbox is busy.",
            ),
        ],
    },
    Table {
        name: "queue",
        repeats: false,
        sentence: "Mail on its way out.",
        rows: &[
            with(
                "retry_first",
                Kind::Duration,
                "\"5m\"",
                "The wait after the first failed attempt; it doubles from there.",
            ),
            with("retry_max", Kind::Duration, "\"1h\"", "The longest wait between two attempts."),
            with(
                "lifetime",
                Kind::Duration,
                "\"5d\"",
                "How long a message is tried before it is returned to its sender.",
            ),
            with(
                "bounce_lifetime",
                Kind::Duration,
                "\"5d\"",
                "How long a report to a sender is tried before it is dropped.",
            ),
            with("connections_per_destination", up_to(1000), "20", "Connections at the same time to one next hop."),
        ],
    },
    Table {
        name: "tls",
        repeats: false,
        sentence: "The certificate for every listener with TLS.",
        rows: &[
            must("certificate", Kind::Path, "The certificate and its chain, PEM."),
            must("key", Kind::Path, "Its private key, PEM."),
        ],
    },
    Table {
        name: "limits",
        repeats: false,
        sentence: "Bounds, and a polite answer beyond each.",
        rows: &[
            with("connections", up_to(1_000_000), "20000", "Connections in all."),
            with(
                "connections_per_address",
                up_to(1_000_000),
                "200",
                "Connections from one IP address (IPv6: one /64).",
            ),
            with("message_size", Kind::Size, "\"25M\"", "The largest message, in octets with CR LF."),
            with("recipients", up_to(100_000), "200", "Recipients of one message."),
            with(
                "line",
                Kind::Size,
                "\"64K\"",
                "The longest command line of IMAP. SMTP and POP3 have the bounds of their RFCs.",
            ),
            with("literal", Kind::Size, "\"64K\"", "The longest literal in an IMAP command other than APPEND."),
            with(
                "errors",
                up_to(1000),
                "20",
                "Wrong commands and refused recipients in one session before it is closed.",
            ),
            with(
                "idle_smtp",
                Kind::Duration,
                "\"5m\"",
                "Silence of an SMTP or LMTP client before its session is closed.",
            ),
            with("idle_imap", Kind::Duration, "\"30m\"", "Silence of an IMAP client before its session is closed."),
            with(
                "idle_pop3",
                Kind::Duration,
                "\"10m\"",
                "Silence of a POP3 or ManageSieve client before its session is closed.",
            ),
            with("login_time", Kind::Duration, "\"3m\"", "Time to log in to IMAP or POP3."),
            with("login_failure_delay", Kind::Duration, "\"2s\"", "How late a wrong password is answered."),
            with(
                "drain_time",
                Kind::Duration,
                "\"30s\"",
                "How long a stopping server lets sessions finish what they do.",
            ),
            with("disk_threads", up_to(1024), "64", "Threads for disk work."),
        ],
    },
    Table {
        name: "log",
        repeats: false,
        sentence: "One event a line, on standard error.",
        rows: &[
            with("format", Kind::Choice(&["text", "json"]), "\"text\"", "For people or for machines."),
            with(
                "level",
                Kind::Choice(&["error", "warn", "info", "debug"]),
                "\"info\"",
                "The least important events shown.",
            ),
        ],
    },
];

/// The table with this name.
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}

impl Table {
    pub fn row(&self, key: &str) -> Option<&'static Row> {
        self.rows.iter().find(|row| row.key == key)
    }
}
