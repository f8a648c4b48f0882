//! The table of commands, and what a command is to the machine: a row that starts, and steps that follow.
//!
//! A new command is a file in `commands/` and a row here. Knows no command's grammar.

use std::fmt;
use std::time::Duration;

use super::ask::{Answer, Ask};
use super::commands as run;
use super::context::Context;
use super::parse::{Parsed, Parser};
use super::response::Completion;
use super::view::Numbers;

/// Why a session ends when somebody else takes its mailbox away, or puts another in its place.
pub const MAILBOX_LOST: &str = "The selected mailbox was deleted or renamed.";

/// When a command is allowed (RFC 3501 §6.1 to §6.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    BeforeLogin,
    LoggedIn,
    Selected,
}

/// What is told of the selected mailbox at a command's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    Nothing,
    /// RFC 3501 §7.4.1: EXPUNGE must not be sent during FETCH, STORE and SEARCH. Their UID forms are other commands, and
    /// tell everything.
    AllButExpunges,
    Everything,
}

/// One command.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub when: When,
    /// Whether there is `UID name` too.
    pub uid: bool,
    pub tells: Tells,
    /// Its last argument is a message, which is streamed and not kept: how it begins when a literal is announced.
    pub begin_message: Option<BeginMessage>,
    pub start: Start,
}

