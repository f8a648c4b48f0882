//! What SEARCH asks for (RFC 3501 §6.4.4, RFC 5032). The keys become `mail::search::Key`, which the store evaluates; numbers
//! become UIDs here, because only the session knows its numbering.

use mail::search::{Key, SEARCH_DEPTH_MAX};
use mail::{Flags, Keyword, ModSeq, NumberSet, ObjectId, ObjectKind};

use crate::imap::parse::{Fault, MessageSet, Parsed, Parser, syntax, syntax_at};
use crate::imap::response::Completion;
use crate::imap::view::{Numbers, View};

/// How many keys one search may have.
pub const KEYS_MAX: usize = 1_000;
/// How many of them may be sets of numbers: each can become a list as long as the mailbox.
pub const SETS_MAX: usize = 50;

/// What is searched for.
#[derive(Debug)]
pub struct Program {
    pub key: Key,
    /// It asks for mod-sequences (RFC 7162 §3.1.5).
    pub modseq: bool,
    /// It names messages by sequence numbers.
    pub numbers: bool,
}

/// What the keys of one search are made with.
struct Maker<'a> {
    view: &'a View,
    keys_left: usize,
    sets_left: usize,
    modseq: bool,
    numbers: bool,
}

// search-program = [SP "CHARSET" SP charset] 1*(SP search-key)
pub fn program(args: &mut Parser<'_>, view: &View) -> Parsed<Program> {
    charset(args)?;
    all_keys(args, view)
}

// search-criteria = charset 1*(SP search-key)
/// The charset must be named (RFC 5256).
pub fn in_charset(args: &mut Parser<'_>, view: &View) -> Parsed<Program> {
    args.space()?;
    known_charset(&args.astring()?)?;
    all_keys(args, view)
}

fn all_keys(args: &mut Parser<'_>, view: &View) -> Parsed<Program> {
    let mut maker = Maker { view, keys_left: KEYS_MAX, sets_left: SETS_MAX, modseq: false, numbers: false };
    let mut keys = Vec::new();
    while !args.at_end() {
        args.space()?;
        keys.push(maker.key(args, 0)?);
    }
    let Maker { modseq, numbers, .. } = maker;
    if keys.is_empty() { syntax("Missing argument") } else { Ok(Program { key: all_of(keys), modseq, numbers }) }
}

fn charset(args: &mut Parser<'_>) -> Parsed<()> {
    let mut ahead = args.clone();
    ahead.space()?;
    if !ahead.take_while(|byte| byte.is_ascii_alphabetic()).eq_ignore_ascii_case(b"CHARSET") {
        return Ok(());
    }
    ahead.space()?;
    let name = ahead.astring()?;
    *args = ahead;
    known_charset(&name)
}

fn known_charset(name: &[u8]) -> Parsed<()> {
    // RFC 3501 §6.4.4: US-ASCII must be supported. A client that names none and sends UTF-8 means UTF-8.
    let known = [&b"UTF-8"[..], b"US-ASCII"].iter().any(|known| name.eq_ignore_ascii_case(known));
    if known { Ok(()) } else { Err(Fault::Refused(bad_charset("Unknown charset."))) }
}

fn bad_charset(text: &'static str) -> Completion {
    Completion::no(text).code("BADCHARSET (US-ASCII UTF-8)")
}

fn all_of(mut keys: Vec<Key>) -> Key {
    if keys.len() == 1 { keys.pop().unwrap_or(Key::All) } else { Key::And(keys) }
}

impl Maker<'_> {
    // search-key = "ALL" / "ANSWERED" / ... / sequence-set / "(" search-key *(SP search-key) ")"
    fn key(&mut self, args: &mut Parser<'_>, depth: usize) -> Parsed<Key> {
        if depth > SEARCH_DEPTH_MAX {
            return syntax("Search is nested too deeply");
        }
        if self.keys_left == 0 {
            return syntax("Search has too many keys");
        }
        self.keys_left -= 1;
        match args.peek() {
            Some(b'(') => args.list(1, |args| self.key(args, depth + 1)).map(all_of),
            Some(b'0'..=b'9' | b'*' | b'$') => self.numbered(&args.message_set()?, Numbers::Seq),
            _ => {
                let name = args.atom()?.to_ascii_uppercase();
                match simple(&name, self.view) {
                    Some(key) => Ok(key),
                    None => self.with_argument(&name, args, depth),
                }
            }
        }
    }

    fn with_argument(&mut self, name: &str, args: &mut Parser<'_>, depth: usize) -> Parsed<Key> {
        match name {
            "UID" => {
                args.space()?;
                self.numbered(&args.message_set()?, Numbers::Uid)
            }
            "NOT" => {
                args.space()?;
                Ok(Key::Not(Box::new(self.key(args, depth + 1)?)))
            }
            "OR" => {
                args.space()?;
                let one = self.key(args, depth + 1)?;
                args.space()?;
                Ok(Key::Or(Box::new(one), Box::new(self.key(args, depth + 1)?)))
            }
            "MODSEQ" => {
                self.modseq = true;
                args.space()?;
                mod_sequence(args).map(Key::ModSeq)
            }
            _ => with_value(name, args),
        }
    }

    /// The messages of a set that the client knows; others match nothing, as with Dovecot.
    fn numbered(&mut self, set: &MessageSet, numbers: Numbers) -> Parsed<Key> {
        if self.sets_left == 0 {
            return syntax("Search has too many sets of numbers");
        }
        self.sets_left -= 1;
        self.numbers |= numbers == Numbers::Seq && matches!(set, MessageSet::Numbers(_));
        let messages = self.view.named_messages(set, numbers);
        Ok(Key::UidSet(NumberSet::from_numbers(messages.into_iter().map(|message| message.uid.number()))))
    }
}

