//! Sends one message of our own through a submission server, as a mail program would.

use std::io;

use mail::envelope::{Body, Recipient};
use mail::{Address, Reply, ReversePath};
use proto::sasl::{Credentials, Mechanism};
use proto::smtp::Dialect;
use proto::smtp::client::{Answer, Ask, Client, ClientProfile, ClientTls, Job, Patience};

use super::remote;
use crate::driver::House;

/// Where to submit.
#[derive(Debug, Clone)]
pub struct Hop {
    pub host: String,
    pub port: u16,
}

/// Why a message was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    #[error("{0} is not an address")]
    Address(String),
    #[error("the login or password cannot be sent")]
    Credentials,
    #[error("refused: {0}")]
    Refused(Reply),
    #[error("the server gave no answer")]
    NoAnswer,
}

/// Submits a message over STARTTLS with AUTH. Gives the server's reply.
///
/// The certificate is not checked: this is for a server on the same machine.
///
/// # Errors
/// When it was not accepted for every recipient.
pub async fn submit(
    hop: &Hop,
    login: &str,
    password: &str,
    recipients: &[&str],
    content: &[u8],
) -> Result<Reply, SubmitError> {
    let address = |text: &str| Address::parse(text).map_err(|_| SubmitError::Address(text.to_owned()));
    let credentials = Credentials::new(Mechanism::Plain, login.as_bytes(), password.as_bytes())
        .map_err(|_| SubmitError::Credentials)?;
    let profile = ClientProfile {
        dialect: Dialect::Submission,
        helo: "localhost".to_owned(),
        tls: ClientTls::Opportunistic,
        credentials: Some(credentials),
        patience: Patience::default(),
    };
    let job = Job {
        reverse_path: ReversePath::Address(address(login)?),
        recipients: recipients.iter().map(|text| address(text).map(Recipient::new)).collect::<Result<_, _>>()?,
        size: content.len() as u64,
        body: Body::EightBitMime,
        smtputf8: false,
        envelope_id: None,
        return_headers_only: false,
        trace: None,
    };
    let mut house = OneMessage { job: Some(job), content, replies: Vec::new() };
    let mut connection = remote::connect(&hop.host, hop.port, ClientTls::Opportunistic).await?;
    remote::converse(&mut connection, profile, &mut house).await;
    match house.replies.iter().find(|reply| !reply.is_positive()).or(house.replies.first()) {
        Some(reply) if reply.is_positive() => Ok(reply.clone()),
        Some(reply) => Err(SubmitError::Refused(reply.clone())),
        None => Err(SubmitError::NoAnswer),
    }
}

struct OneMessage<'a> {
    job: Option<Job>,
    content: &'a [u8],
    replies: Vec<Reply>,
}

impl House<Client> for OneMessage<'_> {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::NextMessage => self.job.take().map_or(Answer::NoMore, Answer::Message),
            Ask::Content { offset } => match self.content.get(usize::try_from(offset).unwrap_or(usize::MAX)..) {
                Some(rest) if !rest.is_empty() => Answer::Bytes(rest.to_vec()),
                _ => Answer::ContentEnd,
            },
            Ask::Report(report) => {
                self.replies = report.outcomes.iter().map(|outcome| outcome.reply().clone()).collect();
                Answer::Go
            }
        }
    }
}
