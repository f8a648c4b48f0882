//! Who is who, and how one proves it.

use super::{COUNT, Kind, MECHANISMS, Table, may, must, up_to, with};

pub const DIRECTORY: Table = Table {
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
};

pub const LDAP: Table = Table {
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
        may("bind_password_file", Kind::Path, "A file with the password of `bind_dn`, readable for this user only."),
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
        with("lookup_connections", up_to(64), "2", "Connections to a server for look-ups; each carries many at once."),
        with(
            "bind_connections",
            up_to(256),
            "8",
            "Connections to a server on which passwords are checked, one at a time each.",
        ),
    ],
};

pub const TRUSTED: Table = Table {
    name: "trusted",
    repeats: true,
    sentence: "Networks whose clients need no password on some listeners: they name an account, which must be there and neither disabled nor expired. On every other listener, and from elsewhere, a password is asked as always.",
    rows: &[
        must("networks", Kind::Texts, "Networks, as `\"192.0.2.0/24\"`, and addresses."),
        must("listeners", Kind::Texts, "Names of the listeners on which it holds."),
        with("domains", Kind::Texts, "[]", "Domains of the accounts it holds for; none: all."),
    ],
};

pub const LOCKOUT: Table = Table {
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
};

pub const OAUTH: Table = Table {
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
        may("client_secret_file", Kind::Path, "A file with the secret of `client_id`, readable for this user only."),
        may("ca_file", Kind::Path, "Certificates that vouch for the issuer's server, PEM; without it, the system's."),
        with("user_claim", Kind::Text, "\"email\"", "The claim that is the login."),
        may("scope", Kind::Text, "A scope that a token must have."),
        with("leeway", Kind::Duration, "\"1m\"", "How far the issuer's clock may be from ours."),
        with("timeout", Kind::Duration, "\"5s\"", "For one answer of the issuer; then logins get a temporary answer."),
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
};

pub const GSSAPI: Table = Table {
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
};
