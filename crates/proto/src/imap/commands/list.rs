//! LIST and LSUB (RFC 3501 §6.3.8, §6.3.9), with LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819), LIST-MYRIGHTS (RFC 8440), CHILDREN (RFC 3348)
//! and SPECIAL-USE (RFC 6154). XLIST is what SPECIAL-USE was before it had an RFC: programs of that time know it by Gmail's name.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mail::MailboxName;
use mail::namespace::{InList, Namespace, NamespaceKind};

use super::{acl, status};
use crate::imap::ask::{Answer, Ask, MailboxInfo};
use crate::imap::command::Step;
use crate::imap::context::Context;
use crate::imap::parse::{Parsed, Parser, syntax, syntax_at};
use crate::imap::pattern::{PATTERN_LENGTH_MAX, PATTERNS_MAX, Pattern};
use crate::imap::response;
use crate::imap::view::Numbers;

/// What is asked for.
#[derive(Debug, Default)]
struct Request {
    lsub: bool,
    /// Special uses are told by the names that they had in XLIST.
    xlist: bool,
    /// Options were given: only what they ask for is told.
    extended: bool,
    patterns: Vec<Pattern>,
    // list-select-opts
    only_subscribed: bool,
    only_special_use: bool,
    recursive: bool,
    // list-return-opts
    children: bool,
    subscribed: bool,
    special_use: bool,
    status: Option<Vec<status::Item>>,
    rights: bool,
}

// lsub = "LSUB" SP mailbox SP list-mailbox
pub fn lsub(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    let (reference, pattern) = reference_and_pattern(args)?;
    let request = Request { lsub: true, special_use: true, ..Request::default() };
    run(request, &reference, vec![pattern], context)
}

// xlist = "XLIST" SP mailbox SP list-mailbox
pub fn xlist(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    let (reference, pattern) = reference_and_pattern(args)?;
    let request = Request { xlist: true, children: true, special_use: true, ..Request::default() };
    run(request, &reference, vec![pattern], context)
}

fn reference_and_pattern(args: &mut Parser<'_>) -> Parsed<(Vec<u8>, Vec<u8>)> {
    args.space()?;
    let reference = args.astring()?;
    args.space()?;
    let pattern = args.list_mailbox()?;
    args.end()?;
    Ok((reference, pattern))
}

// list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
// mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")"
pub fn list(args: &mut Parser<'_>, context: &mut Context, _: Numbers) -> Parsed<Step> {
    let mut request = Request::default();
    args.space()?;
    if args.peek() == Some(b'(') {
        select_options(args, &mut request)?;
        args.space()?;
    }
    let reference = args.astring()?;
    args.space()?;
    let patterns = if args.peek() == Some(b'(') {
        request.extended = true;
        args.list(1, Parser::list_mailbox)?
    } else {
        vec![args.list_mailbox()?]
    };
    if args.take_if(b' ') {
        return_options(args, &mut request)?;
    }
    args.end()?;
    // The basic form tells what Dovecot's tells: CHILDREN and SPECIAL-USE unasked.
    request.children |= !request.extended;
    request.special_use |= !request.extended || request.only_special_use;
    request.subscribed |= request.only_subscribed;
    status::enable(request.status.as_deref().unwrap_or_default(), context);
    run(request, &reference, patterns, context)
}

// list-select-opts = "(" [(*(list-select-opt SP) list-select-base-opt *(SP list-select-opt)) / ...] ")"
fn select_options(args: &mut Parser<'_>, request: &mut Request) -> Parsed<()> {
    request.extended = true;
    args.list(0, |args| {
        let option = args.atom()?;
        match option.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => request.only_subscribed = true,
            "SPECIAL-USE" => request.only_special_use = true,
            "RECURSIVEMATCH" => request.recursive = true,
            // There are no remote mailboxes to add.
            "REMOTE" => {}
            _ => return syntax_at("Unknown LIST selection option", option.as_bytes()),
        }
        Ok(())
    })?;
    // RFC 5258 §3.1: RECURSIVEMATCH must not stand alone.
    if request.recursive && !request.only_subscribed {
        return syntax("RECURSIVEMATCH needs SUBSCRIBED");
    }
    Ok(())
}

