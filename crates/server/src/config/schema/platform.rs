//! What a node is, where it listens, where mail goes, and the bounds of it all.

use super::{AUTH_MODES, Kind, PROTOCOLS, SMTP_KEYWORDS, TLS_MODES, Table, may, must, up_to, with};

pub const NODE: Table = Table {
    name: "node",
    repeats: false,
    sentence: "Who this node is. The rest of the file is the same on every node of the platform.",
    rows: &[
        must("name", Kind::Text, "The full host name, as greetings and Received lines show it."),
        must("roles", Kind::Choices(&["outgoing", "mailbox"]), "What this node does for the platform."),
        must("state", Kind::Path, "The folder for the queue and the admin token. Made when missing."),
    ],
};

pub const LISTENER: Table = Table {
    name: "listener",
    repeats: true,
    sentence: "One address that takes connections. `lmtp`, `imap`, `pop3` and `managesieve` need the role `mailbox`, `submission` needs `outgoing`; `smtp` takes mail for whatever roles there are.",
    rows: &[
        must("protocol", Kind::Choice(PROTOCOLS), "What is spoken there."),
        must(
            "address",
            Kind::Text,
            "IP address and port, as `\"0.0.0.0:143\"` or `\"[::]:143\"`; for `lmtp` also the whole path of a unix socket, as `\"/run/tepui/lmtp\"`: the process's user and group may connect to it.",
        ),
        may("name", Kind::Text, "A name for it, so that a `[[trusted]]` can name it."),
        with(
            "proxy",
            Kind::Texts,
            "[]",
            "Networks of load balancers, as `[\"10.0.0.0/8\"]`. Connections from there must begin with a PROXY protocol header (version 1 or 2), and its client is the peer in limits, logs and headers; all others are taken as they come.",
        ),
        with(
            "tls",
            Kind::Choice(TLS_MODES),
            "\"off\"",
            "`off`; `starttls`: offered, and passwords only after it; `required`: nothing before it; `implicit`: TLS from the first byte.",
        ),
        may(
            "auth",
            Kind::Choice(AUTH_MODES),
            "Whether clients of `smtp` and `submission` may log in: `off`, `offered`, or `required` before any mail. Without it `required` for `submission`, `off` for `smtp`.",
        ),
        with(
            "hide",
            Kind::Choices(SMTP_KEYWORDS),
            "[]",
            "What EHLO and LHLO do not tell. `VRFY`, `ETRN`, `DSN`, `SMTPUTF8` and `CHUNKING` are not taken either.",
        ),
        may(
            "banner",
            Kind::Text,
            "The greeting of `smtp`, `submission` and `lmtp` after its 220, as `\"{name} ESMTP ready\"`; `{name}` is the node's name, which RFC 5321 wants first.",
        ),
    ],
};

pub const DOMAINS: Table = Table {
    name: "domains",
    repeats: false,
    sentence: "Whose mail this platform keeps.",
    rows: &[
        must("local", Kind::Texts, "Domains whose mailboxes are here. Their recipients are checked in the directory."),
        with(
            "recipient_delimiter",
            Kind::Text,
            "\"+\"",
            "The character between a local-part and its detail, as in `ana+lists@example.test`.",
        ),
        may(
            "postmaster",
            Kind::Text,
            "Who gets the mail of `postmaster` and `abuse` in every local domain where the directory knows nobody of that name.",
        ),
        with(
            "catch_all",
            Kind::Texts,
            "[]",
            "Who gets the mail of all other unknown addresses of a local domain, as `[\"@example.test ana@example.test\"]`.",
        ),
    ],
};

pub const ROUTE: Table = Table {
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
};

pub const QUEUE: Table = Table {
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
        with("lifetime", Kind::Duration, "\"5d\"", "How long a message is tried before it is returned to its sender."),
        with(
            "bounce_lifetime",
            Kind::Duration,
            "\"5d\"",
            "How long a report to a sender is tried before it is dropped.",
        ),
        with(
            "delay_warning",
            Kind::Duration,
            "\"0s\"",
            "After how long the sender is told that a message still waits, as Postfix's `delay_warning_time`; `\"0s\"`: never.",
        ),
        with("connections_per_destination", up_to(1000), "20", "Connections at the same time to one next hop."),
    ],
};

pub const TLS: Table = Table {
    name: "tls",
    repeats: false,
    sentence: "The certificate for every listener with TLS.",
    rows: &[
        must("certificate", Kind::Path, "The certificate and its chain, PEM."),
        must("key", Kind::Path, "Its private key, PEM."),
        may(
            "client_ca",
            Kind::Path,
            "Certificates that vouch for users', PEM. With it, `submission`, `imap`, `pop3` and `managesieve` ask their clients for a certificate, and who has one may log in by EXTERNAL.",
        ),
        with(
            "client_certificates",
            Kind::Choice(&["wanted", "required"]),
            "\"wanted\"",
            "`required`: without a certificate there is no connection.",
        ),
        with(
            "client_name",
            Kind::Choice(&["email", "upn", "common-name"]),
            "\"email\"",
            "What in a client's certificate is the login: its mail address, Active Directory's user principal name, or the subject's common name.",
        ),
    ],
};

pub const LIMITS: Table = Table {
    name: "limits",
    repeats: false,
    sentence: "Bounds, and a polite answer beyond each.",
    rows: &[
        with("connections", up_to(1_000_000), "20000", "Connections in all."),
        with("connections_per_address", up_to(1_000_000), "200", "Connections from one IP address (IPv6: one /64)."),
        with("message_size", Kind::Size, "\"25M\"", "The largest message, in octets with CR LF."),
        with("recipients", up_to(100_000), "200", "Recipients of one message."),
        with(
            "line",
            Kind::Size,
            "\"64K\"",
            "The longest command line of IMAP. SMTP and POP3 have the bounds of their RFCs.",
        ),
        with("literal", Kind::Size, "\"64K\"", "The longest literal in an IMAP command other than APPEND."),
        with("errors", up_to(1000), "20", "Wrong commands and refused recipients in one session before it is closed."),
        with("idle_smtp", Kind::Duration, "\"5m\"", "Silence of an SMTP or LMTP client before its session is closed."),
        with("idle_imap", Kind::Duration, "\"30m\"", "Silence of an IMAP client before its session is closed."),
        with(
            "idle_pop3",
            Kind::Duration,
            "\"10m\"",
            "Silence of a POP3 or ManageSieve client before its session is closed.",
        ),
        with("login_time", Kind::Duration, "\"3m\"", "Time to log in to IMAP or POP3."),
        with("login_failure_delay", Kind::Duration, "\"2s\"", "How late a wrong password is answered."),
        with("drain_time", Kind::Duration, "\"30s\"", "How long a stopping server lets sessions finish what they do."),
        with("disk_threads", up_to(1024), "64", "Threads for disk work."),
    ],
};

pub const LOG: Table = Table {
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
};
