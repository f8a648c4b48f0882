//! SMTP, submission and LMTP servers on stage.
//!
//! Settings: those of `logins`, `smtp`, `submission` or `lmtp`; `tls=off|offered|required|on`, `auth=off|offered|required`, `auth-in-clear`,
//! `no-utf8`, `no-dsn`, `no-chunking`, `no-vrfy`, `no-etrn`, `xclient` (and XFORWARD), `hide=KEYWORD`, `banner=`, `mend`, and the limits `recipients=`, `size=`, `line=`, `junk=`, `errors=`.

use mail::envelope::Notify;
use proto::smtp::{
    Answer, Ask, Auth, BareNewline, ClientAttributes, Dialect, ForwardRecipient, Profile, Server, Tls, Transaction,
};

use super::logins::{Logins, sasl_answer, show_credentials, show_sasl};
use super::words::{body, notify, number, reply, settings};
use crate::transcript::{Peer, Stage};

/// An SMTP server.
#[derive(Debug)]
pub struct Smtp;

impl Stage for Smtp {
    type Session = Server;
    const PEER: Peer = Peer::Client;

    fn open(&self, line: &str) -> Result<Server, String> {
        let mut profile = Profile::new(Dialect::Smtp, "mx.example.test");
        let mut logins = Logins::default();
        for (key, value) in settings(line) {
            if !logins.set(&mut profile.offers, key, value)? {
                set(&mut profile, key, value)?;
            }
        }
        let mut session = Server::new(profile);
        logins.secure(&mut session);
        Ok(session)
    }

    fn show(&self, ask: &Ask) -> String {
        show(ask)
    }

    fn parse(&self, answer: &str) -> Option<Answer> {
        parse(answer)
    }

    fn otherwise(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::Sasl(_) => Answer::Go,
            Ask::LogIn(credentials) => Answer::LoggedIn { account: credentials.login.clone() },
            Ask::Verify(_) | Ask::Flush(_) | Ask::ContentEnd { .. } => Answer::Replies(Vec::new()),
            Ask::Client(_) | Ask::Forwarded(_) => Answer::Go,
            Ask::ReversePath { .. } | Ask::ForwardPath { .. } | Ask::ContentBegin(_) | Ask::Abandoned => Answer::Go,
        }
    }
}

fn set(profile: &mut Profile, key: &str, value: &str) -> Result<(), String> {
    match (key, value) {
        ("smtp", _) => profile.dialect = Dialect::Smtp,
        ("submission", _) => profile.dialect = Dialect::Submission,
        ("lmtp", _) => profile.dialect = Dialect::Lmtp,
        ("tls", "off") => profile.tls = Tls::Off,
        ("tls", "offered") => profile.tls = Tls::Offered,
        ("tls", "required") => profile.tls = Tls::Required,
        ("tls", "on") => profile.tls = Tls::On,
        ("auth", "off") => profile.auth = Auth::Off,
        ("auth", "offered") => profile.auth = Auth::Offered,
        ("auth", "required") => profile.auth = Auth::Required,
        ("auth-in-clear", _) => profile.auth_needs_tls = false,
        ("no-utf8", _) => profile.smtputf8 = false,
        ("no-dsn", _) => profile.dsn = false,
        ("trace", _) => profile.trace = true,
        ("no-chunking", _) => profile.chunking = false,
        ("xclient", _) => (profile.xclient, profile.xforward) = (true, true),
        ("no-vrfy", _) => profile.vrfy = false,
        ("no-etrn", _) => profile.etrn = false,
        ("hide", keyword) => profile.hidden.push(keyword.to_owned()),
        ("banner", banner) => profile.banner = Some(banner.to_owned()),
        ("mend", _) => profile.bare_newline = BareNewline::Mend,
        ("recipients", _) => profile.limits.recipients_max = number(key, value)?,
        ("size", _) => profile.limits.message_size_max = number(key, value)?,
        ("line", _) => profile.limits.line_length_max = number(key, value)?,
        ("junk", _) => profile.limits.junk_commands_max = number(key, value)?,
        ("errors", _) => profile.limits.errors_max = number(key, value)?,
        _ => return Err(format!("unknown setting {key}={value}")),
    }
    Ok(())
}

