//! Runs our own test files (tests/sieve/*.svtest), and, where it is told of one, another's folder of them:
//! `TEPUI_SVTEST=/path cargo test -p sieve --test suite -- --nocapture` says how many pass and why others do not.

use std::path::{Path, PathBuf};

use sieve::suite;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "svtest") {
            found.push(path);
        }
    }
}

fn run(file: &Path) -> suite::Verdict {
    let folder = file.parent().unwrap().to_owned();
    let text = std::fs::read(file).unwrap();
    suite::run(&text, &format!("{}/", folder.display()), &mut |path| std::fs::read(folder.join(path)).ok())
}

#[test]
fn our_own_suite_passes() {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/sieve"), &mut found);
    assert!(found.len() >= 5);
    for file in found {
        let verdict = run(&file);
        assert!(verdict.passed(), "{}: {verdict:#?}", file.display());
        assert!(!verdict.cases.is_empty(), "{}", file.display());
    }
}

/// Tells; it judges nothing but that there was something to run.
#[test]
fn another_suite_is_counted() {
    let Some(folder) = std::env::var_os("TEPUI_SVTEST") else { return };
    let mut found = Vec::new();
    files(Path::new(&folder), &mut found);
    let (mut cases, mut good, mut good_files) = (0, 0, 0);
    for file in &found {
        let verdict = run(file);
        cases += verdict.cases.len();
        good += verdict.cases.iter().filter(|case| case.failed.is_none()).count();
        good_files += usize::from(verdict.passed());
        verdict.error.iter().for_each(|error| println!("{}: {error}", file.display()));
        for case in verdict.cases.iter().filter(|case| case.failed.is_some()) {
            println!("{}: {}: {}", file.display(), case.name, case.failed.as_deref().unwrap_or_default());
        }
    }
    assert!(good > 0, "no case of {} files in {} passes", found.len(), Path::new(&folder).display());
    println!("{good_files} of {} files, {good} of {cases} cases that ran", found.len());
}

#[test]
fn a_failing_case_is_told() {
    let text = b"require \"vnd.dovecot.testsuite\"; test \"a\" { test_fail \"why\"; keep; } test \"b\" { keep; }";
    let verdict = suite::run(text, "/", &mut |_| None);
    assert_eq!(verdict.cases[0].failed.as_deref(), Some("why"));
    assert_eq!(verdict.cases[1].failed, None);
    assert!(!verdict.passed());
    assert!(!suite::run(b"nonsense;", "/", &mut |_| None).passed());
}

#[test]
fn what_the_runner_does_not_know_fails() {
    let run = |command: &str| {
        let text = format!("require \"vnd.dovecot.testsuite\"; test \"a\" {{ {command} }}");
        suite::run(text.as_bytes(), "/", &mut |_| None)
    };
    for (command, reason) in [
        ("test_config_set \"sieve_nonsense\" \"1\";", "the setting sieve_nonsense is not known"),
        ("test_config_unset \"sieve_nonsense\";", "the setting sieve_nonsense is not known"),
        ("test_imap_metadata_set \"/private/x\" \"y\";", "test_imap_metadata_set is not known"),
        ("test_mailbox_delete \"none\";", "there is no mailbox none"),
    ] {
        assert_eq!(run(command).cases[0].failed.as_deref(), Some(reason), "{command}");
    }
    assert!(run("test_config_set \"sieve_max_actions\" \"3\"; test_config_reload;").passed());
}

#[test]
fn a_setting_bounds_the_scripts_of_the_suite() {
    let text = b"require \"vnd.dovecot.testsuite\"; test \"a\" {
        test_config_set \"sieve_max_redirects\" \"1\";
        if not test_script_compile \"two\" { test_fail \"compile\"; }
        if test_script_run { test_fail \"two redirects\"; }
        test_config_unset \"sieve_max_redirects\";
        if not test_script_run { test_fail \"set back\"; }
    }";
    let verdict = suite::run(text, "/", &mut |_| Some(b"redirect \"a@b.test\"; redirect \"c@b.test\";".to_vec()));
    assert!(verdict.passed(), "{verdict:?}");
}