/// Parses the arguments, from the space before them, and takes the first step.
pub type Start = fn(&mut Parser<'_>, &mut Context, Numbers) -> Parsed<Step>;

/// Parses the arguments up to a literal's announcement, of so many octets. `None` if that belongs to the command's text.
pub type BeginMessage = fn(&mut Parser<'_>, u64, &mut Context, Numbers) -> Parsed<Option<Step>>;

const fn row(name: &'static str, when: When, tells: Tells, start: Start) -> Row {
    Row { name, when, uid: false, tells, begin_message: None, start }
}

const fn with_uid(name: &'static str, tells: Tells, start: Start) -> Row {
    Row { name, when: When::Selected, uid: true, tells, begin_message: None, start }
}

const fn with_message(name: &'static str, when: When, uid: bool, start: Start, begin: BeginMessage) -> Row {
    Row { name, when, uid, tells: Everything, begin_message: Some(begin), start }
}

use Tells::{AllButExpunges, Everything, Nothing};
use When::{Always, BeforeLogin, LoggedIn, Selected};

#[rustfmt::skip]
pub const COMMANDS: &[Row] = &[
    //  name            allowed      tells
    row("CAPABILITY",   Always,      Nothing,        run::capability::start),
    row("NOOP",         Always,      Everything,     run::noop::noop),
    row("LOGOUT",       Always,      Nothing,        run::logout::start),
    row("ID",           Always,      Nothing,        run::id::start),
    row("STARTTLS",     BeforeLogin, Nothing,        run::starttls::start),
    row("AUTHENTICATE", BeforeLogin, Nothing,        run::authenticate::start),
    row("LOGIN",        BeforeLogin, Nothing,        run::login::start),
    row("UNAUTHENTICATE", LoggedIn,  Nothing,        run::unauthenticate::start),
    row("COMPRESS",     LoggedIn,    Nothing,        run::compress::start),
    row("ENABLE",       LoggedIn,    Nothing,        run::enable::start),
    row("SELECT",       LoggedIn,    Nothing,        run::select::select),
    row("EXAMINE",      LoggedIn,    Nothing,        run::select::examine),
    row("CREATE",       LoggedIn,    Everything,     run::create::start),
    row("DELETE",       LoggedIn,    Everything,     run::delete::start),
    row("RENAME",       LoggedIn,    Everything,     run::rename::start),
    row("SUBSCRIBE",    LoggedIn,    Everything,     run::subscribe::subscribe),
    row("UNSUBSCRIBE",  LoggedIn,    Everything,     run::subscribe::unsubscribe),
    row("LIST",         LoggedIn,    Everything,     run::list::list),
    row("LSUB",         LoggedIn,    Everything,     run::list::lsub),
    row("XLIST",        LoggedIn,    Everything,     run::list::xlist),
    row("NAMESPACE",    LoggedIn,    Nothing,        run::namespace::start),
    row("STATUS",       LoggedIn,    Everything,     run::status::start),
    row("GETQUOTA",     LoggedIn,    Nothing,        run::quota::get),
    row("GETQUOTAROOT", LoggedIn,    Nothing,        run::quota::get_root),
    row("GETACL",       LoggedIn,    Nothing,        run::acl::get),
    row("SETACL",       LoggedIn,    Nothing,        run::acl::set),
    row("DELETEACL",    LoggedIn,    Nothing,        run::acl::delete),
    row("LISTRIGHTS",   LoggedIn,    Nothing,        run::acl::list_rights),
    row("MYRIGHTS",     LoggedIn,    Nothing,        run::acl::my_rights),
    row("IDLE",         LoggedIn,    Nothing,        run::idle::start),
    row("CHECK",        Selected,    Everything,     run::noop::check),
    row("CLOSE",        Selected,    Nothing,        run::close::close),
    row("UNSELECT",     Selected,    Nothing,        run::close::unselect),
    with_uid("EXPUNGE",              Everything,     run::expunge::start),
    with_uid("SEARCH",               AllButExpunges, run::search::search),
    with_uid("SORT",                 AllButExpunges, run::search::sort),
    with_uid("THREAD",               AllButExpunges, run::search::thread),
    with_uid("FETCH",                AllButExpunges, run::fetch::start),
    with_uid("STORE",                AllButExpunges, run::store::start),
    with_uid("COPY",                 Everything,     run::copy::copy),
    with_uid("MOVE",                 Everything,     run::copy::r#move),
    with_message("APPEND",  LoggedIn, false,         run::append::append, run::append::begin_append),
    with_message("REPLACE", Selected, true,          run::append::replace, run::append::begin_replace),
];

/// A command's row, and whether it was called by `UID name`.
#[derive(Debug, Clone, Copy)]
pub struct Called {
    pub row: &'static Row,
    pub numbers: Numbers,
}

impl Called {
    pub fn tells_expunges(self) -> bool {
        self.row.tells == Everything || self.numbers == Numbers::Uid
    }
}

// command = tag SP name ..., uid = "UID" SP (copy / fetch / search / store / ...)
/// Takes the command's name. `None` if there is no such command.
pub fn find(parser: &mut Parser<'_>) -> Option<Called> {
    let name = parser.atom().ok()?;
    let numbers = if name.eq_ignore_ascii_case("UID") { Numbers::Uid } else { Numbers::Seq };
    let name = match numbers {
        Numbers::Seq => name,
        Numbers::Uid => parser.space().and_then(|()| parser.atom()).ok()?,
    };
    let row = COMMANDS.iter().find(|row| row.name.eq_ignore_ascii_case(name))?;
    (numbers == Numbers::Seq || row.uid).then_some(Called { row, numbers })
}

/// What a command wants next.
pub enum Step {
    Done(Completion),
    /// Ask the house; the answer goes to `Then`.
    Ask(Ask, Then),
    /// Let what was written leave before more is written.
    Flush(Resume),
    /// A line that belongs to the command, without its CR LF; its challenge is written already.
    Line(OnLine),
    /// Take the octets that were announced as `Next::Content`, then give what follows them.
    Receive(OnReceived),
    /// The literal that was announced belongs to what follows: give it again when that is there.
    Accept(OnReceived),
    /// Give these octets of a message to the house.
    Content(Vec<u8>, Resume),
    /// Wait for changes until the client says DONE.
    Idle,
    StartTls(Completion),
    /// Say this; what follows it is compressed, both ways.
    Compress(Completion),
    /// Wait, then end.
    Pause(Duration, Completion),
    /// Say good-bye as the client wishes.
    Logout,
    /// Say good-bye and why.
    Bye(&'static str),
    /// A response was begun that cannot be finished: nothing that the client would understand can be said any more.
    Broken,
}

pub type Then = Box<dyn FnOnce(&mut Context, Answer) -> Step + Send>;
pub type Resume = Box<dyn FnOnce(&mut Context) -> Step + Send>;
pub type OnLine = Box<dyn FnOnce(&mut Context, &[u8]) -> Step + Send>;
pub type OnReceived = Box<dyn FnOnce(&mut Context, Rest<'_>) -> Step + Send>;

/// What follows a message's octets on their line.
#[derive(Debug, Clone, Copy)]
pub enum Rest<'a> {
    /// The command ends with this.
    Ended(&'a [u8]),
    /// It ends in the announcement of another literal, of so many octets.
    Literal(&'a [u8], u64),
    /// It is longer than a line may be, and is passed over.
    TooLong,
}

impl Step {
    pub fn ask(ask: Ask, then: impl FnOnce(&mut Context, Answer) -> Step + Send + 'static) -> Step {
        Step::Ask(ask, Box::new(then))
    }

    /// Asks what is answered `Done`, and ends with this text.
    pub fn ask_done(ask: Ask, text: &'static str) -> Step {
        Step::ask(ask, move |_, answer| match answer {
            Answer::Done => Step::ok(text),
            other => Step::failed(other),
        })
    }

    pub fn ok(text: &'static str) -> Step {
        Step::Done(Completion::ok(text))
    }

    /// The answer is a refusal, or makes no sense.
    pub fn failed(answer: Answer) -> Step {
        match answer {
            Answer::Refused(refusal) => Step::Done(super::response::refused(refusal)),
            _ => Step::Done(Completion::misunderstood()),
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Done(_) => "Done",
            Step::Ask(..) => "Ask",
            Step::Flush(_) => "Flush",
            Step::Line(_) => "Line",
            Step::Receive(_) => "Receive",
            Step::Accept(_) => "Accept",
            Step::Content(..) => "Content",
            Step::Idle => "Idle",
            Step::StartTls(_) => "StartTls",
            Step::Compress(_) => "Compress",
            Step::Pause(..) => "Pause",
            Step::Logout => "Logout",
            Step::Bye(_) => "Bye",
            Step::Broken => "Broken",
        })
    }
}
