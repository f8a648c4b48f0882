//! Is a script right, and what does it mean: walks the tree, holds it against the `table`, and makes the compiled form. All
//! mistakes are told, worded as `sievec` words them.

mod address;
mod bind;
mod commands;
mod matching;
mod memory;
mod mime;
mod suite;
mod table;
mod tests;
mod text;

use std::collections::HashSet;
use std::iter::Peekable;

use crate::Options;
use crate::error::{Position, Problems};
use crate::extension::{Extension, Extensions};
use crate::program::{Block, Command, Program, Step, Test};
use crate::syntax::{Node, Tests, Value};

use bind::{display_name, is_test};
use memory::Memory;
use table::{Make, Row, SubTests};

pub use address::parse_mailbox;
pub(crate) use commands::is_script_name;
pub(crate) use matching::{is_field_name, ready};
pub(crate) use mime::{LOOPS_NESTED_MAX, parse_mailboxes};
pub(crate) use text::{MATCH_VARIABLE_MAX, VARIABLES_MAX};

pub(crate) fn check(commands: Vec<Node>, options: &Options, problems: &mut Problems) -> Program {
    let mut checker = Checker {
        options,
        problems,
        extensions: options.always,
        variables: Vec::new(),
        globals: HashSet::new(),
        unknown: HashSet::new(),
        memory: Memory::default(),
        head: true,
        loops: Vec::new(),
        extracttext_required: None,
    };
    let block = checker.block(commands, true);
    checker.check_extracttext();
    let memory = checker.memory.total();
    Program { block, variables: checker.variables, extensions: checker.extensions, memory }
}

struct Checker<'a> {
    options: &'a Options,
    problems: &'a mut Problems,
    /// What the script has required so far.
    extensions: Extensions,
    /// The script's variables by their places.
    variables: Vec<String>,
    globals: HashSet<String>,
    /// Names that were said to be unknown.
    unknown: HashSet<String>,
    memory: Memory,
    /// Nothing but `require` so far.
    head: bool,
    /// The names of the loops around, the innermost last.
    loops: Vec<Option<String>>,
    /// Where `extracttext` was required, which needs other extensions.
    extracttext_required: Option<Position>,
}