// list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"
fn return_options(args: &mut Parser<'_>, request: &mut Request) -> Parsed<()> {
    request.extended = true;
    if !args.atom()?.eq_ignore_ascii_case("RETURN") {
        return syntax("Unexpected arguments");
    }
    args.space()?;
    args.list(0, |args| {
        let option = args.atom()?;
        match option.to_ascii_uppercase().as_str() {
            "CHILDREN" => request.children = true,
            "SUBSCRIBED" => request.subscribed = true,
            "SPECIAL-USE" => request.special_use = true,
            "STATUS" => {
                args.space()?;
                request.status = Some(status::items(args)?);
            }
            "MYRIGHTS" => request.rights = true,
            _ => return syntax_at("Unknown LIST return option", option.as_bytes()),
        }
        Ok(())
    })?;
    Ok(())
}

fn run(mut request: Request, reference: &[u8], patterns: Vec<Vec<u8>>, context: &mut Context) -> Parsed<Step> {
    let separator = context.separator();
    let (word, done) = request.words();
    // RFC 3501 §6.3.8: an empty name asks for the separator.
    if patterns.iter().all(Vec::is_empty) && !request.extended {
        context.out.push(format!("* {word} (\\Noselect) \"{}\" \"\"\r\n", separator.char()).as_bytes());
        return Ok(Step::ok(done));
    }
    if patterns.len() > PATTERNS_MAX || patterns.iter().any(|p| p.len() + reference.len() > PATTERN_LENGTH_MAX) {
        return syntax("Pattern is too long");
    }
    request.patterns = patterns.iter().map(|pattern| Pattern::new(reference, pattern, separator)).collect();
    let spaces = context.profile.namespaces.all.iter().enumerate();
    let spaces = spaces.filter(|(_, space)| request.looks_into(space)).map(|(at, _)| at).collect();
    Ok(Step::ask(Ask::Mailboxes { spaces }, move |context, answer| match answer {
        Answer::Mailboxes { mailboxes, subscriptions } => {
            let lines = Names::new(mailboxes, subscriptions).choose(&request);
            tell(lines.into(), request, context)
        }
        other => Step::failed(other),
    }))
}

impl Request {
    /// What its answers are called, and how it ends.
    fn words(&self) -> (&'static str, &'static str) {
        match (self.lsub, self.xlist) {
            (true, _) => ("LSUB", "Lsub completed."),
            (_, true) => ("XLIST", "Xlist completed."),
            _ => ("LIST", "List completed."),
        }
    }

    /// Whether mailboxes of a namespace may be told: nobody is asked for others.
    fn looks_into(&self, space: &Namespace) -> bool {
        let own = space.kind == NamespaceKind::Private;
        // LSUB tells names that were subscribed, and needs nobody else's mailboxes for that.
        if self.lsub && !own {
            return false;
        }
        // RFC 5258 §3.1: what is subscribed is told of every namespace, and only who looks into it knows whether it is there.
        let named = space.list == InList::Named && (own || !self.only_subscribed);
        let Some(root) = &space.root else {
            // Every name begins so; a wildcard asks for no other names of what is listed already.
            return !named || self.patterns.iter().any(Pattern::begins_plainly);
        };
        match space.list {
            InList::Named if named => self.patterns.iter().any(|pattern| pattern.spells(root)),
            // INBOX is own also where it is not below the prefix.
            _ => own || self.patterns.iter().any(|pattern| pattern.may_match_below(root)),
        }
    }
}

impl MailboxInfo {
    /// What two namespaces know of one name.
    fn and(self, other: MailboxInfo) -> MailboxInfo {
        MailboxInfo {
            selectable: self.selectable || other.selectable,
            has_children: self.has_children || other.has_children,
            special_use: self.special_use.or(other.special_use),
            subscribed: self.subscribed || other.subscribed,
            name: self.name,
        }
    }
}

/// A line to be told.
#[derive(Debug)]
struct Line {
    name: MailboxName,
    attributes: Vec<&'static str>,
    /// RFC 5258 §3.5: something below it is subscribed.
    child_info: bool,
    has_status: bool,
    has_rights: bool,
}

/// Every name there is.
struct Names {
    /// What is there, and whether it is subscribed; in the order it is told: INBOX, then by name.
    all: BTreeMap<(bool, MailboxName), (Option<MailboxInfo>, bool)>,
    /// What has something subscribed below it.
    above_subscribed: BTreeSet<MailboxName>,
}

