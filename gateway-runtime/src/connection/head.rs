//! Looks at the bytes of a request's head before hyper does: where it ends, how its body is framed, and whether it is one
//! that two servers might read in two ways.
//!
//! hyper is as lenient as RFC 9112 allows: a lone LF ends a line, and of two framings one is taken. What is read in one way
//! here and in another way by a server before us is how requests are smuggled, so it is refused instead. What hyper
//! refuses by itself (names and values with wrong bytes, folded lines, wrong methods) is left to it.

use super::body::Framing;

/// The fields of a head at most: as many as hyper reads.
const MAX_FIELDS: usize = 100;

/// What was wrong with a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadHead {
    #[error("a line of the head ends with LF alone")]
    BareLf,
    #[error("the request line does not end with the version of HTTP")]
    NoVersion,
    #[error("the version of HTTP is neither 1.0 nor 1.1")]
    Version,
    #[error("the target is neither a path nor a URL")]
    Target,
    #[error("the target asks for a tunnel")]
    Tunnel,
    #[error("a line of the head begins with a space")]
    Folded,
    #[error("the head has a second `Content-Length`")]
    SecondLength,
    #[error("`Content-Length` is not a number")]
    Length,
    #[error("the head has both `Content-Length` and `Transfer-Encoding`")]
    TwoFramings,
    #[error("`Transfer-Encoding` is not `chunked` alone")]
    Encoding,
    #[error("`Transfer-Encoding` in HTTP/1.0")]
    OldEncoding,
    #[error("the head has no `Host`")]
    NoHost,
    #[error("the head has a second `Host`")]
    SecondHost,
    #[error("`Host` is not a name or an address, with or without a port")]
    Host,
    #[error("the target is longer than `max_request_header_size` allows")]
    LongTarget,
    #[error("the head is longer than `max_request_header_size` allows")]
    TooLong,
    #[error("the head has more than {MAX_FIELDS} fields")]
    TooMany,
}

/// Where a look ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The head goes on after these bytes.
    Part,
    /// The head's last byte is before this place, and what follows is framed so.
    End(usize, Framing),
    Wrong(BadHead),
}

/// How far a head has come.
#[derive(Debug)]
pub(super) struct Head {
    /// In bytes, of a whole head.
    limit: usize,
    /// The line that has begun, if not all of it has come.
    line: Vec<u8>,
    facts: Facts,
}

/// What the lines of a head have said so far.
#[derive(Debug, Default)]
struct Facts {
    /// In bytes, of whole lines.
    length: usize,
    /// There was a request line: the next empty one ends the head.
    begun: bool,
    old: bool,
    fields: usize,
    host: bool,
    body: Option<u64>,
    chunked: bool,
}

impl Head {
    /// Looks at heads of up to so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, line: Vec::new(), facts: Facts::default() }
    }

    /// Looks at the next bytes of a head. After its end it is ready for another one.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Seen {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let next = end + 1;
            let line = &bytes[start..next];
            let whole = if self.line.is_empty() { self.facts.line(line) } else { self.join(line) };
            start = next;
            match whole {
                Ok(None) if self.facts.length > self.limit => return Seen::Wrong(self.too_long()),
                Ok(None) => {}
                Ok(Some(_)) if self.facts.length > self.limit => return Seen::Wrong(BadHead::TooLong),
                Ok(Some(framing)) => {
                    self.facts = Facts::default();
                    return Seen::End(start, framing);
                }
                Err(wrong) => return Seen::Wrong(wrong),
            }
        }
        if start < bytes.len() {
            self.line.extend_from_slice(&bytes[start..]);
        }
        if self.facts.length + self.line.len() > self.limit {
            return Seen::Wrong(self.too_long());
        }
        Seen::Part
    }

    /// A line that came in pieces.
    #[cold]
    fn join(&mut self, rest: &[u8]) -> Result<Option<Framing>, BadHead> {
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(rest);
        self.facts.line(&line)
    }

    #[cold]
    fn too_long(&self) -> BadHead {
        // If nothing has come behind the request line, that alone is too long.
        let is_behind = self.facts.begun && (self.facts.fields > 0 || !self.line.is_empty());
        if is_behind { BadHead::TooLong } else { BadHead::LongTarget }
    }

    /// Whether bytes of a head have come, and not all of it.
    pub(super) fn is_partial(&self) -> bool {
        self.facts.begun || !self.line.is_empty()
    }
}

