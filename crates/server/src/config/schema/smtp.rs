//! Who may send mail through this platform, and the manners of SMTP.

use super::{COUNT, Kind, Table, may, must, with};

pub const RELAY: Table = Table {
    name: "relay",
    repeats: false,
    sentence: "Who may send mail to others through this node, by `smtp` and `submission`. Mail for `local` and relay domains is taken from everybody.",
    rows: &[
        with(
            "policy",
            Kind::Text,
            "\"permit networks, permit authenticated, reject others\"",
            "A sentence, judged from left to right: `permit networks`, `permit authenticated`, and at last `reject others` (554 5.7.1) or `defer others` (454 4.7.1), as Postfix's `smtpd_relay_restrictions`.",
        ),
        with(
            "networks",
            Kind::Texts,
            "[]",
            "Whose clients `permit networks` means, as Postfix's `mynetworks`: `[\"192.0.2.0/24\", \"127.0.0.1\"]`.",
        ),
        with(
            "domains",
            Kind::Texts,
            "[]",
            "Domains of others whose mail is taken from everybody and sent on by its route, as Postfix's `relay_domains`.",
        ),
        with(
            "recipients",
            Kind::Choice(&["check", "any"]),
            "\"check\"",
            "Whether recipients in relay domains are checked in the directory. With `any`, what their servers do not know is returned to senders who may never have sent it.",
        ),
    ],
};

pub const SMTP: Table = Table {
    name: "smtp",
    repeats: false,
    sentence: "The manners of `smtp` and `submission`. Nought is no bound; those of `[limits]` hold as well.",
    rows: &[
        with(
            "sender_login",
            Kind::Choice(&["off", "warn", "reject"]),
            "\"off\"",
            "What becomes of mail whose sender is not an address of the user who logged in, that is, whose mail would not be his: nothing, a line in the log, or 553 5.7.1.",
        ),
        with(
            "group_senders",
            Kind::Choice(&["nobody", "members"]),
            "\"nobody\"",
            "Who may send as a group where `sender_login` is `reject`.",
        ),
        with(
            "authenticated_header",
            Kind::Choice(&["no", "yes"]),
            "\"no\"",
            "Whether Received tells who logged in, as Postfix's `smtpd_sasl_authenticated_header`.",
        ),
        with(
            "add_missing_headers",
            Kind::Choice(&["ours", "always"]),
            "\"ours\"",
            "Which messages get a Date, Message-ID and From that they lack: those that begin their way here, from users and from the `networks` of `[relay]`, or all, as with Postfix's `always_add_missing_headers`. LMTP adds nothing.",
        ),
        with(
            "xclient",
            Kind::Texts,
            "[]",
            "Networks whose clients may say for whom they speak, by XCLIENT, as Postfix's `smtpd_authorized_xclient_hosts`: address, name and login of a session are then what they say.",
        ),
        with(
            "xforward",
            Kind::Texts,
            "[]",
            "Networks whose clients may say by XFORWARD from whom they have a message. It is logged.",
        ),
        may(
            "sending_folder",
            Kind::Path,
            "Where what each account has sent is counted for `[[sending_limit]]`: a folder on storage that all nodes share; without it, `sending` below the node's `state`. The folder above it must be there. Deleting an account's file in it unlocks the account.",
        ),
        with("sessions", COUNT, "0", "Sessions at the same time on this node, as Postfix's `default_process_limit`."),
        with(
            "connections",
            COUNT,
            "0",
            "Connections of one client (IPv6: one /64) at the same time, as Postfix's `smtpd_client_connection_count_limit`; beyond it 421 4.7.0.",
        ),
        with("connection_rate", COUNT, "0", "Connections of one client in a minute; beyond it 421 4.7.0."),
        with("message_rate", COUNT, "0", "Messages of one client in a minute, taken or not; beyond it 450 4.7.1."),
        with("recipient_rate", COUNT, "0", "Recipients of one client in a minute, taken or not; beyond it 450 4.7.1."),
        with("login_rate", COUNT, "0", "Logins of one client in a minute, right or wrong; beyond it 450 4.7.1."),
        with(
            "exempt",
            Kind::Texts,
            "[]",
            "Networks whose clients are not counted, apart from `sessions`. Where it is not written, those of `[relay]`, as in Postfix.",
        ),
    ],
};

pub const SENDING_LIMIT: Table = Table {
    name: "sending_limit",
    repeats: true,
    sentence: "How much users who logged in may send, over all nodes together; the first table in the file that is for a user holds. Nought is no bound. A message counts when its content begins.",
    rows: &[
        with(
            "accounts",
            Kind::Texts,
            "[]",
            "Whom it is for, by the accounts' names. Without these and without `groups`, for everybody.",
        ),
        with("groups", Kind::Texts, "[]", "The members of these groups, as the directory names them in `acl_groups`."),
        with("messages_hour", COUNT, "0", "Messages within an hour."),
        with("messages_day", COUNT, "0", "Messages within a day."),
        with("recipients_hour", COUNT, "0", "Recipients within an hour."),
        with("recipients_day", COUNT, "0", "Recipients within a day."),
        with(
            "new_recipients_day",
            COUNT,
            "0",
            "Recipients within a day whom the account has not written to for 90 days; 4000 at most.",
        ),
        with(
            "exceeded",
            Kind::Choice(&["defer", "lock"]),
            "\"defer\"",
            "`defer`: 450 4.7.1 until there is room again. `lock`: the same once, then 550 5.7.1 until an operator unlocks the account; the postmaster gets a notice.",
        ),
    ],
};

pub const POLICY_SERVICE: Table = Table {
    name: "policy_service",
    repeats: true,
    sentence: "Somebody who is asked what becomes of a message, by Postfix's policy delegation protocol (`check_policy_service`). Known actions: OK, DUNNO, REJECT, DEFER, DEFER_IF_PERMIT, DEFER_IF_REJECT (taken for DUNNO), PREPEND, WARN, INFO, and codes from 400 on. For `smtp` and `submission`.",
    rows: &[
        must("address", Kind::Text, "`\"127.0.0.1:10031\"` or `\"unix:/run/policy.sock\"`."),
        with(
            "at",
            Kind::Choice(&["recipient", "data", "end"]),
            "\"recipient\"",
            "When: for each recipient that is otherwise taken, at DATA, or when the content is whole.",
        ),
        with(
            "skip",
            Kind::Choices(&["networks", "authenticated"]),
            "[]",
            "About whom it is not asked: clients in the `networks` of `[relay]`, users who logged in.",
        ),
        with("timeout", Kind::Duration, "\"10s\"", "How long it may take for an answer."),
        with(
            "on_failure",
            Kind::Choice(&["defer", "accept"]),
            "\"defer\"",
            "What becomes of the message when it does not answer: 451 4.3.5, or nothing.",
        ),
    ],
};