impl Names {
    fn new(mailboxes: Vec<MailboxInfo>, subscriptions: Vec<MailboxName>) -> Names {
        let mut all = BTreeMap::new();
        for info in mailboxes {
            let (known, subscribed) = all.entry((!info.name.is_inbox(), info.name.clone())).or_insert((None, false));
            *subscribed |= info.subscribed;
            // INBOX, and a folder above several namespaces, is in each of them.
            *known = Some(match known.take() {
                Some(known) => MailboxInfo::and(known, info),
                None => info,
            });
        }
        for name in subscriptions {
            all.entry((!name.is_inbox(), name)).or_insert((None, false)).1 = true;
        }
        let subscribed = all.iter().filter(|(_, (_, subscribed))| *subscribed);
        let above_subscribed = subscribed.flat_map(|((_, name), _)| above(name)).collect();
        Names { all, above_subscribed }
    }

    fn choose(&self, request: &Request) -> Vec<Line> {
        let mut lines: Vec<Line> = Vec::new();
        for ((_, name), (info, subscribed)) in &self.all {
            if request.patterns.iter().any(|pattern| pattern.matches(name)) {
                lines.extend(self.line(name, info.as_ref(), *subscribed, request));
            }
        }
        if request.lsub {
            self.add_unsubscribed_parents(request, &mut lines);
        }
        lines
    }

    fn line(
        &self,
        name: &MailboxName,
        info: Option<&MailboxInfo>,
        subscribed: bool,
        request: &Request,
    ) -> Option<Line> {
        let child_info = request.recursive && self.above_subscribed.contains(name);
        let wanted = match request {
            Request { lsub: true, .. } => subscribed,
            Request { only_subscribed: true, .. } => subscribed || child_info,
            _ => info.is_some(),
        };
        let special_use = info.and_then(|info| info.special_use);
        if !wanted || (request.only_special_use && special_use.is_none()) {
            return None;
        }
        let selectable = info.is_some_and(|info| info.selectable);
        let has_status = request.status.is_some() && selectable;
        let attributes = attributes(info, subscribed, request);
        // RFC 8440 §4: not of a name that is told because of those below it alone.
        let has_rights = request.rights && selectable && (subscribed || !request.only_subscribed);
        Some(Line { name: name.clone(), attributes, child_info, has_status, has_rights })
    }

    // RFC 3501 §6.3.9: with "%", a name that is not subscribed is told if one below it is, and cannot be told itself.
    fn add_unsubscribed_parents(&self, request: &Request, lines: &mut Vec<Line>) {
        if !request.patterns.iter().any(Pattern::has_percent) {
            return;
        }
        let matches = |name: &MailboxName| request.patterns.iter().any(|pattern| pattern.matches(name));
        let told: BTreeSet<MailboxName> = lines.iter().map(|line| line.name.clone()).collect();
        let mut parents = BTreeSet::new();
        for ((_, name), (_, subscribed)) in &self.all {
            if *subscribed && !matches(name) {
                parents.extend(above(name).filter(|parent| matches(parent) && !told.contains(parent)));
            }
        }
        let line = |name| Line {
            name,
            attributes: vec!["\\Noselect"],
            child_info: false,
            has_status: false,
            has_rights: false,
        };
        lines.extend(parents.into_iter().map(line));
    }
}

/// The names above a name, the nearest first.
fn above(name: &MailboxName) -> impl Iterator<Item = MailboxName> {
    std::iter::successors(name.parent(), MailboxName::parent)
}

