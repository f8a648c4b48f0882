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

/// A number of failures; nought switches off.
const COUNT: Kind = Kind::Number { min: 0, max: 1_000_000 };

pub const PROTOCOLS: &[&str] = &["smtp", "submission", "lmtp", "imap", "pop3", "managesieve", "admin"];
pub const MECHANISMS: &[&str] =
    &["EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "GSSAPI", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"];
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
            may("name", Kind::Text, "A name for it, so that a `[[trusted]]` can name it."),
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
                "A password file of users who log in as others, as `ana@example.test*admin`. The field `opens=ana@example.test,@example.net` of a line says as whom.",
            ),
            may(
                "mechanisms",
                Kind::Choices(MECHANISMS),
                "How users may log in. Without it, by all that serve everybody: SCRAM only where each account has `{SCRAM-SHA-256}` or `{PLAIN}`, EXTERNAL with `client_ca`, GSSAPI with `[gssapi]`, OAUTHBEARER and XOAUTH2 with `[oauth]`, PLAIN and LOGIN. Without PLAIN and LOGIN no command takes a password.",
            ),
            with("master_separator", Kind::Text, "\"*\"", "The character between the account and the master user."),
            may(
                "secret_file",
                Kind::Path,
                "What SCRAM shows for names that nobody has comes from this secret, which must be the same on all nodes: a file on the storage that they share. It is made when it is not there; without this option, as `directory.secret` in the state folder.",
            ),
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
                "What an account is made of, in the form of Dovecot's `user_attrs`: `sAMAccountName=home=/var/vmail/%1M$/%$,=quota_rule=*:bytes=%{ldap:info}`. `memberOf=acl_groups` are the groups that ACLs name.",
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
                "iterate_filter",
                Kind::Text,
                "Finds every account, for `tepui user list`; without it, every `person` with a name that does not end in `$`.",
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
                "master_groups",
                Kind::Texts,
                "[]",
                "DNs of groups whose members log in as others, as `ana*admin`, with their own password; members of groups in them do too.",
            ),
            may(
                "master_filter",
                Kind::Text,
                "Who matches this filter too may log in as others, as `(memberOf=cn=support,dc=example,dc=test)`.",
            ),
            may(
                "master_accounts",
                Kind::Text,
                "Which accounts these master users may open, as a filter that the account matches; without it, all accounts of every directory.",
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
        name: "trusted",
        repeats: true,
        sentence: "Networks whose clients need no password on some listeners: they name an account, which must be there and neither disabled nor expired. On every other listener, and from elsewhere, a password is asked as always.",
        rows: &[
            must("networks", Kind::Texts, "Networks, as `\"192.0.2.0/24\"`, and addresses."),
            must("listeners", Kind::Texts, "Names of the listeners on which it holds."),
            with("domains", Kind::Texts, "[]", "Domains of the accounts it holds for; none: all."),
        ],
    },
    Table {
        name: "lockout",
        repeats: false,
        sentence: "Brute force. Failed logins make later ones slower, and then lock for a while. The same wrong password of the same client counts once. Seen and lifted by `tepui auth failures`.",
        rows: &[
            with("mode", Kind::Choice(&["on", "off"]), "\"on\"", "Whether failures are counted at all."),
            with(
                "account_failures",
                COUNT,
                "10",
                "Failures that lock an account, except at places where it logged in lately; `0`: never.",
            ),
            with("address_failures", COUNT, "50", "Failures that lock an address (IPv6: one /64); `0`: never."),
            with("network_failures", COUNT, "200", "Failures that lock a network; `0`: never."),
            with(
                "ipv4_network",
                Kind::Number { min: 8, max: 32 },
                "24",
                "How many bits of an IPv4 address are its network.",
            ),
            with("ipv6_network", Kind::Number { min: 32, max: 64 }, "64", "The same for IPv6."),
            with("window", Kind::Duration, "\"30m\"", "Failures are forgotten when there was none for so long."),
            with(
                "slow_max",
                Kind::Duration,
                "\"15s\"",
                "How much later an answer comes just before the lock, from half of the failures on; `0s`: not later.",
            ),
            with(
                "lock_time",
                Kind::Duration,
                "\"15m\"",
                "The first lock. Each one that follows is twice as long, up to eight times.",
            ),
            with(
                "known",
                Kind::Duration,
                "\"14d\"",
                "How long a place where an account logged in is known, so that strangers cannot lock it out there.",
            ),
            with(
                "trusted",
                Kind::Texts,
                "[\"127.0.0.0/8\", \"::1\"]",
                "Networks from which many people come (the webmail, a proxy): what fails there counts for the accounts only.",
            ),
        ],
    },
    Table {
        name: "oauth",
        repeats: false,
        sentence: "Logins by the access tokens of an OpenID Connect issuer (OAUTHBEARER, XOAUTH2). One of `keys_url`, `keys_file` and `introspection_url` says how tokens are verified.",
        rows: &[
            must("issuer", Kind::Text, "As tokens name it in `iss`, to the letter."),
            must("audience", Kind::Texts, "For whom a token must be: one of these must be in its `aud`."),
            may(
                "keys_url",
                Kind::Text,
                "Where the issuer's keys are (its `jwks_uri`); `https://`, or `http://` on this machine.",
            ),
            may("keys_file", Kind::Path, "The issuer's keys (JWKS) in a file, read at the start."),
            may("introspection_url", Kind::Text, "Where the issuer is asked about each token (RFC 7662)."),
            may("client_id", Kind::Text, "As whom it is asked."),
            may(
                "client_secret_file",
                Kind::Path,
                "A file with the secret of `client_id`, readable for this user only.",
            ),
            may(
                "ca_file",
                Kind::Path,
                "Certificates that vouch for the issuer's server, PEM; without it, the system's.",
            ),
            with("user_claim", Kind::Text, "\"email\"", "The claim that is the login."),
            may("scope", Kind::Text, "A scope that a token must have."),
            with("leeway", Kind::Duration, "\"1m\"", "How far the issuer's clock may be from ours."),
            with(
                "timeout",
                Kind::Duration,
                "\"5s\"",
                "For one answer of the issuer; then logins get a temporary answer.",
            ),
            with("keys_pause", Kind::Duration, "\"10s\"", "Keys are not fetched again sooner, whatever tokens say."),
            with(
                "stale",
                Kind::Duration,
                "\"1d\"",
                "How long keys that cannot be fetched again are still good; they are fetched every hour.",
            ),
            with(
                "remember",
                Kind::Duration,
                "\"1m\"",
                "How long the issuer's yes to a token is remembered, with `introspection_url`.",
            ),
        ],
    },
    Table {
        name: "gssapi",
        repeats: false,
        sentence: "Logins by Kerberos tickets (GSSAPI), in a tepui that was built with it. They are for the services `imap/HOST`, `smtp/HOST` and `pop/HOST`.",
        rows: &[
            must("keytab", Kind::Path, "The services' keys, readable for this user only; read at each login."),
            must(
                "realms",
                Kind::Texts,
                "Whose users may log in: the realms as Kerberos names them, as [\"EXAMPLE.TEST\"].",
            ),
            with(
                "hosts",
                Kind::Texts,
                "[]",
                "The names by which clients know this node, behind a load balancer that one's; none: `name` of `[node]`.",
            ),
            with(
                "login",
                Kind::Choice(&["name", "principal"]),
                "\"name\"",
                "What of `ana@EXAMPLE.TEST` is the login: the name before the realm, or all of it, for a `login_filter` that finds accounts by `userPrincipalName=%u`.",
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
                "An account's home folder; `%n` is the local-part, `%d` the domain, `%u` the whole address. Where the mailboxes are in it, `location` says.",
            ),
            with(
                "home_roots",
                Kind::Texts,
                "[]",
                "The folders in which the homes that an LDAP directory names must lie, as whole paths. Without them, a home lies in the folder with which its template in `attributes` begins, and a whole path from an attribute (`homeDirectory=home`) is refused.",
            ),
            with(
                "location",
                Kind::Text,
                "\"maildir:~/maildir\"",
                "Where an account's mail lies, as Dovecot's `mail_location`: `maildir:` and the Maildir, then `LAYOUT=fs`, `INBOX=`, `CONTROL=`, `INDEX=` and `UTF-8` as needed, with `:` between them. `~` and `%h` are the home; `%u`, `%n` and `%d` are as in `home`.",
            ),
            with(
                "pop3_uidl_format",
                Kind::Text,
                "\"%08Xu%08Xv\"",
                "How POP3 makes its unique-ids (UIDL), as Dovecot's setting of this name: `%u` UID, `%v` UIDVALIDITY, `%f` the file's name, `%g` GUID, each with Dovecot's widths and the modifiers `L`, `U`, `X`, `R`, `M` and `T`. A unique-id that Dovecot saved with a message comes first. A change makes clients that leave their mail on the server fetch it again.",
            ),
            with(
                "pop3_uidl_duplicates",
                Kind::Choice(&["allow", "rename"]),
                "\"allow\"",
                "Several messages of one unique-id: `allow` tells it for each of them, `rename` puts `-2`, `-3` and so on behind it.",
            ),
            with(
                "poll",
                Kind::Duration,
                "\"10s\"",
                "How long a change that another node or another program made may stay unseen by a session that waits (IDLE): a mailbox is looked at again after so long, once for all its sessions. With `[hints]` Tepui's own changes are seen at once.",
            ),
            with(
                "single_instance",
                Kind::Choice(&["on", "off"]),
                "\"on\"",
                "`on`: a message that comes for several accounts at once is written once and linked into their mailboxes, as Dovecot does, where these lie on one file system and belong to one owner. Each has it for himself, and it counts in each quota; it has no `Delivered-To`. `off`: each gets a file of his own.",
            ),
            with(
                "compress",
                Kind::Choice(&["no", "zstd"]),
                "\"no\"",
                "`zstd`: new messages are stored compressed, as Dovecot's `zlib_save = zstd` does; a Dovecot beside needs its `zlib` plugin to read them. Quotas count what the content measures without it. `no`: they are stored as they are. What lies compressed is always read, and stays as it is in copies.",
            ),
            with(
                "compress_level",
                up_to(19),
                "3",
                "How hard `compress` tries, from 1 (fast) to 19, as the `zstd` program counts.",
            ),
            with(
                "lock_wait",
                Kind::Duration,
                "\"30s\"",
                "How long an operation waits for a mailbox's lock before it answers that the mailbox is busy.",
            ),
            may(
                "index",
                Kind::Path,
                "The folder for what this node remembers of mailboxes, on its own disk; without it, `index` below the node's `state`. May be deleted at any time.",
            ),
            with(
                "index_size",
                Kind::Size,
                "\"2G\"",
                "How large that folder may grow. The accounts that were not used for the longest time are forgotten first.",
            ),
        ],
    },
    Table {
        name: "hints",
        repeats: false,
        sentence: "Where the nodes that serve the same mailboxes tell each other of changes, so that sessions that wait see them at once. Without this table, and for each hint that gets lost, after `poll` of `[mailboxes]`. All nodes must call the homes of accounts the same.",
        rows: &[
            must("listen", Kind::Text, "This node's own IP address and UDP port, as `\"192.0.2.1:2424\"`."),
            must(
                "peers",
                Kind::Texts,
                "The same of all nodes, as [\"192.0.2.1:2424\", \"192.0.2.2:2424\"]; this node may be among them.",
            ),
            must(
                "secret_file",
                Kind::Path,
                "What proves that a hint comes from a node: a file with the same 16 to 4096 octets on all of them, readable for this user only. Made when it is not there and its folder is, so on shared storage the first node makes it.",
            ),
        ],
    },
    Table {
        name: "mailbox",
        repeats: true,
        sentence: "A mailbox that every account has: listed from the beginning, made when it is first opened. With any of these tables only they count, and INBOX, which always is; without them there are Drafts, Junk, Trash and Sent with their special uses, all subscribed, INBOX too.",
        rows: &[
            must("name", Kind::Text, "As clients see it, with `/` between levels."),
            with(
                "auto",
                Kind::Choice(&["subscribe", "create"]),
                "\"subscribe\"",
                "Whether it is subscribed from the beginning, or only there. A user who unsubscribes it later has his way.",
            ),
            may(
                "special_use",
                Kind::Choice(&["All", "Archive", "Drafts", "Flagged", "Junk", "Sent", "Trash"]),
                "What it is for, as clients are told (RFC 6154); several may have one use.",
            ),
        ],
    },
    Table {
        name: "shared",
        repeats: false,
        sentence: "Mailboxes that users share with each other by ACLs (RFC 4314). With this table IMAP offers ACL, and others' mailboxes are in a namespace of their own; where their mail lies, the directory and `location` say.",
        rows: &[
            with(
                "prefix",
                Kind::Text,
                "\"shared/%u/\"",
                "Below what name others' mailboxes are: some levels, and `%u` for whose they are. Own mailboxes of such a name are hidden.",
            ),
            with(
                "list",
                Kind::Choice(&["children", "yes"]),
                "\"children\"",
                "Whether the folder of all others is listed only when something is in it, or always.",
            ),
            must(
                "dictionary",
                Kind::Path,
                "The file that says who shares something with whom, as Dovecot's `acl_shared_dict = file:…`; on the storage that all nodes share.",
            ),
            with(
                "anyone",
                Kind::Choice(&["refuse", "allow"]),
                "\"refuse\"",
                "Whether users may share with everybody, as `anyone` and `authenticated` (Dovecot's `acl_anyone`). What is shared so already holds.",
            ),
        ],
    },
    Table {
        name: "namespace",
        repeats: true,
        sentence: "What clients call mailboxes (RFC 2342): below which names the user's own are, others', and those that are nobody's. Without one of type `private` own mailboxes have no prefix. `[shared]` is one already. Names in this file (`[[mailbox]]`, quota rules) are without prefix.",
        rows: &[
            must(
                "type",
                Kind::Choice(&["private", "shared", "public"]),
                "Whose the mailboxes are: the user's own, those of others (more names for what `[shared]` has), or nobody's, which everybody may see whom their `dovecot-acl` lets.",
            ),
            may(
                "prefix",
                Kind::Text,
                "What names begin with, as `\"INBOX.\"`, `\"public/\"`, or for `shared` `\"user/%u/\"`; own mailboxes may have none. INBOX is always `INBOX`.",
            ),
            with(
                "separator",
                Kind::Choice(&["/", "."]),
                "\"/\"",
                "What clients see between levels; the same in all namespaces. With a dot nothing can be shared by users, since names of users have dots in them.",
            ),
            may(
                "location",
                Kind::Text,
                "Where public mailboxes lie, as Dovecot's `location`: `\"maildir:/srv/mail/public\"`, the same for all users and on all nodes.",
            ),
            may(
                "list",
                Kind::Choice(&["yes", "children", "no"]),
                "When LIST has it: always, when something is in it, or when a client asks for names that begin so. Else `yes`; for shared ones `children`, for hidden private ones `no`.",
            ),
            with(
                "hidden",
                Kind::Choice(&["no", "yes"]),
                "\"no\"",
                "Whether NAMESPACE is silent about it. A hidden private one is another name for the user's own mailboxes, for clients that were set up with another prefix.",
            ),
        ],
    },
    Table {
        name: "quota",
        repeats: false,
        sentence: "How much an account may hold. Rules have Dovecot's form; those of the directory (`quota_rule`) come first.",
        rows: &[
            with(
                "storage",
                Kind::Choice(&["found", "dict", "maildirsize", "off"]),
                "\"found\"",
                "Where the sum of an account's messages is kept, as Dovecot keeps it: `dict` is `dovecot-quota` in the home, `maildirsize` the file of the Maildir++ quota, `found` the one that is there (else `dict`); `off`: nothing is counted or refused.",
            ),
            with(
                "rules",
                Kind::Texts,
                "[]",
                "For what the directory says nothing of, as `[\"*:storage=2G:messages=100000\", \"Trash:storage=+100M\", \"Spam:ignore\"]`. Nought is no limit.",
            ),
            with(
                "grace",
                Kind::Number { min: 0, max: 100 },
                "10",
                "By how many percent of the limit the last delivered message may exceed it.",
            ),
            with(
                "when_full",
                Kind::Choice(&["bounce", "defer"]),
                "\"bounce\"",
                "What a delivery to a full mailbox is answered: `bounce` for good (552), `defer` for now (452).",
            ),
        ],
    },
    Table {
        name: "quota_warning",
        repeats: true,
        sentence: "What happens when an account crosses a share of its limit. Once a crossing; of several that are crossed at once, the first in the file.",
        rows: &[
            must("at", Kind::Text, "The share, as `\"95%\"` on the way up, or `\"-100%\"` on the way down."),
            with("of", Kind::Choice(&["storage", "messages"]), "\"storage\"", "Of which limit."),
            with(
                "run",
                Kind::Texts,
                "[]",
                "A program and its arguments, run without a shell for at most 30 s. In arguments `%u` is the account, `%n` and `%d` its parts, `%p` the share, `%s` what it holds, `%l` its limit.",
            ),
            may(
                "template",
                Kind::Path,
                "A message to the user, with the same variables: header fields, an empty line, text. Without it and without `run` the user gets a short one in English.",
            ),
        ],
    },
    Table {
        name: "sieve",
        repeats: false,
        sentence: "What users may say about their mail in scripts, which lie where Dovecot's Pigeonhole keeps them: `~/sieve`, and the active one `~/.dovecot.sieve`.",
        rows: &[
            with("script_size", Kind::Size, "\"1M\"", "The largest script."),
            with("scripts", COUNT, "100", "How many scripts a user may keep; nought: any number."),
            with("scripts_size", Kind::Size, "\"16M\"", "How much all scripts of a user may hold; nought: any amount."),
            with(
                "redirects",
                Kind::Number { min: 0, max: 1000 },
                "4",
                "To how many addresses a script may send one message on.",
            ),
            with(
                "before",
                Kind::Texts,
                "[]",
                "Files with scripts that run for everybody's mail, before the user's own (Dovecot's `sieve_before`). The next one runs as long as the message is kept.",
            ),
            may(
                "default",
                Kind::Path,
                "A script for those who have none of their own (Dovecot's `sieve_default`, once `sieve_global_path`).",
            ),
            with(
                "after",
                Kind::Texts,
                "[]",
                "Files with scripts that run after the user's own (Dovecot's `sieve_after`).",
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
