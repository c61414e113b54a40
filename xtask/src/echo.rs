//! The upstream of `cargo xtask run`: answers every request with what it has received.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use serde::Serialize;
use tiny_http::{Header, Request, Response, Server};

/// Requests that are answered at the same time.
const THREADS: usize = 4;

/// What was received. The keys are those of the echo in the published examples.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Echo {
    method: String,
    #[serde(rename = "URI")]
    uri: String,
    path: String,
    url: String,
    body: String,
    /// Names as received; of several values, the first.
    headers: BTreeMap<String, String>,
    /// The query, and a body that is a form.
    form: BTreeMap<String, String>,
}

/// Serves on a free port of loopback for as long as the process lives.
pub(crate) fn serve() -> Result<SocketAddr, Box<dyn Error + Send + Sync>> {
    let server = Arc::new(Server::http("127.0.0.1:0")?);
    let address = server.server_addr().to_ip().ok_or("the echo upstream has no IP address")?;
    for _ in 0..THREADS {
        let server = Arc::clone(&server);
        thread::spawn(move || {
            for request in server.incoming_requests() {
                answer(request);
            }
        });
    }
    Ok(address)
}

fn answer(mut request: Request) {
    let mut bytes = Vec::new();
    // A client that stops in the middle gets no answer, and needs none.
    if request.as_reader().read_to_end(&mut bytes).is_err() {
        return;
    }
    let json = serde_json::to_string(&echo(&request, &bytes)).unwrap_or_default();
    let mut response = Response::from_string(json);
    if let Ok(header) = Header::from_bytes("Content-Type", "application/json") {
        response = response.with_header(header);
    }
    let _ = request.respond(response);
}

fn echo(request: &Request, body: &[u8]) -> Echo {
    let mut headers = BTreeMap::new();
    for header in request.headers() {
        headers.entry(header.field.to_string()).or_insert_with(|| header.value.to_string());
    }
    let (path, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
    let is_form = headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("content-type") && value.starts_with("application/x-www-form-urlencoded")
    });
    let mut form = BTreeMap::new();
    for source in [if is_form { body } else { &[] }, query.as_bytes()] {
        for (name, value) in form_urlencoded::parse(source) {
            form.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
    }
    Echo {
        method: request.method().to_string(),
        uri: request.url().to_owned(),
        path: path.to_owned(),
        url: request.url().to_owned(),
        body: String::from_utf8_lossy(body).into_owned(),
        headers,
        form,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_was_received() {
        let address = serve().expect("a free port");
        let answer = minreq::post(format!("http://{address}/a/b?x=1%202&x=3"))
            .with_header("Foo", "Bar")
            .with_body("hello")
            .send()
            .expect("answered");
        let echo: serde_json::Value = serde_json::from_slice(answer.as_bytes()).expect("JSON");
        assert_eq!(answer.headers.get("content-type").map(String::as_str), Some("application/json"));
        for (key, value) in [("Method", "POST"), ("URI", "/a/b?x=1%202&x=3"), ("Path", "/a/b"), ("Body", "hello")] {
            assert_eq!(echo[key], value, "{echo}");
        }
        assert_eq!(echo["Url"], echo["URI"]);
        assert_eq!(echo["Headers"]["Foo"], "Bar", "{echo}");
        assert_eq!(echo["Form"]["x"], "1 2", "the first of several values: {echo}");
    }
}
