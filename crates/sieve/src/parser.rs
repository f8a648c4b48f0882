//! From words to a tree (RFC 5228 §8.2). Every mistake is told: after one, reading goes on behind the next `;` or block.
//!
//! ```text
//! command   = identifier arguments (";" / block)
//! arguments = *argument [test / "(" test *("," test) ")"]
//! argument  = string-list / number / tag
//! test      = identifier arguments
//! block     = "{" *command "}"
//! ```

use crate::error::{Position, Problems};
use crate::lexer::{Kind, Lexer, Token};
use crate::syntax::{Argument, Node, Tests, Value};

/// Blocks within blocks, and tests within tests.
pub const NESTING_MAX: u32 = 32;
/// The most strings of one list.
pub const LIST_LENGTH_MAX: usize = 65_536;
/// The most commands and tests of one script.
pub const NODES_MAX: usize = 65_536;

/// The commands of a script. What could not be read is missing, and `problems` has errors.
pub(crate) fn parse(script: &str, problems: &mut Problems) -> Vec<Node> {
    let mut lexer = Lexer::new(script);
    let token = lexer.next(problems);
    let mut parser = Parser { lexer, token, problems, nodes: 0 };
    let mut commands = Vec::new();
    loop {
        commands.extend(parser.commands(0));
        if parser.token.kind == Kind::End || parser.problems.is_full() || parser.nodes > NODES_MAX {
            return commands;
        }
        // Only a brace that closes nothing ends the commands before the end.
        parser.unexpected();
        parser.bump();
    }
}

/// The error has been noted.
struct Failed;

struct Parser<'a, 'p> {
    lexer: Lexer<'a>,
    token: Token,
    problems: &'p mut Problems,
    nodes: usize,
}

impl Parser<'_, '_> {
    fn bump(&mut self) -> Kind {
        let next = self.lexer.next(self.problems);
        std::mem::replace(&mut self.token, next).kind
    }

    fn is(&self, c: char) -> bool {
        self.token.kind == Kind::Punctuation(c)
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.is(c);
        if found {
            self.bump();
        }
        found
    }

    fn expected<T>(&mut self, what: &str) -> Result<T, Failed> {
        let text = format!("{what}, but found {}.", self.token.kind.name());
        self.fail(self.token.at, text)
    }

    fn fail<T>(&mut self, at: Position, text: impl Into<String>) -> Result<T, Failed> {
        self.problems.error(at, text);
        Err(Failed)
    }

    fn unexpected(&mut self) {
        let text = format!("unexpected {} found where a command is expected.", self.token.kind.name());
        self.problems.error(self.token.at, text);
    }

    fn commands(&mut self, depth: u32) -> Vec<Node> {
        let mut commands = Vec::new();
        while self.token.kind != Kind::End && !self.is('}') && !self.problems.is_full() && self.nodes <= NODES_MAX {
            match &self.token.kind {
                Kind::Identifier(_) => match self.command(depth) {
                    Ok(command) => commands.push(command),
                    Err(Failed) => self.recover(),
                },
                // A stray semicolon is its own end, so that the command after it is read.
                Kind::Punctuation(';') => {
                    self.unexpected();
                    self.bump();
                }
                _ => {
                    self.unexpected();
                    self.recover();
                }
            }
        }
        commands
    }

    /// Goes behind the next semicolon or block of this level, or before the brace that closes this level.
    fn recover(&mut self) {
        let mut depth = 0_u32;
        loop {
            match &self.token.kind {
                Kind::End => return,
                Kind::Punctuation('{') => depth += 1,
                Kind::Punctuation('}') if depth == 0 => return,
                Kind::Punctuation('}') => depth -= 1,
                Kind::Punctuation(';') if depth == 0 => {
                    self.bump();
                    return;
                }
                _ => {}
            }
            let closed = self.is('}') && depth == 0;
            self.bump();
            if closed {
                return;
            }
        }
    }

    fn command(&mut self, depth: u32) -> Result<Node, Failed> {
        let mut command = self.node(0)?;
        if self.eat(';') {
            return Ok(command);
        }
        if !self.is('{') {
            return self.expected("expected end of command ';' or the beginning of a compound block '{'");
        }
        if depth + 1 > NESTING_MAX {
            let text = format!("cannot nest command blocks deeper than {NESTING_MAX} levels.");
            return self.fail(self.token.at, text);
        }
        self.bump();
        command.block = Some(self.commands(depth + 1));
        if !self.eat('}') {
            return self.expected("expected end of compound block '}'");
        }
        Ok(command)
    }

    /// An identifier with its arguments and tests.
    fn node(&mut self, depth: u32) -> Result<Node, Failed> {
        let at = self.token.at;
        let Kind::Identifier(name) = self.bump() else { return Err(Failed) };
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return self.fail(at, format!("the script has more than {NODES_MAX} commands and tests."));
        }
        let arguments = self.arguments()?;
        let tests = self.tests(depth)?;
        Ok(Node { at, name, arguments, tests, block: None })
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, Failed> {
        let mut arguments = Vec::new();
        loop {
            let at = self.token.at;
            let value = match &mut self.token.kind {
                Kind::Number(number) => Value::Number(*number),
                Kind::Text(text) => Value::Text(std::mem::take(text)),
                Kind::Tag(tag) => Value::Tag(std::mem::take(tag)),
                Kind::Punctuation('[') => {
                    let list = self.list()?;
                    arguments.push(Argument { at, value: Value::List(list) });
                    continue;
                }
                _ => return Ok(arguments),
            };
            self.bump();
            arguments.push(Argument { at, value });
        }
    }

