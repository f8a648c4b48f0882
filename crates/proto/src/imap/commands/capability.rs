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

/// RFC 3501 §6.2.3: where no password is taken, or not yet.
fn login_disabled(context: &Context) -> bool {
    !context.is_logged_in() && (context.tls == TlsState::Required || !context.profile.offers.take_passwords())
}

fn after_login(context: &Context) -> bool {
    context.is_logged_in()
}

/// Stands for all `AUTH=`, which `crate::sasl` knows.
const MECHANISMS: &str = "AUTH=";

/// Stands for `APPENDLIMIT=` with the number.
const APPEND_LIMIT: &str = "APPENDLIMIT=";

fn has_quota(context: &Context) -> bool {
    context.is_logged_in() && context.profile.quota
}

fn has_acl(context: &Context) -> bool {
    context.is_logged_in() && context.profile.namespaces.has_others()
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
    Offer { name: "LOGINDISABLED",      when: login_disabled },
    Offer { name: MECHANISMS,           when: may_log_in },
    Offer { name: "NAMESPACE",          when: after_login }, // RFC 2342
    Offer { name: "CHILDREN",           when: after_login }, // RFC 3348
    Offer { name: "UNSELECT",           when: after_login }, // RFC 3691
    Offer { name: "MULTIAPPEND",        when: after_login }, // RFC 3502
    Offer { name: "BINARY",             when: after_login }, // RFC 3516
    Offer { name: "CATENATE",           when: after_login }, // RFC 4469
    Offer { name: "URL-PARTIAL",        when: after_login }, // RFC 5550
    Offer { name: "REPLACE",            when: after_login }, // RFC 8508
    Offer { name: "UNAUTHENTICATE",     when: |context| context.is_logged_in() && !context.compressed }, // RFC 8437
    Offer { name: "XLIST",              when: after_login }, // Gmail's
    Offer { name: "UIDPLUS",            when: after_login }, // RFC 4315
    Offer { name: "ESEARCH",            when: after_login }, // RFC 4731
    Offer { name: "SORT",               when: after_login }, // RFC 5256
    Offer { name: "SORT=DISPLAY",       when: after_login }, // RFC 5957
    Offer { name: "THREAD=ORDEREDSUBJECT", when: after_login },
    Offer { name: "THREAD=REFERENCES",  when: after_login },
    Offer { name: "THREAD=REFS",        when: after_login }, // draft-ietf-morg-inthread
    Offer { name: "ESORT",              when: after_login }, // RFC 5267
    Offer { name: "I18NLEVEL=1",        when: after_login }, // RFC 5255
    Offer { name: "SEARCHRES",          when: after_login }, // RFC 5182
    Offer { name: "WITHIN",             when: after_login }, // RFC 5032
    Offer { name: "LIST-EXTENDED",      when: after_login }, // RFC 5258
    Offer { name: "LIST-STATUS",        when: after_login }, // RFC 5819
    Offer { name: "SPECIAL-USE",        when: after_login }, // RFC 6154
    Offer { name: "CREATE-SPECIAL-USE", when: |context| context.is_logged_in() && context.profile.create_special_use },
    Offer { name: "MOVE",               when: after_login }, // RFC 6851
    Offer { name: "STATUS=SIZE",        when: after_login }, // RFC 8438
    Offer { name: "CONDSTORE",          when: after_login }, // RFC 7162
    Offer { name: "COMPRESS=DEFLATE",   when: |context| context.is_logged_in() && !context.compressed }, // RFC 4978
    Offer { name: APPEND_LIMIT,         when: after_login }, // RFC 7889
    Offer { name: "OBJECTID",           when: after_login }, // RFC 8474
    Offer { name: "SAVEDATE",           when: after_login }, // RFC 8514
    Offer { name: "PREVIEW",            when: after_login }, // RFC 8970
    Offer { name: "PARTIAL",            when: after_login }, // RFC 9394
    Offer { name: "QRESYNC",            when: after_login },
    Offer { name: "QUOTA",              when: has_quota },   // RFC 9208
    Offer { name: "QUOTA=RES-STORAGE",  when: has_quota },
    Offer { name: "QUOTA=RES-MESSAGE",  when: has_quota },
    Offer { name: "ACL",                when: has_acl },     // RFC 4314
    Offer { name: "RIGHTS=texk",        when: has_acl },
    Offer { name: "LIST-MYRIGHTS",      when: has_acl },     // RFC 8440
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
    let mechanisms = context.profile.offers.names("AUTH=", context.channel.as_deref());
    let names = OFFERS.iter().filter(|offer| (offer.when)(context)).map(|offer| offer.name);
    let append_limit = format!("{APPEND_LIMIT}{}", context.limits().append_max);
    let names = names.map(|name| match name {
        MECHANISMS => &mechanisms,
        APPEND_LIMIT => &append_limit,
        _ => name,
    });
    names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ")
}
