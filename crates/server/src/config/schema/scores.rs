//! Where the verdicts of filters stand, for `spamtest` and `virustest`.

use super::{Kind, Row, Table, may, must, with};

pub const SIEVE_SPAMTEST: Table = Table {
    name: "sieve_spamtest",
    repeats: false,
    sentence: "Where the verdict of the spam filter stands, for the Sieve extensions `spamtest` and `spamtestplus` (RFC 5235), which are offered with this table only (Dovecot's `sieve_spamtest_*`).",
    rows: ROWS,
};

pub const SIEVE_VIRUSTEST: Table = Table {
    name: "sieve_virustest",
    repeats: false,
    sentence: "The same of the virus filter, for `virustest` (Dovecot's `sieve_virustest_*`).",
    rows: ROWS,
};

const ROWS: &[Row] = &[
    must(
        "status_header",
        Kind::Text,
        "The header field with the verdict; behind a colon an extended POSIX expression, whose first group is the verdict. As \"X-Spam-Status: score=(-?[0-9.]+)\". Of several fields the topmost counts; without one, scripts hear 0.",
    ),
    with(
        "status_type",
        Kind::Choice(&["score", "strlen", "text"]),
        "\"score\"",
        "What a verdict is: a number, as many characters as there are points, or a word.",
    ),
    may(
        "max_value",
        Kind::Text,
        "The most points there are, as \"15\" or \"5.0\": from there on scripts hear 10 (for viruses 5).",
    ),
    may("max_header", Kind::Text, "The field that says so, instead of `max_value`; written as `status_header` is."),
    with(
        "text_values",
        Kind::Texts,
        "[]",
        "What words stand for, as [\"1=No\", \"10=Yes\"]: from 0, not tested, to 10 (for viruses 5).",
    ),
];
