//! The system calls of a durable delivery and nothing else: what a disk gives at most, to put a server's figures beside.
//!
//! A file is made in `tmp`, written, synced, renamed into `new`, and that folder is synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Args;

use crate::figures::{Samples, measure};

#[derive(Debug, Args)]
pub(crate) struct Bare {
    /// Where the folders are made; they stay
    folder: PathBuf,
    /// How many mailboxes there are
    #[arg(long, default_value_t = 1)]
    mailboxes: usize,
    /// How many threads at once
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// How many messages in all
    #[arg(long, default_value_t = 1000)]
    messages: usize,
    /// Octets of a message
    #[arg(long, default_value_t = 10_000)]
    size: usize,
}

impl Bare {
    pub(crate) fn run(&self) -> io::Result<()> {
        let mailboxes: Vec<PathBuf> = (0..self.mailboxes.max(1)).map(|at| self.folder.join(at.to_string())).collect();
        for mailbox in &mailboxes {
            fs::create_dir_all(mailbox.join("tmp"))?;
            fs::create_dir_all(mailbox.join("new"))?;
        }
        let (given, content) = (AtomicUsize::new(0), vec![b'x'; self.size]);
        let run = std::process::id();
        let each = |_, samples: &mut Samples| {
            loop {
                let number = given.fetch_add(1, Ordering::Relaxed);
                let Some(mailbox) = mailboxes.get(number % mailboxes.len()).filter(|_| number < self.messages) else {
                    return Ok(());
                };
                samples.time(|| keep(mailbox, &format!("{run}.{number}"), &content))?;
            }
        };
        measure(format!("bare calls, {} threads", self.connections), None, self.connections, 1, each)?.print()
    }
}

fn keep(mailbox: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let (draft, new) = (mailbox.join("tmp").join(name), mailbox.join("new"));
    let mut file = File::create_new(&draft)?;
    file.write_all(content)?;
    file.sync_data()?;
    fs::rename(&draft, new.join(name))?;
    File::open(new)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_whole_in_a_mailbox() {
        let folder = std::env::temp_dir().join(format!("tepui-bare-{}", std::process::id()));
        Bare { folder: folder.clone(), mailboxes: 3, connections: 2, messages: 10, size: 100 }.run().unwrap();
        let kept = |at: usize| fs::read_dir(folder.join(at.to_string()).join("new")).unwrap();
        let sizes: Vec<u64> = (0..3).flat_map(kept).map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(sizes, [100; 10]);
    }
}
