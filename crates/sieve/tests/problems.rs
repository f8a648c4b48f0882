//! Each mistake in a script is told with its line, in the words of `sievec` where that has any: most of these texts it said itself.

use sieve::{Options, compile};

fn problems(script: &str) -> Vec<String> {
    match compile(script.as_bytes(), &Options::default()) {
        Ok((_, warnings)) => warnings.iter().map(ToString::to_string).collect(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn all_mistakes_of_a_script_are_told() {
    let script = "fileinto \"x\";\nfileinto \"y\";\nkeep :foo;\nif size 3 {}\n";
    assert_eq!(
        problems(script),
        [
            "line 1: error: unknown command 'fileinto' (only reported once at first occurrence).",
            "line 3: error: unknown tagged argument ':foo' for the keep command (reported only once at first occurrence).",
            "line 4: error: the size test requires either the :under or the :over tag to be specified.",
        ]
    );
}

#[test]
fn each_mistake_has_its_words() {
    for (script, problem) in [
        ("require \"nosuchextension\";", "require command: unknown Sieve capability `nosuchextension'."),
        (
            "keep; require \"fileinto\";",
            "require commands can only be placed at top level at the beginning of the file.",
        ),
        ("require 3;", "the require command accepts a single string or string list argument, but a number was found."),
        ("elsif true {}", "the elsif command must follow an if or elseif command."),
        ("if true {} keep; else {}", "the else command must follow an if or elseif command."),
        ("if true {} else {} else {}", "the else command must follow an if or elseif command."),
        ("keep \"a\";", "the keep command requires 0 positional argument(s), but 1 is/are specified."),
        ("redirect 3;", "the redirect command expects a string as argument 1 (address), but a number was found."),
        (
            "if header :is :contains \"a\" \"b\" {}",
            "encountered duplicate MATCH-TYPE argument (:contains) for the header test.",
        ),
        (
            "if address :all :domain \"from\" \"x\" {}",
            "encountered duplicate ADDRESS-PART argument (:domain) for the address test.",
        ),
        ("if header [\"a\"] {}", "the header test requires 2 positional argument(s), but 1 is/are specified."),
        (
            "if header 3 \"b\" {}",
            "the header test expects a string list as argument 1 (header names), but a number was found.",
        ),
        ("if foo {}", "unknown test 'foo' (only reported once at first occurrence)."),
        ("if keep {}", "attempted to use command 'keep' as test."),
        ("true;", "attempted to use test 'true' as command."),
        ("if size :over \"a\" {}", "the size test expects a number as argument 1 (limit), but a string was found."),
        (
            "if size :over :under 3 {}",
            "exactly one of the ':under' or ':over' tags must be specified for the size test, but more were found.",
        ),
        ("if header :comparator \"i;foo\" \"a\" \"b\" {}", "unknown comparator 'i;foo'."),
        ("if true;", "the if command requires a command block, but it is missing."),
        ("keep {}", "the keep command does not accept a command block, but one is specified anyway."),
        ("keep true;", "the keep command accepts no sub-tests, but tests are specified."),
        ("keep 3x;", "the keep command requires 0 positional argument(s), but 1 is/are specified."),
        ("stop x;", "missing semicolon ';' after stop command."),
        ("if {}", "the if command requires one sub-test, but none is specified."),
        ("if (true) {}", "the if command requires one sub-test, but a list of tests is specified."),
        ("if not {}", "the not test requires one sub-test, but none is specified."),
        ("if allof {}", "the allof test requires a list of sub-tests, but none is specified."),
        ("if anyof true {}", "the anyof test requires a list of sub-tests, but a single test is specified."),
        ("if address \"subject\" \"x\" {}", "specified header 'subject' is not allowed for the address test."),
        (
            "require \"envelope\"; if envelope \"foo\" \"x\" {}",
            "specified envelope part 'foo' is not supported by the envelope test.",
        ),
        (
            "require \"relational\"; if header :count \"xx\" \"a\" \"b\" {}",
            "the :count match-type requires a constant string argument being one of \"gt\", \"ge\", \"lt\", \"le\", \"eq\" or \"ne\", but \"xx\" was found.",
        ),
        (
            "require \"comparator-i;ascii-numeric\"; if header :contains :comparator \"i;ascii-numeric\" \"a\" \"b\" {}",
            "the specified i;ascii-numeric comparator does not support sub-string matching as required by the :contains match type.",
        ),
        ("require \"variables\"; set \"3a\" \"b\";", "invalid variable name '3a'."),
        ("require \"variables\"; set \"1\" \"b\";", "cannot assign to match variable."),
        ("require \"variables\"; set \"a.b\" \"b\";", "referring to variable in unknown namespace 'a'."),
        ("require \"variables\"; set \"a\" \"${b.c}\";", "referring to variable in unknown namespace 'b'."),
        (
            "require \"variables\"; set :lower :upper \"a\" \"b\";",
            "modifiers :lower and :upper specified for the set command conflict having equal precedence.",
        ),
        (
            "require \"vacation\"; vacation :days \"a\" \"b\";",
            "the :days tag for the vacation command requires a number as parameter, but a string was found.",
        ),
        (
            "require \"imap4flags\"; keep :flags;",
            "the :flags tag for the keep command requires a string list as parameter, but no parameters were found.",
        ),
        ("require \"body\"; if body :raw :text \"x\" {}", "encountered duplicate :text argument for the body test."),
        (
            "require [\"index\"]; if header :index 0 \"a\" \"b\" {}",
            "the :index tag for the header test cannot be zero.",
        ),
        (
            "require [\"index\"]; if header :last \"a\" \"b\" {}",
            "the :last tag for the header test cannot be specified without the :index tag.",
        ),
        ("require \"include\"; include \"../c\";", "include: invalid script name '../c'."),
        ("require \"include\"; global \"a\";", "global command requires that variables extension is active."),
        (
            "require [\"include\", \"variables\"]; set \"a\" \"\"; global \"a\";",
            "declaration of new global variable 'a' conflicts with earlier local use.",
        ),
        ("require \"enotify\"; notify \"foo\";", "notify command: invalid scheme part for method URI 'foo'."),
        (
            "require \"enotify\"; notify :importance \"9\" \"mailto:a@b.test\";",
            "invalid :importance value for notify command: 9.",
        ),
        (
            "require \"duplicate\"; if duplicate :header \"a\" :uniqueid \"b\" {}",
            "conflicting :header and :uniqueid arguments specified for the duplicate test.",
        ),
    ] {
        assert_eq!(problems(script).first(), Some(&format!("line 1: error: {problem}")), "{script}");
    }
}

#[test]
fn good_scripts_have_no_problems() {
    for script in [
        "",
        "# nothing",
        "if true {} elsif false {} else {}",
        "require [\"fileinto\", \"reject\"]; if not anyof(true, size :over 1M) { fileinto \"a.b\"; stop; }",
        "require [\"imap4flags\", \"variables\"]; setflag \"x\" [\"\\\\Seen\"]; addflag \"a\"; if hasflag \"a\" {} keep :flags \"${x}\";",
        "require \"vacation-seconds\"; vacation :seconds 5 \"away\";",
        "require \"editheader\"; addheader \"X-A\" \"b\"; deleteheader \"X-A\"; deleteheader :index 1 :last :contains \"X-A\" [\"b\"];",
        "require [\"date\", \"relational\"]; if currentdate :value \"ge\" \"date\" \"2026-01-01\" {}",
    ] {
        assert_eq!(problems(script), [""; 0], "{script}");
    }
}

#[test]
fn a_block_that_is_never_run_may_use_what_is_missing() {
    let script =
        |name: &str| format!("require \"ihave\"; if ihave \"{name}\" {{ fileinto \"a\"; }} else {{ nonsense; }}");
    assert_eq!(problems(&script("fileinto")), [""; 0]);
    let error = "line 1: error: unknown command 'nonsense' (only reported once at first occurrence).";
    assert_eq!(problems(&script("no-such-thing")), [error]);
}

#[test]
fn what_only_looks_wrong_is_a_warning() {
    assert_eq!(
        problems("if header \"a b\" \"x\" {}"),
        ["line 1: warning: specified header field name 'a b' is invalid."]
    );
    let zone = "require \"date\"; if date :zone \"a\" \"date\" \"foo\" \"b\" {}";
    assert_eq!(
        problems(zone),
        [
            "line 1: warning: specified :zone argument 'a' is not a valid timezone.",
            "line 1: warning: specified date part `foo' is not known.",
        ]
    );
    assert_eq!(compile(b"keep; # \xff", &Options::default()).unwrap().1.len(), 1);
}

#[test]
fn sizes_are_bounded() {
    let long = " ".repeat(sieve::SCRIPT_SIZE_MAX + 1);
    assert_eq!(problems(&long), ["line 1: error: the script is larger than 1048576 bytes."]);
    assert_eq!(problems(&"keep ]; ".repeat(1000)).len(), 100);
    let garbage: Vec<u8> = (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert!(compile(&garbage, &Options::default()).is_err());
}

#[test]
fn the_capabilities_are_what_may_be_required() {
    for name in sieve::capabilities().split(' ') {
        // `extracttext` writes variables, in loops.
        let script = format!("require [\"{name}\", \"variables\", \"foreverypart\"];");
        assert_eq!(problems(&script), [""; 0], "{name}");
    }
}