impl Facts {
    /// One line with its end; gives how the body is framed if it was the last.
    fn line(&mut self, line: &[u8]) -> Result<Option<Framing>, BadHead> {
        let [text @ .., b'\r', b'\n'] = line else { return Err(BadHead::BareLf) };
        self.length += line.len();
        if text.is_empty() {
            return if self.begun { self.end().map(Some) } else { Ok(None) };
        }
        if !self.begun {
            self.begun = true;
            self.old = request_line(text)?;
            return Ok(None);
        }
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(BadHead::TooMany);
        }
        // What it may be is told by where its colon is: nearly no line gets further.
        match text {
            [b'H' | b'h', b'o' | b'O', b's' | b'S', b't' | b'T', b':', value @ ..] => self.host(trim(value))?,
            [b'C' | b'c', ..] if text.get(14) == Some(&b':') => {
                if let Some(value) = value_of(text, b"content-length") {
                    self.content_length(value)?;
                }
            }
            [b'T' | b't', ..] if text.get(17) == Some(&b':') => {
                if let Some(value) = value_of(text, b"transfer-encoding") {
                    self.transfer_encoding(value)?;
                }
            }
            [b' ' | b'\t', ..] => return Err(BadHead::Folded),
            _ => {}
        }
        Ok(None)
    }

    fn end(&self) -> Result<Framing, BadHead> {
        if !self.host && !self.old {
            return Err(BadHead::NoHost);
        }
        match (self.body, self.chunked) {
            (None, false) => Ok(Framing::None),
            (Some(length), false) => Ok(Framing::of_length(length)),
            (None, true) if self.old => Err(BadHead::OldEncoding),
            (None, true) => Ok(Framing::chunked()),
            (Some(_), true) => Err(BadHead::TwoFramings),
        }
    }

    /// Source: RFC 9112 §6.3, RFC 9110 §8.6.
    fn content_length(&mut self, value: &[u8]) -> Result<(), BadHead> {
        // More digits are no length of anything; with fewer, no sum of ours can overflow.
        if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
            return Err(BadHead::Length);
        }
        let length = value.iter().fold(0, |length, digit| length * 10 + u64::from(digit - b'0'));
        if self.body.replace(length).is_some() { Err(BadHead::SecondLength) } else { Ok(()) }
    }

    /// Source: RFC 9112 §6.1, §7.
    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), BadHead> {
        let again = std::mem::replace(&mut self.chunked, true);
        if again || !value.eq_ignore_ascii_case(b"chunked") { Err(BadHead::Encoding) } else { Ok(()) }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), BadHead> {
        if std::mem::replace(&mut self.host, true) {
            return Err(BadHead::SecondHost);
        }
        if is_host(value) { Ok(()) } else { Err(BadHead::Host) }
    }
}

/// The value of a field, if it has this name.
fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (first, rest) = line.split_at_checked(name.len())?;
    let value = rest.strip_prefix(b":")?;
    first.eq_ignore_ascii_case(name).then(|| trim(value))
}

/// Without spaces and tabs at its ends, and nothing else.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether a request line is one of HTTP/1.0. Source: RFC 9112 §3.
fn request_line(line: &[u8]) -> Result<bool, BadHead> {
    let (line, old) = match line.split_last_chunk() {
        Some((line, b" HTTP/1.1")) => (line, false),
        Some((line, b" HTTP/1.0")) => (line, true),
        _ => return Err(no_version(line)),
    };
    // A method is so short that a search by vectors costs more.
    let Some(space) = line.iter().position(|byte| *byte == b' ') else { return Err(BadHead::Target) };
    let target = &line[space + 1..];
    if target.first() != Some(&b'/') {
        other_target(&line[..space], target)?;
    }
    if target.contains(&b'#') { Err(BadHead::Target) } else { Ok(old) }
}