impl Checker<'_> {
    fn block(&mut self, nodes: Vec<Node>, top: bool) -> Block {
        let mut block = Block::new();
        let mut nodes = nodes.into_iter().peekable();
        while let Some(node) = nodes.next() {
            let line = node.at.line;
            if let Some(command) = self.command(node, &mut nodes, top) {
                self.memory.hold(size_of::<Step>());
                block.push(Step { line, command });
            }
        }
        block
    }

    fn command(
        &mut self,
        mut node: Node,
        rest: &mut Peekable<impl Iterator<Item = Node>>,
        top: bool,
    ) -> Option<Command> {
        let row = self.command_row(&node)?;
        self.head &= row.name == "require";
        match &row.make {
            Make::Control if row.name == "require" => {
                self.require(row, node, top);
                None
            }
            Make::Control if row.name == "if" => self.branches(row, node, rest),
            Make::Control if row.name == "foreverypart" => self.foreverypart(row, node),
            Make::Control => {
                let text = format!("the {} command must follow an if or elseif command.", row.name);
                self.problems.error(node.at, text);
                self.branch(row, node);
                None
            }
            Make::Command(make) => {
                let bound = self.bind(row, &mut node);
                let (tests, in_block) = (self.sub_tests(row, &mut node), self.inner_block(row, &mut node));
                let mut bound = bound?;
                bound.tests = tests?;
                let mut command = make(self, &mut bound)?;
                if let Command::Suite(call) = &mut command {
                    call.block = in_block;
                }
                Some(command)
            }
            Make::Test(_) => None,
        }
    }

    fn command_row(&mut self, node: &Node) -> Option<&'static Row> {
        match table::command_named(&node.name).filter(|row| self.is_available(row)) {
            Some(row) => Some(row),
            None if table::test_named(&node.name).is_some_and(|row| self.is_available(row)) => {
                self.problems.error(node.at, format!("attempted to use test '{}' as command.", node.name));
                None
            }
            None => {
                self.unknown_name("command", node);
                None
            }
        }
    }

    fn test_row(&mut self, node: &Node) -> Option<&'static Row> {
        match table::test_named(&node.name).filter(|row| self.is_available(row)) {
            Some(row) => Some(row),
            None if table::command_named(&node.name).is_some_and(|row| self.is_available(row)) => {
                self.problems.error(node.at, format!("attempted to use command '{}' as test.", node.name));
                None
            }
            None => {
                self.unknown_name("test", node);
                None
            }
        }
    }

    fn is_available(&self, row: &Row) -> bool {
        row.extension.is_none_or(|extension| self.extensions.contains(extension))
    }

    fn unknown_name(&mut self, what: &str, node: &Node) {
        if self.unknown.insert(format!("{what} {}", node.name.to_ascii_lowercase())) {
            let text = format!("unknown {what} '{}' (only reported once at first occurrence).", node.name);
            self.problems.error(node.at, text);
        }
    }

    // RFC 5228 §3.2: require stands at the top, before anything else.
    fn require(&mut self, row: &'static Row, mut node: Node, top: bool) {
        if !top || !self.head {
            let text = "require commands can only be placed at top level at the beginning of the file.";
            self.problems.error(node.at, text);
            return;
        }
        let Some(mut bound) = self.bind(row, &mut node) else { return };
        let Some(names) = bound.next() else { return };
        if let Value::Number(_) | Value::Tag(_) = names.value {
            let found = names.value.kind();
            let text = format!(
                "the require command accepts a single string or string list argument, but a {found} was found."
            );
            self.problems.error(names.at, text);
            return;
        }
        for (at, name) in bind::strings(names) {
            match self.offered(&name) {
                Some(extension) => {
                    if extension == Extension::ExtractText {
                        self.extracttext_required.get_or_insert(at);
                    }
                    self.enable(extension);
                }
                None => self.problems.error(at, format!("require command: unknown Sieve capability `{name}'.")),
            }
        }
        self.sub_tests(row, &mut node);
        self.inner_block(row, &mut node);
    }

    /// An extension that scripts may use here.
    fn offered(&self, name: &str) -> Option<Extension> {
        Extension::named(name).filter(|extension| self.options.extensions.contains(*extension))
    }

    fn enable(&mut self, extension: Extension) {
        self.extensions = self.extensions.with(extension);
        // RFC 5235 §2.1: spamtestplus is spamtest, and more.
        if extension == Extension::SpamTestPlus {
            self.enable(Extension::SpamTest);
        }
        if extension == Extension::VacationSeconds {
            // RFC 6131 §2: it implies vacation.
            self.enable(Extension::Vacation);
        }
    }

    /// `if` with the `elsif`s and the `else` after it. A branch that is known to be never taken is not looked into: it may use
    /// what `ihave` has said is missing (RFC 5463 §4).
    fn branches(
        &mut self,
        row: &'static Row,
        node: Node,
        rest: &mut Peekable<impl Iterator<Item = Node>>,
    ) -> Option<Command> {
        let mut branches = Vec::new();
        let mut decided = self.keep_branch(row, node, &mut branches);
        while let Some(next) = rest.next_if(is_continuation) {
            let Some(row) = table::command_named(&next.name) else { break };
            if !decided {
                decided = self.keep_branch(row, next, &mut branches);
            }
            if row.name == "else" {
                break;
            }
        }
        Some(Command::If(branches))
    }

    /// Whether no branch after this one can be taken.
    fn keep_branch(&mut self, row: &'static Row, node: Node, branches: &mut Vec<(Test, Block)>) -> bool {
        let Some((test, block)) = self.branch(row, node) else { return false };
        let decided = row.name != "else" && test.constant() == Some(true);
        branches.push((test, block));
        decided
    }

    fn branch(&mut self, row: &'static Row, mut node: Node) -> Option<(Test, Block)> {
        let bound = self.bind(row, &mut node);
        let tests = self.sub_tests(row, &mut node);
        let test = match row.tests {
            SubTests::None => tests.as_ref().map(|_| Test::Constant(true)),
            _ => tests.and_then(|mut tests| tests.pop()),
        };
        if test.as_ref().and_then(Test::constant) == Some(false) {
            node.block = node.block.map(|_| Vec::new());
        }
        let block = self.inner_block(row, &mut node);
        bound?;
        Some((test?, block?))
    }

    /// The block of a command that has one; an empty one for a command that has none.
    fn inner_block(&mut self, row: &'static Row, node: &mut Node) -> Option<Block> {
        match (row.block, node.block.take()) {
            (true, Some(nodes)) => Some(self.block(nodes, false)),
            (false, None) => Some(Block::new()),
            (true, None) => {
                let text = format!("the {} requires a command block, but it is missing.", display_name(row));
                self.problems.error(node.at, text);
                None
            }
            (false, Some(nodes)) => {
                let text =
                    format!("the {} does not accept a command block, but one is specified anyway.", display_name(row));
                self.problems.error(node.at, text);
                self.block(nodes, false);
                None
            }
        }
    }

    fn sub_tests(&mut self, row: &'static Row, node: &mut Node) -> Option<Vec<Test>> {
        let tests = std::mem::replace(&mut node.tests, Tests::None);
        let name = display_name(row);
        let wrong = match (row.tests, tests) {
            (SubTests::None, Tests::None) => return Some(Vec::new()),
            (SubTests::One, Tests::One(test)) => return self.test(*test).map(|test| vec![test]),
            (SubTests::List, Tests::List(tests)) => {
                // Every one is looked at, also after one that is wrong.
                let made: Vec<Option<Test>> = tests.into_iter().map(|test| self.test(test)).collect();
                return made.into_iter().collect();
            }
            (SubTests::None, Tests::One(test)) if table::test_named(&test.name).is_none() => {
                format!("missing semicolon ';' after {name}.")
            }
            (SubTests::None, _) => format!("the {name} accepts no sub-tests, but tests are specified."),
            (SubTests::One, Tests::None) => format!("the {name} requires one sub-test, but none is specified."),
            (SubTests::One, _) => format!("the {name} requires one sub-test, but a list of tests is specified."),
            (SubTests::List, Tests::None) => {
                format!("the {name} requires a list of sub-tests, but none is specified.")
            }
            (SubTests::List, _) => {
                format!("the {name} requires a list of sub-tests, but a single test is specified.")
            }
        };
        self.problems.error(node.at, wrong);
        None
    }

    fn test(&mut self, mut node: Node) -> Option<Test> {
        let row = self.test_row(&node)?;
        self.memory.hold(size_of::<Test>());
        debug_assert!(is_test(row), "a row of a test makes a test");
        let bound = self.bind(row, &mut node);
        let tests = self.sub_tests(row, &mut node);
        let mut bound = bound?;
        bound.tests = tests?;
        match row.make {
            Make::Test(make) => make(self, &mut bound),
            _ => None,
        }
    }

    fn error<T>(&mut self, at: Position, text: impl Into<String>) -> Option<T> {
        self.problems.error(at, text);
        None
    }
}

fn is_continuation(node: &Node) -> bool {
    node.name.eq_ignore_ascii_case("elsif") || node.name.eq_ignore_ascii_case("else")
}
