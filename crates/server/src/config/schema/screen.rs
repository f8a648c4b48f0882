//! What a message's content is looked at for on its way in.

use super::{Kind, Table, may, must, with};

pub const SCAN: Table = Table {
    name: "scan",
    repeats: false,
    sentence: "How messages are scanned for viruses, where there is a `[[scanner]]`. `X-Virus-Scanned` and `X-Virus-Status` of whoever sends are taken out of what is scanned, and ours put in.",
    rows: &[
        with(
            "protocols",
            Kind::Choices(&["submission", "smtp", "lmtp"]),
            "[\"submission\"]",
            "What comes in by these is scanned.",
        ),
        with(
            "on_infected",
            Kind::Choice(&["reject", "quarantine", "tag"]),
            "\"reject\"",
            "`reject`: refused with 550 5.7.1 and `reject_text`. `quarantine`: accepted, and kept in the queue on hold. `tag`: accepted with `X-Virus-Status: Infected (NAME)`.",
        ),
        with("reject_text", Kind::Text, "\"%v virus detected\"", "What the sender is told; `%v` is what was found."),
        with(
            "on_failure",
            Kind::Choice(&["accept", "defer", "reject"]),
            "\"defer\"",
            "When no scanner answers: `accept`: it goes on with `X-Virus-Status: Not scanned`; `defer`: the sender shall try again (451 4.7.1); `reject`: 550 5.7.1.",
        ),
        with(
            "size",
            Kind::Size,
            "\"25M\"",
            "Longer messages go on with `X-Virus-Status: Not scanned (too large)`, as those do that a scanner finds too long (clamd's `StreamMaxLength`).",
        ),
        with(
            "timeout",
            Kind::Duration,
            "\"60s\"",
            "How long a scanner may say nothing, or take nothing, before the next one is asked.",
        ),
    ],
};

pub const SCANNER: Table = Table {
    name: "scanner",
    repeats: true,
    sentence: "A clamd. The first of them that is well is asked; the others when it fails. At most 8.",
    rows: &[must(
        "address",
        Kind::Text,
        "Where it takes connections: `\"127.0.0.1:3310\"`, or `\"unix:/run/clamav/clamd.ctl\"`.",
    )],
};

pub const DKIM: Table = Table {
    name: "dkim",
    repeats: false,
    sentence: "How messages are signed (RFC 6376), by OpenDKIM's own tables. Signed is what users and hosts inside send, and whose `From` is in the signing table. Tables and keys are read again within a second when they change.",
    rows: &[
        with(
            "sign",
            Kind::Choices(&["submission", "smtp", "lmtp"]),
            "[\"submission\"]",
            "What comes in by these and goes into the queue is signed.",
        ),
        must(
            "key_table",
            Kind::Text,
            "OpenDKIM's `KeyTable`, as `\"refile:/etc/opendkim/KeyTable\"`: `NAME DOMAIN:SELECTOR:FILE` on each line. `%` is the domain of the message.",
        ),
        must(
            "signing_table",
            Kind::Text,
            "OpenDKIM's `SigningTable`: `PATTERN NAME` on each line. With `refile:` patterns have wildcards (`*@example.test`) and the first that fits counts; with a path alone, OpenDKIM's order of addresses and domains.",
        ),
        may(
            "internal_hosts",
            Kind::Text,
            "OpenDKIM's `InternalHosts`: a file of addresses and networks whose mail is signed without a login; `!` before those that are not meant. Without it 127.0.0.1 and ::1.",
        ),
        may(
            "external_ignore",
            Kind::Text,
            "OpenDKIM's `ExternalIgnoreList`: a file of those outside that send in our name without a warning in the log.",
        ),
        with(
            "canonicalization",
            Kind::Choice(&["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"]),
            "\"relaxed/relaxed\"",
            "The canonical forms of header and body.",
        ),
        with(
            "fields",
            Kind::Texts,
            "[\"From\", \"Reply-To\", \"Subject\", \"Date\", \"To\", \"Cc\", \"Resent-Date\", \"Resent-From\", \"Resent-To\", \"Resent-Cc\", \"In-Reply-To\", \"References\", \"List-Id\", \"List-Help\", \"List-Unsubscribe\", \"List-Subscribe\", \"List-Post\", \"List-Owner\", \"List-Archive\"]",
            "Which fields are signed when they are there.",
        ),
        with(
            "oversign",
            Kind::Texts,
            "[\"From\"]",
            "Which fields are signed once more than they are there, so that nobody can add one.",
        ),
        with(
            "signatures",
            Kind::Choice(&["first", "all"]),
            "\"first\"",
            "Whether the first key that the signing table has for an author signs, or all of them (at most 4), as for two kinds of keys.",
        ),
        with(
            "minimum_key_bits",
            Kind::Number { min: 1024, max: 8192 },
            "1024",
            "An RSA key with fewer bits does not sign.",
        ),
        with("expire", Kind::Duration, "\"0s\"", "How long signatures hold; nought is for ever."),
        with(
            "on_failure",
            Kind::Choice(&["defer", "send"]),
            "\"defer\"",
            "What cannot be signed though it should, because its key cannot be read: the sender shall try again (451 4.7.1), or it goes out unsigned.",
        ),
    ],
};

pub const VERIFY: Table = Table {
    name: "verify",
    repeats: false,
    sentence: "With this table the DKIM signatures of mail that comes in are verified, and `Authentication-Results` (RFC 8601) says what was found. Such fields of whoever sends that claim our name are taken out. Nothing is refused for what was found.",
    rows: &[
        with(
            "protocols",
            Kind::Choices(&["smtp", "lmtp", "submission"]),
            "[\"smtp\"]",
            "What comes in by these is verified, unless its sender logged in.",
        ),
        may(
            "name",
            Kind::Text,
            "Who says so, the authserv-id; without it the node's name. The same on all nodes keeps others from claiming it.",
        ),
        with(
            "minimum_key_bits",
            Kind::Number { min: 1024, max: 8192 },
            "1024",
            "A signature by an RSA key with fewer bits does not pass (RFC 8301).",
        ),
    ],
};

pub const DNS: Table = Table {
    name: "dns",
    repeats: false,
    sentence: "Who is asked for names.",
    rows: &[
        with(
            "servers",
            Kind::Texts,
            "[]",
            "IP addresses and ports, as `[\"127.0.0.1:53\"]`; without any, those of `/etc/resolv.conf`.",
        ),
        with("timeout", Kind::Duration, "\"5s\"", "How long a server has to answer before it is asked once more."),
    ],
};
