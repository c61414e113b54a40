//! W3C trace context: who traces a request, and by which id. Source: W3C, Trace Context, level 1.

use std::fmt::Write;

use gateway_sdk::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A span among its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) is_sampled: bool,
}

impl Context {
    /// What a caller says of itself; `None` if it says nothing, or nothing that is right.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value.to_str().ok()?),
            _ => None,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let [version] = bytes(parts.next()?)?;
        let (trace, span) = (bytes(parts.next()?)?, bytes(parts.next()?)?);
        let [flags] = bytes(parts.next()?)?;
        // Versions to come may say more, after these.
        let is_right = version != 0xff && (version > 0 || parts.next().is_none());
        let is_none = trace == [0; 16] || span == [0; 8];
        (is_right && !is_none).then_some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }

    pub(super) fn header(&self) -> Option<HeaderValue> {
        let Self { trace, span, is_sampled } = self;
        let flags = u8::from(*is_sampled);
        HeaderValue::try_from(format!("00-{}-{}-{flags:02x}", hex(trace), hex(span))).ok()
    }
}

/// Two lower-case digits for each byte, and no more.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N || digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut bytes = [0; N];
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_written_as_it_was_read() {
        let context = Context::parse(RIGHT).expect("a context");
        assert!(context.is_sampled);
        assert_eq!(context.header().expect("a header"), RIGHT);
        let later = Context::parse(&format!("cc{}-more", &RIGHT[2..])).expect("a later version");
        assert_eq!(later, context);
    }

    #[test]
    fn what_is_not_right_is_nothing() {
        let zeros = "00-00000000000000000000000000000000-b7ad6b7169203331-01";
        let upper = RIGHT.to_uppercase();
        for wrong in ["", "00", &RIGHT[..54], &format!("{RIGHT}-x"), &format!("ff{}", &RIGHT[2..]), zeros, &upper] {
            assert_eq!(Context::parse(wrong), None, "{wrong}");
        }
        let mut twice = HeaderMap::new();
        twice.append(TRACEPARENT, HeaderValue::from_static(RIGHT));
        assert!(Context::of(&twice).is_some());
        twice.append(TRACEPARENT, HeaderValue::from_static(RIGHT));
        assert_eq!(Context::of(&twice), None);
    }
}