// RFC 3501 §7.2.2, RFC 5258 §4, RFC 3348, RFC 6154 §2
fn attributes(info: Option<&MailboxInfo>, subscribed: bool, request: &Request) -> Vec<&'static str> {
    let (selectable, has_children) = info.map_or((false, false), |info| (info.selectable, info.has_children));
    // A subscription to a mailbox that is gone is told by LSUB as any other; only the extended form has a word for it.
    let exists = info.is_some() || request.lsub;
    let children = if has_children { "\\HasChildren" } else { "\\HasNoChildren" };
    [
        (!exists).then_some("\\NonExistent"),
        (info.is_some() && !selectable).then_some("\\Noselect"),
        (request.subscribed && subscribed).then_some("\\Subscribed"),
        (request.children && info.is_some()).then_some(children),
        info.and_then(|info| info.special_use)
            .filter(|_| request.special_use)
            .map(|special_use| if request.xlist { xlist_name(special_use) } else { special_use }),
        (request.xlist && info.is_some_and(|info| info.name.is_inbox())).then_some("\\Inbox"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What XLIST calls a special use.
fn xlist_name(special_use: &'static str) -> &'static str {
    match special_use {
        "\\All" => "\\AllMail",
        "\\Flagged" => "\\Starred",
        "\\Junk" => "\\Spam",
        same => same,
    }
}

/// Tells line after line; where rights (RFC 8440) or numbers (RFC 5819) are wanted too, each mailbox is asked for them.
fn tell(mut lines: VecDeque<Line>, request: Request, context: &mut Context) -> Step {
    while let Some(line) = lines.pop_front() {
        write(&line, request.words().0, context);
        if line.has_rights {
            return Step::ask(Ask::MyRights { name: line.name.clone() }, move |context, answer| {
                // "If the server is unable to look up the set of rights for a given mailbox, it does not send the MYRIGHTS reply".
                if let Answer::Rights(rights) = answer {
                    acl::write_my_rights(&line.name, rights, context);
                }
                if line.has_status { ask_status(line.name, lines, request) } else { tell(lines, request, context) }
            });
        }
        if line.has_status {
            return ask_status(line.name, lines, request);
        }
        if context.out.is_full() {
            return Step::Flush(Box::new(move |context| tell(lines, request, context)));
        }
    }
    Step::ok(request.words().1)
}

fn ask_status(name: MailboxName, lines: VecDeque<Line>, request: Request) -> Step {
    Step::ask(Ask::Status { name: name.clone() }, move |context, answer| {
        // RFC 5819 §2: a mailbox whose numbers cannot be had just goes without.
        if let (Answer::Status(numbers), Some(items)) = (answer, &request.status) {
            status::write(&name, items, &numbers, context);
        }
        tell(lines, request, context)
    })
}

// mailbox-data = "LIST" SP mailbox-list / "LSUB" SP mailbox-list / ...
// mailbox-list = "(" [mbx-list-flags] ")" SP DQUOTE QUOTED-CHAR DQUOTE SP mailbox [SP mbox-list-extended]
fn write(line: &Line, word: &str, context: &mut Context) {
    let (separator, out) = (context.separator(), &mut context.out);
    out.push(format!("* {word} ({}) \"{}\" ", line.attributes.join(" "), separator.char()).as_bytes());
    response::mailbox(&line.name, separator, out);
    out.push(if line.child_info { b" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n" } else { b"\r\n" });
}

#[cfg(test)]
mod tests {
    use mail::namespace::Separator;

    use super::*;

    fn request(pattern: &str) -> Request {
        let patterns = vec![Pattern::new(b"", pattern.as_bytes(), Separator::Slash)];
        Request { patterns, ..Request::default() }
    }

    fn space(kind: NamespaceKind, root: &str, list: InList) -> Namespace {
        Namespace { kind, root: MailboxName::parse(root).ok(), list, hidden: true }
    }

    #[test]
    fn further_names_without_a_prefix_are_told_to_whom_spells_them() {
        let old = space(NamespaceKind::Private, "", InList::Named);
        for (pattern, looks) in [("*", false), ("%", false), ("%/x", false), ("Sent", true), ("Se*", true)] {
            assert_eq!(request(pattern).looks_into(&old), looks, "{pattern}");
            assert_eq!(Request { lsub: true, ..request(pattern) }.looks_into(&old), looks, "{pattern}");
        }
        assert!(request("*").looks_into(&space(NamespaceKind::Private, "", InList::Yes)));
    }

    #[test]
    fn what_is_subscribed_is_looked_for_where_it_is_not_listed() {
        let public = space(NamespaceKind::Public(0), "public", InList::Named);
        assert!(!request("*").looks_into(&public));
        assert!(Request { only_subscribed: true, ..request("*") }.looks_into(&public));
        assert!(!Request { only_subscribed: true, ..request("INBOX") }.looks_into(&public));
        // Of own mailboxes that would be a second name.
        let own = space(NamespaceKind::Private, "old", InList::Named);
        assert!(!Request { only_subscribed: true, ..request("*") }.looks_into(&own));
    }

    #[test]
    fn a_name_in_two_namespaces_has_what_it_has_in_either() {
        let inbox = |has_children, subscribed| MailboxInfo {
            name: MailboxName::inbox(),
            selectable: true,
            has_children,
            special_use: None,
            subscribed,
        };
        let names = Names::new(vec![inbox(true, false), inbox(false, true)], Vec::new());
        let request = Request { children: true, subscribed: true, ..request("*") };
        let told: Vec<Vec<&str>> = names.choose(&request).into_iter().map(|line| line.attributes).collect();
        assert_eq!(told, [["\\Subscribed", "\\HasChildren"]]);
    }
}
