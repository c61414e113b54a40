//! Looks at the bytes of a request's head before hyper does: where it ends, and whether it is one that two servers might
//! read in two ways.
//!
//! hyper is as lenient as RFC 9112 allows: a lone LF ends a line, and of two framings one is taken. What is read in one way
//! here and in another way by a server before us is how requests are smuggled, so it is refused instead.

/// What was wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ambiguous {
    #[error("a line of the head ends with LF alone")]
    BareLf,
}

/// Where a look ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The head goes on after these bytes.
    Part,
    /// The head's last byte is before this place.
    End(usize),
    Wrong(Ambiguous),
}

/// How far a head has come.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The length of the line that has begun.
    line: usize,
    /// The last byte.
    last: u8,
    /// There was a line that is not empty: the next empty one ends the head.
    begun: bool,
}

impl Head {
    /// Looks at the next bytes of a head. After its end it is ready for another one.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Seen {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let before = if end > 0 { bytes[end - 1] } else { self.last };
            if before != b'\r' || self.line + end - start == 0 {
                return Seen::Wrong(Ambiguous::BareLf);
            }
            let is_empty = self.line + end - start == 1;
            self.line = 0;
            start = end + 1;
            if is_empty && self.begun {
                *self = Self::default();
                return Seen::End(start);
            }
            self.begun |= !is_empty;
        }
        self.line += bytes.len() - start;
        self.last = bytes.last().copied().unwrap_or(self.last);
        Seen::Part
    }

    /// Whether bytes of a head have come, and not all of it.
    pub(super) fn is_partial(&self) -> bool {
        self.begun || self.line > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    #[test]
    fn a_head_ends_at_its_first_empty_line_however_it_comes() {
        for cut in 0..PLAIN.len() {
            let (mut head, (first, second)) = (Head::default(), PLAIN.split_at(cut));
            assert_eq!(head.look(first), Seen::Part, "{cut}");
            assert_eq!(head.is_partial(), cut > 0);
            assert_eq!(head.look(second), Seen::End(second.len()), "{cut}");
            assert!(!head.is_partial());
        }
    }

    #[test]
    fn what_follows_the_head_is_not_looked_at() {
        let bytes = [PLAIN, b"body\nof\nlines"].concat();
        assert_eq!(Head::default().look(&bytes), Seen::End(PLAIN.len()));
    }

    #[test]
    fn empty_lines_before_the_request_line_are_no_head() {
        let bytes = [b"\r\n\r\n", PLAIN].concat();
        assert_eq!(Head::default().look(&bytes), Seen::End(bytes.len()));
    }

    #[test]
    fn a_line_feed_alone_ends_no_line() {
        for bytes in ["\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n"] {
            for cut in 0..bytes.len() {
                let (mut head, (first, second)) = (Head::default(), bytes.split_at(cut));
                let seen = match head.look(first.as_bytes()) {
                    Seen::Part => head.look(second.as_bytes()),
                    seen => seen,
                };
                assert_eq!(seen, Seen::Wrong(Ambiguous::BareLf), "{bytes:?} cut at {cut}");
            }
        }
    }
}
