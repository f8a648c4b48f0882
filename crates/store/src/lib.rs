//! Accounts and mailboxes on a Maildir++ tree. Blocking; knows no network.