#[cold]
fn no_version(line: &[u8]) -> BadHead {
    match line {
        [.., b' ', b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => BadHead::Version,
        _ => BadHead::NoVersion,
    }
}

/// A target that is not a path. Source: RFC 9112 §3.2.
#[cold]
fn other_target(method: &[u8], target: &[u8]) -> Result<(), BadHead> {
    let scheme = |scheme: &[u8]| {
        let (first, rest) = target.split_at_checked(scheme.len())?;
        first.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    if let Some(rest) = scheme(b"http://").or_else(|| scheme(b"https://")) {
        let authority = rest.split(|byte| b"/?#".contains(byte)).next().unwrap_or_default();
        return if !authority.is_empty() && is_host(authority) { Ok(()) } else { Err(BadHead::Target) };
    }
    match method {
        b"CONNECT" => Err(BadHead::Tunnel),
        b"OPTIONS" if target == b"*" => Ok(()),
        _ => Err(BadHead::Target),
    }
}

/// Whether these are a name or an address, with or without a port, or nothing. Source: RFC 9110 §7.2, RFC 3986 §3.2.2.
fn is_host(value: &[u8]) -> bool {
    let Some(end) = value.iter().position(|byte| !OF_NAMES[usize::from(*byte)]) else { return true };
    match &value[end..] {
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        [b'[', ..] if end == 0 => is_literal(value),
        _ => false,
    }
}

/// An IPv6 address in brackets, with or without a port.
#[cold]
fn is_literal(value: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b']', value) else { return false };
    let port = match &value[end + 1..] {
        [] => true,
        [b':', port @ ..] => port.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    let address = std::str::from_utf8(&value[1..end]).unwrap_or_default();
    port && address.parse::<std::net::Ipv6Addr>().is_ok()
}

/// The bytes of a registered name: `unreserved`, `sub-delims`, and escapes.
static OF_NAMES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-._~%!$&'()*+,;=";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn head() -> Head {
        Head::new(64 * 1024)
    }

    /// What is seen of it when it comes at once, and in two pieces however they are cut.
    fn seen(text: &str) -> Result<Framing, BadHead> {
        let whole = match head().look(text.as_bytes()) {
            Seen::End(length, framing) => {
                assert_eq!(length, text.len(), "{text:?}");
                Ok(framing)
            }
            Seen::Wrong(wrong) => Err(wrong),
            Seen::Part => panic!("not whole: {text:?}"),
        };
        for cut in 0..text.len() {
            let (mut head, (first, second)) = (head(), text.as_bytes().split_at(cut));
            let seen = match head.look(first) {
                Seen::Part => head.look(second),
                seen => seen,
            };
            match (&whole, seen) {
                (Ok(framing), Seen::End(length, other)) => assert_eq!((length, &other), (second.len(), framing)),
                (Err(wrong), Seen::Wrong(other)) => assert_eq!(*wrong, other, "{text:?} cut at {cut}"),
                (whole, seen) => panic!("{whole:?} and {seen:?} of {text:?} cut at {cut}"),
            }
        }
        whole
    }

    fn with(fields: &str) -> Result<Framing, BadHead> {
        seen(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"))
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line_however_it_comes() {
        for cut in 0..PLAIN.len() {
            let (mut head, (first, second)) = (head(), PLAIN.split_at(cut));
            assert_eq!(head.look(first), Seen::Part, "{cut}");
            assert_eq!(head.is_partial(), cut > 0);
            assert_eq!(head.look(second), Seen::End(second.len(), Framing::None), "{cut}");
            assert!(!head.is_partial());
        }
    }

    #[test]
    fn what_follows_the_head_is_not_looked_at() {
        let bytes = [PLAIN, b"body\nof\nlines"].concat();
        assert_eq!(head().look(&bytes), Seen::End(PLAIN.len(), Framing::None));
    }

    #[test]
    fn empty_lines_before_the_request_line_are_no_head() {
        let bytes = [b"\r\n\r\n", PLAIN].concat();
        assert_eq!(head().look(&bytes), Seen::End(bytes.len(), Framing::None));
    }

    #[test]
    fn a_line_feed_alone_ends_no_line() {
        for text in ["\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\nHost: a\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\n"] {
            assert_eq!(seen(text), Err(BadHead::BareLf), "{text:?}");
        }
    }

    #[test]
    fn a_body_has_one_framing() {
        assert_eq!(with(""), Ok(Framing::None));
        assert_eq!(with("content-LENGTH:\t 12 \r\n"), Ok(Framing::of_length(12)));
        assert_eq!(with("Transfer-Encoding: Chunked\r\n"), Ok(Framing::chunked()));
        for (fields, wrong) in [
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", BadHead::TwoFramings),
            ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", BadHead::TwoFramings),
            ("Content-Length: 5\r\ncontent-length: 5\r\n", BadHead::SecondLength),
            ("Content-Length: 5, 5\r\n", BadHead::Length),
            ("Content-Length: +5\r\n", BadHead::Length),
            ("Content-Length: -5\r\n", BadHead::Length),
            ("Content-Length: 0x5\r\n", BadHead::Length),
            ("Content-Length: 5 5\r\n", BadHead::Length),
            ("Content-Length:\r\n", BadHead::Length),
            ("Content-Length: 1000000000000000000\r\n", BadHead::Length),
            ("Content-Length: 5\x0b\r\n", BadHead::Length),
            ("Transfer-Encoding: gzip, chunked\r\n", BadHead::Encoding),
            ("Transfer-Encoding: identity\r\n", BadHead::Encoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", BadHead::Encoding),
            ("Transfer-Encoding: \x0bchunked\r\n", BadHead::Encoding),
            ("Transfer-Encoding: chunked;q=1\r\n", BadHead::Encoding),
            (" folded\r\n", BadHead::Folded),
            ("\tfolded\r\n", BadHead::Folded),
        ] {
            assert_eq!(with(fields), Err(wrong), "{fields:?}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(seen(old), Err(BadHead::OldEncoding));
    }

    #[test]
    fn there_is_one_host_and_it_names_nothing_else() {
        let host = |value: &str| seen(&format!("GET / HTTP/1.1\r\nHost:{value}\r\n\r\n"));
        for value in ["", " a", " a.b:80", " 10.0.0.1", " [::1]", " [::1]:80", " a_b", " xn--e1afmkfd", " a:"] {
            assert_eq!(host(value), Ok(Framing::None), "{value:?}");
        }
        for value in [
            " u@a", " a/b", " a b", " a:b", " a:80:80", " a?b", " a\\b", " [::1", " [x]", " [::1]80", " é", " a\x0b",
            " <a>", " a#b",
        ] {
            assert_eq!(host(value), Err(BadHead::Host), "{value:?}");
        }
        assert_eq!(seen("GET / HTTP/1.1\r\n\r\n"), Err(BadHead::NoHost));
        assert_eq!(seen("GET / HTTP/1.0\r\n\r\n"), Ok(Framing::None));
        assert_eq!(with("host: a\r\n"), Err(BadHead::SecondHost));
    }

    #[test]
    fn a_target_is_a_path_or_a_url() {
        let of = |line: &str| seen(&format!("{line}\r\nHost: a\r\n\r\n"));
        for line in ["GET /x", "GET //x", "GET http://b/x", "GET HTTPS://b", "GET http://[::1]:8/", "OPTIONS *"] {
            assert_eq!(of(&format!("{line} HTTP/1.1")), Ok(Framing::None), "{line:?}");
        }
        for line in ["GET a:80", "GET *", "GET x", "GET http:/x", "GET http:///x", "GET http://u@b/", "GET /a#b", "GET"]
        {
            assert_eq!(of(&format!("{line} HTTP/1.1")), Err(BadHead::Target), "{line:?}");
        }
        assert_eq!(of("CONNECT a:80 HTTP/1.1"), Err(BadHead::Tunnel));
        for (line, wrong) in [
            ("GET /", BadHead::NoVersion),
            ("GET / HTTP/1.1 ", BadHead::NoVersion),
            ("GET / http/1.1", BadHead::NoVersion),
            ("GET / HTTP/1.2", BadHead::Version),
            ("GET / HTTP/2.0", BadHead::Version),
        ] {
            assert_eq!(of(line), Err(wrong), "{line:?}");
        }
    }

    #[test]
    fn a_head_has_its_bounds() {
        let fields = |count: usize| "A: b\r\n".repeat(count);
        assert_eq!(with(&fields(MAX_FIELDS - 1)), Ok(Framing::None));
        assert_eq!(with(&fields(MAX_FIELDS)), Err(BadHead::TooMany));
        let small = |text: String| Head::new(100).look(text.as_bytes());
        let target = |length: usize| format!("GET /{} HTTP/1.1\r\n", "x".repeat(length));
        assert_eq!(small(target(85)), Seen::Wrong(BadHead::LongTarget));
        assert_eq!(small("x".repeat(101)), Seen::Wrong(BadHead::LongTarget));
        assert_eq!(small(format!("{}Host: a\r\nx", target(50))), Seen::Part);
        assert_eq!(small(format!("{}Host: a\r\nA: {}", target(50), "x".repeat(50))), Seen::Wrong(BadHead::TooLong));
        assert_eq!(small(format!("{}Host: a\r\nA: {}\r\n", target(50), "x".repeat(50))), Seen::Wrong(BadHead::TooLong));
    }
}
