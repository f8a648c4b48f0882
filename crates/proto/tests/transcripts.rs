//! Replays every transcript of this folder's protocols, and cuts each after every byte.

use std::path::{Path, PathBuf};

use sim::stage::{managesieve, pop3, smtp, smtp_client};
use sim::transcript::{cut_folder, replay_folder};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

#[test]
fn smtp_servers_follow_their_transcripts() {
    replay_folder(&smtp::Smtp, &folder("smtp"));
}

#[test]
fn smtp_servers_abandon_content_when_the_client_vanishes() {
    cut_folder(&smtp::Smtp, &folder("smtp"), smtp::judge);
}

#[test]
fn lmtp_servers_follow_their_transcripts() {
    replay_folder(&smtp::Smtp, &folder("lmtp"));
}

#[test]
fn lmtp_servers_abandon_content_when_the_client_vanishes() {
    cut_folder(&smtp::Smtp, &folder("lmtp"), smtp::judge);
}

#[test]
fn smtp_clients_follow_their_transcripts() {
    replay_folder(&smtp_client::SmtpClient, &folder("smtp-client"));
}

#[test]
fn smtp_clients_report_every_message_when_the_server_vanishes() {
    cut_folder(&smtp_client::SmtpClient, &folder("smtp-client"), smtp_client::judge);
}

#[test]
fn pop3_servers_follow_their_transcripts() {
    replay_folder(&pop3::Pop3, &folder("pop3"));
}

#[test]
fn pop3_servers_remove_nothing_when_the_client_vanishes() {
    cut_folder(&pop3::Pop3, &folder("pop3"), pop3::judge);
}

#[test]
fn managesieve_servers_follow_their_transcripts() {
    replay_folder(&managesieve::ManageSieve, &folder("managesieve"));
}

#[test]
fn managesieve_servers_end_when_the_client_vanishes() {
    cut_folder(&managesieve::ManageSieve, &folder("managesieve"), |_| Ok(()));
}