    fn list(&mut self) -> Result<Vec<(Position, String)>, Failed> {
        let mut list = Vec::new();
        let mut after = '[';
        loop {
            self.bump();
            let at = self.token.at;
            let Kind::Text(text) = &mut self.token.kind else {
                return self.expected(&format!("expecting string after '{after}' in string list"));
            };
            list.push((at, std::mem::take(text)));
            self.bump();
            if list.len() > LIST_LENGTH_MAX {
                return self.fail(at, format!("the string list is longer than {LIST_LENGTH_MAX} strings."));
            }
            if self.eat(']') {
                return Ok(list);
            }
            if !self.is(',') {
                return self.expected("expecting ',' or end of string list ']'");
            }
            after = ',';
        }
    }

    fn tests(&mut self, depth: u32) -> Result<Tests, Failed> {
        let starts = matches!(self.token.kind, Kind::Identifier(_)) || self.is('(');
        if !starts {
            return Ok(Tests::None);
        }
        if depth + 1 > NESTING_MAX {
            return self.fail(self.token.at, format!("cannot nest tests deeper than {NESTING_MAX} levels."));
        }
        if matches!(self.token.kind, Kind::Identifier(_)) {
            return Ok(Tests::One(Box::new(self.node(depth + 1)?)));
        }
        let mut list = Vec::new();
        let mut after = '(';
        loop {
            self.bump();
            if !matches!(self.token.kind, Kind::Identifier(_)) {
                return self.expected(&format!("expecting test identifier after '{after}' in test list"));
            }
            list.push(self.node(depth + 1)?);
            if self.eat(')') {
                return Ok(Tests::List(list));
            }
            if !self.is(',') {
                return self.expected("expecting ',' or end of test list ')'");
            }
            after = ',';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(script: &str) -> Vec<String> {
        let mut problems = Problems::default();
        parse(script, &mut problems);
        problems.into_list().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn commands_have_arguments_tests_and_blocks() {
        let mut problems = Problems::default();
        let script = "if anyof (not true, header :is [\"a\", \"b\"] \"c\") { keep; } else { size 3K; }";
        let commands = parse(script, &mut problems);
        assert!(!problems.has_errors());
        assert_eq!(commands.len(), 2);
        let Tests::One(anyof) = &commands[0].tests else { panic!() };
        let Tests::List(tests) = &anyof.tests else { panic!() };
        assert_eq!(tests[1].arguments[0].value, Value::Tag("is".to_owned()));
        assert!(matches!(&tests[1].arguments[1].value, Value::List(list) if list.len() == 2));
        assert_eq!(commands[1].block.as_ref().unwrap()[0].arguments[0].value, Value::Number(3072));
    }

    #[test]
    fn every_mistake_is_told_and_good_commands_between_are_kept() {
        let mut problems = Problems::default();
        let commands = parse("keep ];\nkeep;\nif header [] \"a\" { stop; }\nstop;;\n} keep;", &mut problems);
        let names: Vec<_> = commands.iter().map(|command| command.name.as_str()).collect();
        assert_eq!(names, ["keep", "stop", "keep"]);
        let lines: Vec<_> = problems.into_list().iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 3, 4, 5]);
    }

    #[test]
    fn mistakes_are_worded_as_sievec_words_them() {
        let end = "expected end of command ';' or the beginning of a compound block '{', but found";
        for (script, error) in [
            ("if true { keep\n", format!("line 2: error: {end} end of file.")),
            ("keep ]", format!("line 1: error: {end} ']'.")),
            ("if true {", "line 1: error: expected end of compound block '}', but found end of file.".to_owned()),
            ("if a [] {}", "line 1: error: expecting string after '[' in string list, but found ']'.".to_owned()),
            (
                "if a [\"a\" 3] {}",
                "line 1: error: expecting ',' or end of string list ']', but found number.".to_owned(),
            ),
            (
                "if a (b, 3) {}",
                "line 1: error: expecting test identifier after ',' in test list, but found number.".to_owned(),
            ),
        ] {
            assert_eq!(errors(script)[0], error, "{script}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let blocks = |n: usize| format!("{}{}", "if true {".repeat(n), "}".repeat(n));
        assert_eq!(errors(&blocks(32)), [""; 0]);
        assert_eq!(errors(&blocks(33)), ["line 1: error: cannot nest command blocks deeper than 32 levels."]);
        let tests = format!("if {} true {{}}", "not ".repeat(40));
        assert_eq!(errors(&tests), ["line 1: error: cannot nest tests deeper than 32 levels."]);
        assert!(!errors(&"if not(".repeat(100_000)).is_empty());
    }
}
