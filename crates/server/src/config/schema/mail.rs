//! Mailboxes: where they lie, how they are named, shared and bounded, and what scripts may do.

use super::{COUNT, Kind, Table, may, must, up_to, with};

pub const MAILBOXES: Table = Table {
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
};

pub const HINTS: Table = Table {
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
};

pub const MAILBOX: Table = Table {
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
};

pub const SHARED: Table = Table {
    name: "shared",
    repeats: false,
    sentence: "Mailboxes that users share with each other by ACLs (RFC 4314). With this table others' mailboxes are in a namespace of their own, and IMAP offers ACL (as it does with a `[[namespace]]` of type `public`); where their mail lies, the directory and `location` say.",
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
};

pub const NAMESPACE: Table = Table {
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
};

pub const QUOTA: Table = Table {
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
};

pub const QUOTA_WARNING: Table = Table {
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
};

pub const SIEVE: Table = Table {
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
        with("after", Kind::Texts, "[]", "Files with scripts that run after the user's own (Dovecot's `sieve_after`)."),
        may(
            "global",
            Kind::Path,
            "A folder of scripts, `NAME.sieve`, that all scripts may include by `include :global \"NAME\"` (Dovecot's `sieve_global`, once `sieve_global_dir`).",
        ),
    ],
};
