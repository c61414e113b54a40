//! Where a request's body ends: what is behind it is another head, and is looked at like the first.
//!
//! hyper reads bodies, in larger pieces than they are long; it would take the next request's head with them. So the end is
//! found here, by the same rules and without their tolerance (RFC 9112 §7.1), and hyper is given nothing behind it.

/// A line between chunks at most, in bytes: a size, with what nobody reads.
const MAX_LINE: usize = 4096;
/// The trailers of a body at most, in bytes: as much as hyper reads.
const MAX_TRAILERS: usize = 16 * 1024;
/// What a body may have of bytes that are none of its content, in bytes, beyond a fair share of it.
const MAX_EXCESS: usize = 16 * 1024;

/// What was wrong with the framing of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadBody {
    #[error("a line between chunks does not end with CRLF")]
    Line,
    #[error("the size of a chunk is not a number")]
    Size,
    #[error("a line between chunks is longer than {MAX_LINE} bytes")]
    LongLine,
    #[error("a chunk is longer or shorter than its size")]
    End,
    #[error("the trailers are longer than {MAX_TRAILERS} bytes")]
    LongTrailers,
    #[error("the body is chunks more than content")]
    Excess,
}

/// How far a body has come.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none, or no more of it.
    #[default]
    None,
    /// So many bytes.
    Length(u64),
    Chunked(Box<Chunks>),
}

impl Framing {
    pub(super) fn of_length(length: u64) -> Self {
        if length == 0 { Self::None } else { Self::Length(length) }
    }

    pub(super) fn chunked() -> Self {
        Self::Chunked(Box::default())
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::None)
    }

    /// How many of the next bytes are the body's.
    ///
    /// # Errors
    /// When they cannot be.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, BadBody> {
        match self {
            Self::None => Ok(0),
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *self = Self::of_length(*left - taken as u64);
                Ok(taken)
            }
            Self::Chunked(chunks) => {
                let (taken, over) = chunks.take(bytes)?;
                if over {
                    *self = Self::None;
                }
                Ok(taken)
            }
        }
    }
}

/// A chunked body, and where it is.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chunks {
    at: At,
    /// The line that has begun, if not all of it has come.
    line: Vec<u8>,
    /// What is no content, beyond its share.
    excess: usize,
    trailers: usize,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    /// So many bytes of content are to come.
    Data(u64),
    /// The line's end behind the content.
    End,
    Trailers,
}

impl Chunks {
    /// How many of the next bytes are the body's, and whether it ends with them.
    fn take(&mut self, bytes: &[u8]) -> Result<(usize, bool), BadBody> {
        let mut start = 0;
        while start < bytes.len() {
            let rest = &bytes[start..];
            if let At::Data(left) = self.at {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                self.at = if taken as u64 == left { At::End } else { At::Data(left - taken as u64) };
                start += taken;
                continue;
            }
            let taken = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            self.line.extend_from_slice(&rest[..taken]);
            start += taken;
            self.check()?;
            if self.line.ends_with(b"\n") {
                let over = self.line()?;
                self.line.clear();
                if over {
                    return Ok((start, true));
                }
            }
        }
        Ok((start, false))
    }

    /// What can be said before a line is whole.
    fn check(&self) -> Result<(), BadBody> {
        match self.at {
            At::End if !b"\r\n".starts_with(&self.line) => Err(BadBody::End),
            At::Trailers if self.trailers + self.line.len() > MAX_TRAILERS => Err(BadBody::LongTrailers),
            At::Size if self.line.len() > MAX_LINE => Err(BadBody::LongLine),
            _ => Ok(()),
        }
    }

    /// One whole line; tells whether it was the body's last.
    fn line(&mut self) -> Result<bool, BadBody> {
        let Some(text) = self.line.strip_suffix(b"\r\n") else { return Err(BadBody::Line) };
        match self.at {
            At::Trailers => {
                self.trailers += self.line.len();
                return Ok(text.is_empty());
            }
            At::End => self.at = At::Size,
            At::Size | At::Data(_) => {
                let size = size(text)?;
                let share = usize::try_from(size).unwrap_or(usize::MAX).saturating_mul(2).saturating_add(16);
                self.excess = (self.excess + self.line.len()).saturating_sub(share);
                if self.excess > MAX_EXCESS {
                    return Err(BadBody::Excess);
                }
                self.at = if size == 0 { At::Trailers } else { At::Data(size) };
            }
        }
        Ok(false)
    }
}

