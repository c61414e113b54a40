//! An answer as it is kept: base64 of an HTTP/1.1 message, `|`, and when it is over, in seconds since 1970. Source:
//! gateway.md §5.13.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use gateway_sdk::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use gateway_sdk::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// More headers than an answer has.
const HEADERS: usize = 256;

/// Writes an answer that is over at `ends`.
pub(super) fn written(response: &Response, body: &[u8], ends: i64) -> Bytes {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or("status");
    let mut message = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in response.headers() {
        message.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    if !response.headers().contains_key(CONTENT_LENGTH) && !body.is_empty() {
        message.extend(format!("content-length: {}\r\n", body.len()).into_bytes());
    }
    message.extend(b"\r\n");
    message.extend(body);
    let mut text = BASE64_STANDARD.encode(message);
    text.push('|');
    text.push_str(&ends.to_string());
    text.into()
}

/// Reads an answer that is not over yet at `now`. What others have written in another way, and what is no answer, is none.
pub(super) fn read(text: &[u8], now: i64, to_head: bool) -> Option<Response> {
    let (message, ends) = std::str::from_utf8(text).ok()?.split_once('|')?;
    if ends.parse::<i64>().ok()? < now {
        return None;
    }
    let message = Bytes::from(BASE64_STANDARD.decode(message).ok()?);
    let mut fields = [httparse::EMPTY_HEADER; HEADERS];
    let mut head = httparse::Response::new(&mut fields);
    let length = match head.parse(&message).ok()? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return None,
    };
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for field in &*head.headers {
        headers.append(field.name.parse::<HeaderName>().ok()?, HeaderValue::from_bytes(field.value).ok()?);
    }
    let status = StatusCode::from_u16(head.code?).ok()?;
    let body = message.slice(length..);
    let bodiless = to_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let said = headers.get(CONTENT_LENGTH).map(|length| length.as_bytes() == body.len().to_string().as_bytes());
    if headers.contains_key(TRANSFER_ENCODING) || (!bodiless && said == Some(false)) {
        return None;
    }
    let mut response = Response::new(status).with_body(body);
    *response.headers_mut() = headers;
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Response {
        let mut response = Response::new(StatusCode::CREATED).with_body("kept");
        response.headers_mut().append("set-cookie", HeaderValue::from_static("a=1"));
        response.headers_mut().append("set-cookie", HeaderValue::from_static("b=2"));
        response
    }

    #[test]
    fn what_was_written_is_read_until_it_is_over() {
        let text = written(&answer(), b"kept", 100);
        assert!(text.ends_with(b"|100"));
        let read_back = read(&text, 100, false).expect("an answer");
        assert_eq!(read_back.status(), StatusCode::CREATED);
        assert_eq!(read_back.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(read_back.body().buffered().as_deref(), Some(&b"kept"[..]));
        assert!(read(&text, 101, false).is_none());
    }

    /// Source: Tyk, `gateway/res_cache.go`: Go writes a response of unknown length in chunks.
    #[test]
    fn what_is_no_answer_is_none() {
        let encoded = |message: &str| format!("{}|100", BASE64_STANDARD.encode(message));
        let good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        assert!(read(encoded(good).as_bytes(), 1, false).is_some());
        for text in [
            String::new(),
            "|100".to_owned(),
            BASE64_STANDARD.encode(good),
            format!("{}|never", BASE64_STANDARD.encode(good)),
            format!("{}!|100", BASE64_STANDARD.encode(good)),
            encoded("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"),
            encoded("HTTP/1.1 200 OK\r\nContent-Le"),
            encoded("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        ] {
            assert!(read(text.as_bytes(), 1, false).is_none(), "{text}");
        }
        assert!(
            read(encoded("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").as_bytes(), 1, true).is_some(),
            "of a HEAD"
        );
    }
}
