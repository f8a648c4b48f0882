//! What a literal8 may hold so that the mailbox can keep it (RFC 3516 §4.4): lines. Content is stored by lines, so a NUL, or a CR or
//! LF that ends none, would come back as something else.

/// Watches octets that stream by.
#[derive(Debug, Default)]
pub struct LineWatch {
    after_cr: bool,
    broken: bool,
}

impl LineWatch {
    pub fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.broken |= byte == 0 || self.after_cr != (byte == b'\n');
            self.after_cr = byte == b'\r';
        }
    }

    /// Whether it was nothing but lines, the last perhaps without its end.
    pub fn is_lines(&self) -> bool {
        !self.broken && !self.after_cr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_come_back_as_they_were() {
        for (text, expected) in [
            ("", true),
            ("a\r\nb", true),
            ("\r\n\r\n", true),
            ("a\nb", false),
            ("a\rb", false),
            ("a\r", false),
            ("\0", false),
            ("\r\r\n", false),
        ] {
            let mut watch = LineWatch::default();
            text.as_bytes().iter().for_each(|byte| watch.feed(&[*byte]));
            assert_eq!(watch.is_lines(), expected, "{text:?}");
        }
    }
}