// search-modsequence = "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer
// search-modseq-ext = SP entry-name SP entry-type-req
/// "If the server doesn't store separate mod-sequences for different metadata items, it MUST ignore <entry-name> and
/// <entry-type-req>."
fn mod_sequence(args: &mut Parser<'_>) -> Parsed<ModSeq> {
    if args.peek() == Some(b'"') {
        args.string()?;
        args.space()?;
        let kind = args.atom()?;
        if !["priv", "shared", "all"].iter().any(|known| known.eq_ignore_ascii_case(kind)) {
            return syntax_at("Unknown type of entry", kind.as_bytes());
        }
        args.space()?;
    }
    args.mod_sequence()
}

/// Keys without arguments.
fn simple(name: &str, view: &View) -> Option<Key> {
    let not = |key| Key::Not(Box::new(key));
    let recent = || Key::Uids(view.recent().collect());
    Some(match name {
        "ALL" => Key::All,
        // RFC 8514 §4.3: whether the mailbox has save dates; each has.
        "SAVEDATESUPPORTED" => Key::All,
        "ANSWERED" => Key::Flags(Flags::ANSWERED),
        "DELETED" => Key::Flags(Flags::DELETED),
        "DRAFT" => Key::Flags(Flags::DRAFT),
        "FLAGGED" => Key::Flags(Flags::FLAGGED),
        "SEEN" => Key::Flags(Flags::SEEN),
        "UNANSWERED" => not(Key::Flags(Flags::ANSWERED)),
        "UNDELETED" => not(Key::Flags(Flags::DELETED)),
        "UNDRAFT" => not(Key::Flags(Flags::DRAFT)),
        "UNFLAGGED" => not(Key::Flags(Flags::FLAGGED)),
        "UNSEEN" => not(Key::Flags(Flags::SEEN)),
        "RECENT" => recent(),
        "OLD" => not(recent()),
        "NEW" => Key::And(vec![recent(), not(Key::Flags(Flags::SEEN))]),
        _ => return None,
    })
}

/// Keys with a value, which follows the space after their name.
fn with_value(name: &str, args: &mut Parser<'_>) -> Parsed<Key> {
    let value: fn(&mut Parser<'_>, &str) -> Parsed<Key> = match name {
        "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
            |args, name| Ok(Key::Header { name: name.to_owned(), text: text(args)? })
        }
        "BODY" => |args, _| text(args).map(Key::Body),
        "TEXT" => |args, _| text(args).map(Key::Text),
        "HEADER" => |args, _| {
            let name = text(args)?;
            args.space()?;
            Ok(Key::Header { name, text: text(args)? })
        },
        "KEYWORD" => |args, _| keyword(args).map(Key::Keyword),
        "UNKEYWORD" => |args, _| Ok(Key::Not(Box::new(Key::Keyword(keyword(args)?)))),
        "LARGER" => |args, _| Ok(Key::Larger(args.number()?.into())),
        "SMALLER" => |args, _| Ok(Key::Smaller(args.number()?.into())),
        // RFC 5032 §3: nz-number, in seconds.
        "OLDER" => |args, _| args.nz_number().map(Key::Older),
        "YOUNGER" => |args, _| args.nz_number().map(Key::Younger),
        "BEFORE" => |args, _| args.date().map(Key::Before),
        "ON" => |args, _| args.date().map(Key::On),
        "SINCE" => |args, _| args.date().map(Key::Since),
        "SENTBEFORE" => |args, _| args.date().map(Key::SentBefore),
        "SENTON" => |args, _| args.date().map(Key::SentOn),
        "SENTSINCE" => |args, _| args.date().map(Key::SentSince),
        "SAVEDBEFORE" => |args, _| args.date().map(Key::SavedBefore),
        "SAVEDON" => |args, _| args.date().map(Key::SavedOn),
        "SAVEDSINCE" => |args, _| args.date().map(Key::SavedSince),
        "EMAILID" => |args, _| object_id(args, ObjectKind::Message, Key::EmailId),
        "THREADID" => |args, _| object_id(args, ObjectKind::Thread, Key::ThreadId),
        _ => return syntax_at("Unknown argument", name.as_bytes()),
    };
    args.space()?;
    value(args, name)
}

fn text(args: &mut Parser<'_>) -> Parsed<String> {
    String::from_utf8(args.astring()?).map_err(|_| Fault::Refused(bad_charset("Text is not valid UTF-8.")))
}

// search-key =/ "EMAILID" SP objectid / "THREADID" SP objectid
/// One that we never give is no message's.
fn object_id(args: &mut Parser<'_>, kind: ObjectKind, key: fn(ObjectId) -> Key) -> Parsed<Key> {
    let text = args.atom()?;
    Ok(ObjectId::parse(kind, text).map_or_else(|| Key::Uids(Vec::new()), key))
}

fn keyword(args: &mut Parser<'_>) -> Parsed<Keyword> {
    Keyword::parse(args.atom()?).map_or_else(|| syntax("Invalid keyword"), Ok)
}
