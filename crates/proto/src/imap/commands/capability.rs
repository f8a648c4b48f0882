//! CAPABILITY (RFC 3501 §6.1.1), and the table of what is offered when. Only what works is in it.

use crate::imap::command::Step;
use crate::imap::context::{Context, TlsState};
use crate::imap::parse::{Parsed, Parser};
use crate::imap::view::Numbers;

/// A capability and when it is offered.
struct Offer {
    name: &'static str,
    when: fn(&Context) -> bool,
}

fn always(_: &Context) -> bool {
    true
}

fn may_log_in(context: &Context) -> bool {
    !context.is_logged_in() && context.tls != TlsState::Required
}

fn after_login(context: &Context) -> bool {
    context.is_logged_in()
}

/// A client that has not logged in is told no more than it needs for that: the list is sent to everybody who connects.
#[rustfmt::skip]
const OFFERS: &[Offer] = &[
    Offer { name: "IMAP4rev1",          when: always },
    Offer { name: "LITERAL+",           when: always },      // RFC 7888
    Offer { name: "SASL-IR",            when: always },      // RFC 4959
    Offer { name: "ID",                 when: always },      // RFC 2971
    Offer { name: "ENABLE",             when: always },      // RFC 5161
    Offer { name: "IDLE",               when: always },      // RFC 2177
    Offer { name: "STARTTLS",           when: |context| matches!(context.tls, TlsState::Offered | TlsState::Required) && !context.is_logged_in() },
    Offer { name: "LOGINDISABLED",      when: |context| context.tls == TlsState::Required && !context.is_logged_in() },
    Offer { name: "AUTH=PLAIN",         when: may_log_in },
    Offer { name: "AUTH=LOGIN",         when: may_log_in },
    Offer { name: "NAMESPACE",          when: after_login }, // RFC 2342
    Offer { name: "CHILDREN",           when: after_login }, // RFC 3348
    Offer { name: "UNSELECT",           when: after_login }, // RFC 3691
    Offer { name: "UIDPLUS",            when: after_login }, // RFC 4315
    Offer { name: "LIST-EXTENDED",      when: after_login }, // RFC 5258
    Offer { name: "LIST-STATUS",        when: after_login }, // RFC 5819
    Offer { name: "SPECIAL-USE",        when: after_login }, // RFC 6154
    Offer { name: "CREATE-SPECIAL-USE", when: |context| context.is_logged_in() && context.profile.create_special_use },
    Offer { name: "MOVE",               when: after_login }, // RFC 6851
    Offer { name: "STATUS=SIZE",        when: after_login }, // RFC 8438
];

// command-any = "CAPABILITY" / ...
pub fn start(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    args.end()?;
    let response = format!("* CAPABILITY {}\r\n", list(context));
    context.out.push(response.as_bytes());
    Ok(Step::ok("Capability completed."))
}

/// The names offered now.
pub fn list(context: &Context) -> String {
    let names: Vec<&str> = OFFERS.iter().filter(|offer| (offer.when)(context)).map(|offer| offer.name).collect();
    names.join(" ")
}
