//! `dovecot-quota`, a file of Dovecot's `dict:file`: a key on one line, its value on the next, in no order.
//!
//! ```text
//! priv/quota/storage
//! 20132
//! priv/quota/messages
//! 4
//! ```
//!
//! Keys of others stay, as they do when Dovecot writes it. A line without its end was torn by a crash and counts as
//! missing, as it does for Dovecot. Pure.

use super::Amount;

/// So much of the file is read: our keys, and those of others who keep something there.
pub(super) const LENGTH_MAX: usize = 64 << 10;

const STORAGE: &[u8] = b"priv/quota/storage";
const MESSAGES: &[u8] = b"priv/quota/messages";

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DictFile {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl DictFile {
    pub(super) fn parse(content: &[u8]) -> DictFile {
        let mut lines = content.split_inclusive(|&byte| byte == b'\n').map_while(|line| line.strip_suffix(b"\n"));
        let mut pairs = Vec::new();
        while let (Some(key), Some(value)) = (lines.next(), lines.next()) {
            pairs.push((key.to_vec(), value.to_vec()));
        }
        DictFile { pairs }
    }

    /// `None` when one of the two is missing or no number.
    pub(super) fn amount(&self) -> Option<Amount> {
        Some(Amount { storage: self.number(STORAGE)?, messages: self.number(MESSAGES)? })
    }

    pub(super) fn set(&mut self, amount: Amount) {
        for (key, value) in [(STORAGE, amount.storage), (MESSAGES, amount.messages)] {
            let value = value.to_string().into_bytes();
            match self.pairs.iter_mut().rfind(|(known, _)| known == key) {
                Some((_, old)) => *old = value,
                None => self.pairs.push((key.to_vec(), value)),
            }
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        self.pairs.iter().flat_map(|(key, value)| [key.as_slice(), b"\n", value, b"\n"].concat()).collect()
    }

    /// Of a key that is there twice the last value counts, as in Dovecot.
    fn number(&self, key: &[u8]) -> Option<i64> {
        let (_, value) = self.pairs.iter().rfind(|(known, _)| known == key)?;
        std::str::from_utf8(value).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_are_read_and_foreign_keys_stay() {
        let mut file = DictFile::parse(b"priv/quota/messages\n4\npriv/x\ny z\npriv/quota/storage\n20132\n");
        assert_eq!(file.amount(), Some(Amount { storage: 20132, messages: 4 }));
        file.set(Amount { storage: 7, messages: -1 });
        assert_eq!(file.encode(), b"priv/quota/messages\n-1\npriv/x\ny z\npriv/quota/storage\n7\n");
    }

    #[test]
    fn what_a_crash_tore_is_missing() {
        for torn in [
            &b""[..],
            b"priv/quota/storage\n20132\n",
            b"priv/quota/storage\n20132\npriv/quota/messages\n4",
            b"priv/quota/messages\n4\npriv/quota/storage\n201",
            b"priv/quota/messages\n4\npriv/quota/storage\n20\0\0\0\n",
            b"priv/quota/messages\n4\npriv/quota/storage\n99999999999999999999\n",
        ] {
            assert_eq!(DictFile::parse(torn).amount(), None, "{torn:?}");
        }
        let mut file = DictFile::parse(b"priv/quota/storage\n201");
        file.set(Amount { storage: 5, messages: 1 });
        assert_eq!(file.encode(), b"priv/quota/storage\n5\npriv/quota/messages\n1\n");
    }
}
