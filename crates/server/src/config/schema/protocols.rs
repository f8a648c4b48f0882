//! How protocols behave where there is a choice.

use super::{Kind, Row, Table, may, with};

const fn switch(key: &'static str, sentence: &'static str) -> Row {
    with(key, Kind::Choice(&["no", "yes"]), "\"no\"", sentence)
}

pub const POP3: Table = Table {
    name: "pop3",
    repeats: false,
    sentence: "How POP3 behaves, by Dovecot's settings of these names with `pop3_` before them. What UIDL tells stands in `[mailboxes]`.",
    rows: &[
        switch(
            "lock_session",
            "`yes`: one POP3 session at a time for an account, on all nodes and beside a Dovecot that has this setting; another login waits for 10 seconds and hears `[IN-USE]`. `no`: any number.",
        ),
        switch("no_flag_updates", "`yes`: messages that were fetched are not marked as seen."),
        may(
            "deleted_flag",
            Kind::Text,
            "What DELE and QUIT do: messages get this keyword (as `$POP3Deleted`), or flag (as `\\\\Deleted`), instead of being removed, and are not shown to POP3 any more.",
        ),
        switch(
            "reuse_xuidl",
            "`yes`: a message with a header field `X-UIDL` is known by that, unless a unique-id was saved for it. For mail that came by fetchmail from another server; opens each message once.",
        ),
        switch(
            "save_uidl",
            "`yes`: unique-ids are saved in `dovecot-uidlist` when a client logs in, so that they outlast a change of `pop3_uidl_format`.",
        ),
        switch("enable_last", "`yes`: the command LAST is taken, which RFC 1939 has no more."),
    ],
};

pub const LMTP: Table = Table {
    name: "lmtp",
    repeats: false,
    sentence: "How mail comes into mailboxes: over LMTP, over SMTP, and out of the node's own queue.",
    rows: &[
        switch(
            "save_to_detail_mailbox",
            "`yes`: mail for `ana+lists@example.test` is kept in the mailbox `lists`, if there is one, as Dovecot's `lmtp_save_to_detail_mailbox` does; a script's `keep` means that mailbox then. Anybody may fill it. `no`: in INBOX.",
        ),
        with(
            "answer_within",
            Kind::Duration,
            "\"2m\"",
            "How long the recipients of one message wait for each other. Whose delivery is not made by then (a lock, a script, a slow disk) is given up and answered with 451, to be tried again.",
        ),
    ],
};