/// The size in the line before a chunk. Whatever extends it is not looked at, but it may not hide a line's end.
fn size(line: &[u8]) -> Result<u64, BadBody> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at(digits);
    let spaces = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let extended = rest[spaces..].first().is_none_or(|byte| *byte == b';');
    if !extended || rest.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return Err(BadBody::Size);
    }
    // More digits are zeros, or the size of nothing: some servers count them, others do not.
    let text = std::str::from_utf8(digits).ok().filter(|text| text.len() <= 16);
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(BadBody::Size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes are the body's, when they come at once, byte by byte, and in two pieces; `None` if it goes on.
    fn taken(text: &str) -> Result<Option<usize>, BadBody> {
        let bytes = text.as_bytes();
        let whole = pieces(&[bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(pieces(&single), whole, "{text:?} byte by byte");
        for cut in 0..bytes.len() {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(pieces(&[first, second]), whole, "{text:?} cut at {cut}");
        }
        whole
    }

    fn pieces(pieces: &[&[u8]]) -> Result<Option<usize>, BadBody> {
        let mut framing = Framing::chunked();
        let mut sum = 0;
        for piece in pieces {
            sum += framing.take(piece)?;
            if framing.is_over() {
                return Ok(Some(sum));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_body_of_a_length_ends_there() {
        let mut framing = Framing::of_length(5);
        assert_eq!(framing.take(b"abc"), Ok(3));
        assert!(!framing.is_over());
        assert_eq!(framing.take(b"deGET"), Ok(2));
        assert!(framing.is_over() && Framing::of_length(0).is_over());
    }

    #[test]
    fn chunks_end_with_the_empty_line_behind_the_last() {
        for (body, rest) in [
            ("0\r\n\r\n", "GET"),
            ("5\r\nhello\r\n0\r\n\r\n", ""),
            ("5;a=b\r\nhello\r\nA \r\n0\r\n\r\n56789\r\n0\r\n\r\n", "0\r\n\r\n"),
            ("0005\r\nhello\r\n00\r\nA: b\r\nB: c\r\n\r\n", "\r\n"),
            ("5 ; a=\"b\r\nhello\r\n0\r\n\r\n", "x"),
        ] {
            assert_eq!(taken(&format!("{body}{rest}")), Ok(Some(body.len())), "{body:?}");
        }
        assert_eq!(taken("5\r\nhello\r\n0\r\n"), Ok(None));
    }

    #[test]
    fn odd_chunks_are_refused() {
        for (body, wrong) in [
            ("0x5\r\nhello\r\n0\r\n\r\n", BadBody::Size),
            ("+5\r\nhello\r\n", BadBody::Size),
            ("-1\r\n", BadBody::Size),
            (" 5\r\nhello\r\n", BadBody::Size),
            ("5 5\r\nhello\r\n", BadBody::Size),
            ("\r\nhello", BadBody::Size),
            (";a\r\n", BadBody::Size),
            ("00000000000000005\r\nhello\r\n", BadBody::Size),
            ("10000000000000000\r\n", BadBody::Size),
            ("5;a\rb\r\nhello\r\n", BadBody::Size),
            ("5;a\0b\r\nhello\r\n", BadBody::Size),
            ("5\rhello\r\n", BadBody::Size),
            ("5\nhello\r\n", BadBody::Line),
            ("5;a\nhello\r\n", BadBody::Line),
            ("5\r\nhello0\r\n\r\n", BadBody::End),
            ("5\r\nhello\n0\r\n\r\n", BadBody::End),
            ("5\r\nhelloX\r\n", BadBody::End),
            ("5\r\nhello\r\n0\r\nA: b\n\r\n", BadBody::Line),
            ("5\r\nhello\r\n0\r\n\n", BadBody::Line),
        ] {
            assert_eq!(taken(body), Err(wrong), "{body:?}");
        }
    }

    #[test]
    fn what_is_no_content_has_bounds() {
        let one = |text: String| pieces(&[text.as_bytes()]);
        assert_eq!(one(format!("5;{}", "a".repeat(MAX_LINE))), Err(BadBody::LongLine));
        assert_eq!(one(format!("0\r\nA: {}", "a".repeat(MAX_TRAILERS))), Err(BadBody::LongTrailers));
        assert_eq!(one(format!("1;{}\r\nx\r\n", "a".repeat(2000)).repeat(9)), Err(BadBody::Excess));
        assert_eq!(one("1\r\nx\r\n".repeat(100_000)), Ok(None), "small chunks alone are nobody's fault");
    }
}
