//! The plugins of analytics records. Source: plugin-system.md §10.0.

use gateway_sdk::prelude::*;
use serde_json::Value;

const MASK: &str = "****";

/// Tags the record, and puts `Test: test` in place of `Server` into its response.
#[gw_plugin(hook = "analytics", name = "MyAnalyticsPluginAddTag")]
fn my_analytics_plugin_add_tag(record: &mut AnalyticsRecord) {
    record.tags.push("TEST".to_owned());
    if let Some((mut lines, body)) = split(&record.raw_response) {
        lines.retain(|line| !is_header(line, "server"));
        lines.push("Test: test".to_owned());
        record.raw_response = joined(&lines, &body);
    }
}

/// Takes `Server` out of the record's response.
#[gw_plugin(hook = "analytics", name = "MyAnalyticsPluginDeleteHeader")]
fn my_analytics_plugin_delete_header(record: &mut AnalyticsRecord) {
    if let Some((mut lines, body)) = split(&record.raw_response) {
        lines.retain(|line| !is_header(line, "server"));
        record.raw_response = joined(&lines, &body);
    }
}

/// Masks who logs in with which password, in the body of the record's request.
#[gw_plugin(hook = "analytics", name = "MyAnalyticsPluginMaskJSONLoginBody")]
fn my_analytics_plugin_mask_json_login_body(record: &mut AnalyticsRecord) {
    if record.content_length < 1 {
        return;
    }
    let Some((lines, body)) = split(&record.raw_request) else { return };
    let Ok(mut login) = serde_json::from_slice::<Value>(&body) else { return };
    for place in ["/email", "/password", "/data/email", "/data/password"] {
        if let Some(secret) = login.pointer_mut(place) {
            *secret = MASK.into();
        }
    }
    record.raw_request = joined(&lines, login.to_string().as_bytes());
}

/// The lines of a message's head, and its body. `None`: there is no message.
fn split(message: &[u8]) -> Option<(Vec<String>, Vec<u8>)> {
    let end = message.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&message[..end]);
    Some((head.split("\r\n").map(str::to_owned).collect(), message[end + 4..].to_vec()))
}

fn is_header(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(begin, _)| begin.eq_ignore_ascii_case(name))
}

fn joined(lines: &[String], body: &[u8]) -> Vec<u8> {
    let mut message = lines.join("\r\n").into_bytes();
    message.extend_from_slice(b"\r\n\r\n");
    message.extend_from_slice(body);
    message
}

#[cfg(test)]
mod tests {
    use gateway_sdk::Hook;
    use gateway_sdk::testing::{self, Input};

    use super::*;

    fn shown(plugin: &str, record: AnalyticsRecord) -> AnalyticsRecord {
        let done = testing::plugin(plugin).start().call(Hook::Analytics, Input::record(record));
        done.record.expect("it is kept")
    }

    fn text(message: &[u8]) -> String {
        String::from_utf8_lossy(message).into_owned()
    }

    /// Source: plugin-system.md §10.2, test/goplugins/test_goplugin_test.go.
    #[test]
    fn a_header_and_a_login_are_taken_out_as_published() {
        let response = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: golang\r\n\r\nHello".to_vec();
        let record = AnalyticsRecord { raw_response: response, ..AnalyticsRecord::default() };
        let without = shown("MyAnalyticsPluginDeleteHeader", record);
        assert_eq!(text(&without.raw_response), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello");
        let login = |it: &str| {
            let body = format!(r#"{{"data":{{"email":"{it}","password":"{it}"}},"email":"{it}","password":"{it}"}}"#);
            format!("POST / HTTP/1.1\r\nHost: server.com\r\nContent-Length: {}\r\n\r\n{body}", 72).into_bytes()
        };
        let raw_request = login("test");
        let record = AnalyticsRecord { content_length: 72, raw_request, ..AnalyticsRecord::default() };
        assert_eq!(text(&shown("MyAnalyticsPluginMaskJSONLoginBody", record).raw_request), text(&login("****")));
    }

    #[test]
    fn a_tag_and_a_header_are_added_in_place_of_server() {
        let response = b"HTTP/1.1 200 OK\r\nServer: x\r\nA: b\r\n\r\nbody".to_vec();
        let record = AnalyticsRecord { raw_response: response, ..AnalyticsRecord::default() };
        let tagged = shown("MyAnalyticsPluginAddTag", record.clone());
        assert_eq!(tagged.tags, ["TEST"]);
        assert_eq!(text(&tagged.raw_response), "HTTP/1.1 200 OK\r\nA: b\r\nTest: test\r\n\r\nbody");
        let without = shown("MyAnalyticsPluginDeleteHeader", record);
        assert_eq!(text(&without.raw_response), "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody");
        assert!(shown("MyAnalyticsPluginAddTag", AnalyticsRecord::default()).raw_response.is_empty());
    }

    #[test]
    fn logins_are_masked_where_there_is_a_body() {
        let request = |body: &str| format!("POST /login HTTP/1.1\r\nHost: a\r\n\r\n{body}").into_bytes();
        let login = r#"{"data":{"email":"a@b","n":1,"password":"p"},"email":"a@b"}"#;
        let record = |length, body| AnalyticsRecord {
            content_length: length,
            raw_request: request(body),
            ..AnalyticsRecord::default()
        };
        let masked = shown("MyAnalyticsPluginMaskJSONLoginBody", record(1, login)).raw_request;
        let expected = r#"{"data":{"email":"****","n":1,"password":"****"},"email":"****"}"#;
        assert_eq!(text(&masked), text(&request(expected)));
        for unmasked in [record(0, login), record(-1, login), record(7, "no JSON")] {
            let before = unmasked.raw_request.clone();
            assert_eq!(shown("MyAnalyticsPluginMaskJSONLoginBody", unmasked).raw_request, before);
        }
    }
}
