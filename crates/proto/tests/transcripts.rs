//! Replays every transcript of this folder's protocols, and cuts each after every byte.

use std::path::{Path, PathBuf};

use sim::stage::{smtp, smtp_client};
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
