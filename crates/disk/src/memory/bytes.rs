//! The content of one file: what is read now, what the platter holds, and the edits between the two.

use super::random::Random;

#[derive(Debug, Clone, Default)]
pub(super) struct Bytes {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Edit>,
}

#[derive(Debug, Clone)]
enum Edit {
    Write { offset: usize, bytes: Vec<u8> },
    Cut(usize),
}

impl Bytes {
    pub(super) fn current(&self) -> &[u8] {
        &self.current
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.edit(Edit::Write { offset: self.current.len(), bytes: bytes.to_vec() });
    }

    /// Writes where the writer believes the end to be, as an NFS client must: the protocol cannot append.
    pub(super) fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        self.edit(Edit::Write { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn cut(&mut self, len: usize) {
        self.edit(Edit::Cut(len));
    }

    pub(super) fn sync(&mut self) {
        for edit in self.pending.drain(..) {
            edit.apply(&mut self.durable);
        }
    }

    /// What a failed sync does on Linux: the pages count as clean, stay readable, and no later sync writes them.
    pub(super) fn forget_unsynced(&mut self) {
        self.pending.clear();
    }

    /// Loses what was not synced.
    pub(super) fn lose_unsynced(&mut self) {
        self.pending.clear();
        self.current.clone_from(&self.durable);
    }

    /// Loses what comes after some edit, and that edit in part: its end is missing, or zeros where the size reached
    /// the disk and the content did not.
    pub(super) fn lose_some(&mut self, random: &mut Random) {
        let kept = random.up_to(self.pending.len());
        let mut rest = self.pending.split_off(kept).into_iter();
        self.sync();
        if let Some(Edit::Write { offset, mut bytes }) = rest.next() {
            let whole = random.up_to(bytes.len());
            if random.coin() {
                bytes.iter_mut().skip(whole).for_each(|byte| *byte = 0);
            } else {
                bytes.truncate(whole);
            }
            Edit::Write { offset, bytes }.apply(&mut self.durable);
        }
        self.lose_unsynced();
    }

    fn edit(&mut self, edit: Edit) {
        edit.apply(&mut self.current);
        self.pending.push(edit);
    }
}

impl Edit {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Edit::Write { offset, bytes } => {
                // A hole is what remains where an earlier edit was forgotten.
                content.resize(content.len().max(offset + bytes.len()), 0);
                content[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Edit::Cut(len) => content.resize(*len, 0),
        }
    }
}