/// A question as transcripts write it.
pub fn show(ask: &Ask) -> String {
    match ask {
        Ask::Sasl(ask) => show_sasl(ask),
        Ask::LogIn(credentials) => show_credentials(credentials),
        Ask::ReversePath { path, size, body: encoding, smtputf8, submitter, quirks, helo: _, extended: _ } => {
            let mut words = vec![format!("ReversePath <{path}>")];
            words.extend(size.map(|size| format!("size={size}")));
            words.extend(body(*encoding));
            words.extend(smtputf8.then(|| "smtputf8".to_owned()));
            words.extend(submitter.as_ref().map(|submitter| format!("auth=<{submitter}>")));
            words.extend(quirks.iter().map(|quirk| format!("{quirk:?}")));
            words.join(" ")
        }
        Ask::ForwardPath { recipient, quirks } => {
            let quirks = quirks.iter().map(|quirk| format!(" {quirk:?}"));
            std::iter::once(format!("ForwardPath {}", show_recipient(recipient))).chain(quirks).collect()
        }
        Ask::Verify(text) => format!("Verify {text}"),
        Ask::Client(client) => format!("Client {}", show_client(client)),
        Ask::Forwarded(client) => format!("Forwarded {}", show_client(client)),
        Ask::Flush(domain) => format!("Flush {domain}"),
        Ask::ContentBegin(transaction) => show_transaction(transaction),
        Ask::ContentEnd { size } => format!("ContentEnd {size}"),
        Ask::Abandoned => "Abandoned".to_owned(),
    }
}

fn show_client(client: &ClientAttributes) -> String {
    let mut words: Vec<String> = client.address.iter().map(ToString::to_string).collect();
    words.extend(client.port.map(|port| format!("port={port}")));
    words.extend(
        client.helo.as_ref().map(|helo| format!("helo={helo}{}", if client.extended { "" } else { " (HELO)" })),
    );
    words.extend(client.login.as_ref().map(|login| format!("login={login}")));
    words.extend(client.ident.as_ref().map(|ident| format!("ident={ident}")));
    words.join(" ")
}

fn show_recipient(recipient: &ForwardRecipient) -> String {
    let mut text = format!("<{}>", recipient.path);
    if recipient.notify != Notify::default() {
        text.push_str(&format!(" notify={}", notify(recipient.notify)));
    }
    if let Some(original) = &recipient.original {
        text.push_str(&format!(" orcpt={original}"));
    }
    text
}

fn show_transaction(transaction: &Transaction) -> String {
    let mut words = vec!["ContentBegin".to_owned()];
    words.extend(
        transaction
            .helo
            .as_ref()
            .map(|helo| format!("helo={helo}{}", if transaction.extended { "" } else { " (HELO)" })),
    );
    words.extend(transaction.tls.then(|| "tls".to_owned()));
    words.extend(transaction.authenticated.as_ref().map(|account| format!("account={account}")));
    words.push(format!("from=<{}>", transaction.reverse_path));
    words.extend(transaction.recipients.iter().map(|recipient| format!("to={}", show_recipient(recipient))));
    words.extend(body(transaction.body));
    words.extend(transaction.smtputf8.then(|| "smtputf8".to_owned()));
    words.extend(transaction.envelope_id.as_ref().map(|id| format!("envid={id}")));
    words.extend(transaction.return_headers_only.then(|| "ret=hdrs".to_owned()));
    words.extend(transaction.size.map(|size| format!("size={size}")));
    words.extend(transaction.trace.as_ref().map(|mark| format!("trace={mark}")));
    words.join(" ")
}

/// `go`, `keys …`, `logged in NAME`, `refused REPLY`, `reply REPLY`, `replies REPLY | REPLY`.
pub fn parse(answer: &str) -> Option<Answer> {
    if answer == "go" {
        return Some(Answer::Go);
    }
    if let Some(account) = answer.strip_prefix("logged in ") {
        return Some(Answer::LoggedIn { account: account.to_owned() });
    }
    let (kind, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    match kind {
        "refused" => reply(rest).map(Answer::Refused),
        "keys" | "token" => sasl_answer(kind, rest).map(Answer::Sasl),
        "reply" => reply(rest).map(Answer::Reply),
        "replies" => rest.split('|').map(reply).collect::<Option<Vec<_>>>().map(Answer::Replies),
        _ => None,
    }
}

/// What a cut conversation must keep: content that was begun ends once, in `ContentEnd` or `Abandoned`.
pub fn judge(asked: &[(String, String)]) -> Result<(), String> {
    let mut begun = false;
    for (ask, answer) in asked {
        match ask.split(' ').next().unwrap_or_default() {
            "ContentBegin" if begun => return Err("content begun twice".into()),
            "ContentBegin" => begun = !answer.starts_with("refused"),
            "ContentEnd" | "Abandoned" if !begun => return Err(format!("{ask} without ContentBegin")),
            "ContentEnd" | "Abandoned" => begun = false,
            _ => {}
        }
    }
    if begun { Err("content was begun and neither ended nor abandoned".into()) } else { Ok(()) }
}
