//! Folders of requests and expected responses.
//!
//! | file | what it is |
//! |---|---|
//! | `case.md` | what the case shows; its first line says where the behaviour comes from |
//! | `*.json` | definitions; `http://upstream` in them is the echo upstream |
//! | `policies.json` | policies by id; may be left out |
//! | `conf.json` | keys of `tyk.conf` that the case needs; may be left out |
//! | `request.http`, `request-1.http`, … | requests, sent one after another on one connection |
//! | `response.http`, `response-1.http`, … | the response to each |
//! | `upstream.http`, `upstream-1.http`, … | what the upstream saw of each, or `none`; may be left out |
//!
//! Lines end in LF in the files and in CRLF on the wire. The last line end of a file is not part of a body. `Date`,
//! the second in which a limit is new, and addresses are replaced by words. `UPDATE=1` writes what is there.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde_json::{Map, Value, json};

use crate::wire::{Message, Wire};
use crate::{Conf, Gateway, Upstream};

/// The file of policies.
const POLICIES: &str = "policies.json";
/// The file of settings.
const CONF: &str = "conf.json";

/// Runs every case in a folder, and gives a paragraph for each that fails.
///
/// # Errors
/// When the folder cannot be read.
pub async fn walk(folder: &Path) -> io::Result<Vec<String>> {
    let update = env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut cases: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        cases.push(entry?.path());
    }
    cases.sort();
    let mut failures = Vec::new();
    for case in cases.iter().filter(|path| path.is_dir()) {
        let name = case.file_name().unwrap_or_default().to_string_lossy();
        let wrong = run(case, update).await?;
        if !wrong.is_empty() {
            failures.push(format!("golden/{name}\n{wrong}"));
        }
    }
    Ok(failures)
}

async fn run(case: &Path, update: bool) -> io::Result<String> {
    let mut wrong = String::new();
    let about = fs::read_to_string(case.join("case.md")).unwrap_or_default();
    if !about.starts_with("Source: ") {
        wrong.push_str("  case.md does not begin with `Source: `\n");
    }
    let upstream = Upstream::start();
    let gateway = start(case, &upstream).await?;
    let mut wire = Wire::connect(gateway.address).await;
    let steps = steps(case)?;
    if steps.is_empty() {
        wrong.push_str("  there is no request.http\n");
    }
    for step in steps {
        let request = fs::read_to_string(case.join(format!("request{step}.http")))?;
        let seen_before = upstream.seen().len();
        wire.write(literal(&request)).await;
        let response = wire.response(request.starts_with("HEAD ")).await;
        let words = [(gateway.address.to_string(), "gateway"), (upstream.address.to_string(), "upstream")];
        let told = |message: &Message| words.iter().fold(shown(message), |text, (at, word)| text.replace(at, word));
        compare(&case.join(format!("response{step}.http")), &told(&response), update, &mut wrong)?;
        let seen = upstream.seen().split_off(seen_before);
        let seen = match seen.as_slice() {
            [] => "none\n".to_owned(),
            all => all.iter().map(|seen| told(&seen.message)).collect(),
        };
        let file = case.join(format!("upstream{step}.http"));
        if file.exists() {
            compare(&file, &seen, update, &mut wrong)?;
        }
    }
    if !wrong.is_empty() {
        write!(wrong, "  log:\n{}", gateway.log()).expect("a text takes text");
    }
    Ok(wrong)
}

async fn start(case: &Path, upstream: &Upstream) -> io::Result<Gateway> {
    // The published examples show names as Go writes them.
    let mut conf = Conf::default().server("canonical_header_names", true);
    for entry in fs::read_dir(case)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path)?;
            conf = match &*path.file_name().unwrap_or_default().to_string_lossy() {
                POLICIES => {
                    let file = conf.folder().join(POLICIES);
                    fs::write(&file, text)?;
                    conf.set("policies", json!({"policy_record_name": file}))
                }
                CONF => {
                    let keys: Map<String, Value> = serde_json::from_str(&text)?;
                    keys.into_iter().fold(conf, |conf, (key, value)| conf.set(&key, value))
                }
                name => conf.file(name, &text.replace("http://upstream", &format!("http://{}", upstream.address))),
            };
        }
    }
    Ok(conf.start().await)
}

/// What stands between `request` and `.http`, in order.
fn steps(case: &Path) -> io::Result<Vec<String>> {
    let mut steps = Vec::new();
    for entry in fs::read_dir(case)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let step = name.strip_prefix("request").and_then(|rest| rest.strip_suffix(".http"));
        steps.extend(step.map(str::to_owned));
    }
    steps.sort();
    Ok(steps)
}

/// A request as it is sent: CRLF in its head, and no line end after its body.
fn literal(file: &str) -> Vec<u8> {
    let (head, body) = file.split_once("\n\n").unwrap_or((file.trim_end_matches('\n'), ""));
    let body = body.strip_suffix('\n').unwrap_or(body);
    format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")).into_bytes()
}

/// A message as a file shows it.
fn shown(message: &Message) -> String {
    let mut text = format!("{}\n", message.first);
    let line = |text: &mut String, (name, value): &(String, String)| {
        let value = match name.to_ascii_lowercase().as_str() {
            "date" => "<date>",
            // It is 0 where there is no limit.
            "x-ratelimit-reset" if value != "0" => "<time>",
            _ => value,
        };
        writeln!(text, "{name}: {value}").expect("a text takes text");
    };
    message.headers.iter().for_each(|header| line(&mut text, header));
    writeln!(text, "\n{}", message.text()).expect("a text takes text");
    message.trailers.iter().for_each(|header| line(&mut text, header));
    text
}

fn compare(file: &Path, got: &str, update: bool, wrong: &mut String) -> io::Result<()> {
    let expected = fs::read_to_string(file).unwrap_or_default();
    if expected == got {
        return Ok(());
    }
    if update {
        return fs::write(file, got);
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    write!(wrong, "  {name}: expected\n{}  got\n{}", indented(&expected), indented(got)).expect("a text takes text");
    Ok(())
}
