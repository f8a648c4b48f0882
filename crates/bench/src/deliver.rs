//! Deliveries over persistent connections: by LMTP (RFC 2033) or SMTP, one message after the other on each.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;

use crate::figures::{Samples, measure};
use crate::wire::Wire;
use crate::{Target, Users};

/// A line of the messages' text with its end, in octets.
const LINE: &str = "The quick brown fox jumps over the lazy dog, and then once more over the same dog.\r\n";

#[derive(Debug, Args)]
pub(crate) struct Deliver {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    users: Users,
    /// SMTP instead of LMTP
    #[arg(long)]
    smtp: bool,
    /// How many connections at once
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How many messages in all
    #[arg(long, default_value_t = 1000)]
    messages: usize,
    /// How many recipients each has
    #[arg(long, default_value_t = 1)]
    recipients: usize,
    /// Octets of a message
    #[arg(long, default_value_t = 10_000)]
    size: usize,
    /// MAIL FROM
    #[arg(long, default_value = "sender@example.test")]
    sender: String,
}

impl Deliver {
    pub(crate) fn run(&self) -> io::Result<()> {
        let given = AtomicUsize::new(0);
        let each = |_, samples: &mut Samples| {
            let mut wire = self.greet()?;
            loop {
                let number = given.fetch_add(1, Ordering::Relaxed);
                if number >= self.messages {
                    wire.send(b"QUIT\r\n")?;
                    return wire.reply("221");
                }
                samples.time(|| self.deliver(&mut wire, number))?;
            }
        };
        let work = format!("deliveries, {} connections, {} recipients", self.connections, self.recipients);
        measure(work, self.target.pid, self.connections, 1, each)?.print()
    }

    fn greet(&self) -> io::Result<Wire> {
        let mut wire = Wire::connect(self.target.server)?;
        wire.reply("220")?;
        wire.send(if self.smtp { b"EHLO bench.test\r\n" } else { b"LHLO bench.test\r\n" })?;
        wire.reply("250")?;
        Ok(wire)
    }

    /// The envelope goes out in one piece (RFC 2920), the content once 354 has come.
    fn deliver(&self, wire: &mut Wire, number: usize) -> io::Result<()> {
        let first = number * self.recipients;
        let recipients =
            (first..first + self.recipients).map(|turn| format!("RCPT TO:<{}>\r\n", self.users.name(turn)));
        let envelope = format!("MAIL FROM:<{}>\r\n{}DATA\r\n", self.sender, recipients.collect::<String>());
        wire.send(envelope.as_bytes())?;
        for _ in 0..=self.recipients {
            wire.reply("250")?;
        }
        wire.reply("354")?;
        wire.send(self.content(number).as_bytes())?;
        // RFC 2033 §4.2: LMTP answers for each recipient.
        for _ in 0..if self.smtp { 1 } else { self.recipients } {
            wire.reply("250")?;
        }
        Ok(())
    }

    fn content(&self, number: usize) -> String {
        let header = format!(
            "From: <{}>\r\nTo: <list@example.test>\r\nSubject: message {number}\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\n\
             Message-ID: <{number}.{}@bench.test>\r\n\r\n",
            self.sender,
            std::process::id()
        );
        let lines = self.size.saturating_sub(header.len()).div_ceil(LINE.len());
        format!("{header}{}.\r\n", LINE.repeat(lines))
    }
}
