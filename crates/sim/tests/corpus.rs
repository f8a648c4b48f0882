//! Replays every seed and every kept finding of the fuzz targets, on the stable compiler.

use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        body(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{}: no seeds", folder.display());
}

#[test]
fn smtp_sessions_keep_their_promises_on_every_seed() {
    replay("smtp_session", sim::fuzz::smtp);
}

#[test]
fn imap_sessions_keep_their_promises_on_every_seed() {
    replay("imap_command", sim::fuzz::imap);
}

#[test]
fn managesieve_sessions_keep_their_promises_on_every_seed() {
    replay("managesieve_session", sim::fuzz::managesieve);
}

#[test]
fn pop3_sessions_keep_their_promises_on_every_seed() {
    replay("pop3_session", sim::fuzz::pop3);
}

#[test]
fn signatures_and_keys_are_judged_on_every_seed() {
    replay("dkim_fields", sim::fuzz::dkim);
}

#[test]
fn sieve_scripts_are_judged_on_every_seed() {
    replay("sieve_script", sim::fuzz::sieve_script);
}

#[test]
fn sieve_runs_lose_nothing_on_every_seed() {
    replay("sieve_run", sim::fuzz::sieve_run);
}
