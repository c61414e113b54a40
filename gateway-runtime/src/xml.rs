//! XML as JSON, and back, in the way that templates know it: attributes are members that begin with `-`, the text beside
//! attributes is `#text`, what comes several times is a list, and every value is a string. Names have no namespaces.
//!
//! Source: clbanning/mxj, `NewMapXml` and `Map.Xml`; gateway.md §5.9.

use std::borrow::Cow;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Map, Value};

/// How deep elements may stand in each other.
const DEEPEST: usize = 100;

/// Of an element that stands alone: what is around the text.
const TEXT: &str = "#text";

/// A text is no XML.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XmlError {
    #[error("byte {at}: {reason}")]
    Syntax { at: u64, reason: String },
    #[error("elements stand in each other more than {DEEPEST} times")]
    Deep,
    #[error("it ends before its elements do")]
    Open,
    #[error("there is no element")]
    Empty,
    #[error("encoding `{0}`: only UTF-8 is read here")]
    Encoding(String),
}

/// An element that has not ended yet.
#[derive(Default)]
struct Element {
    name: String,
    members: Map<String, Value>,
    text: String,
}

impl Element {
    /// # Errors
    /// When its attributes are not written as XML writes them.
    fn of(start: &BytesStart<'_>) -> Result<Self, String> {
        let mut members = Map::new();
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = attribute.normalized_value(XmlVersion::default()).map_err(|error| error.to_string())?;
            let name = local(attribute.key.as_ref());
            members.insert(format!("-{name}"), value.into_owned().into());
        }
        Ok(Self { name: local(start.name().as_ref()).to_owned(), members, text: String::new() })
    }

    fn value(mut self) -> Value {
        let text = self.text.trim();
        if self.members.is_empty() {
            return text.into();
        }
        if !text.is_empty() {
            self.members.insert(TEXT.to_owned(), text.into());
        }
        Value::Object(self.members)
    }

    /// An element within this one: the second of a name makes a list of both.
    fn add(&mut self, name: String, value: Value) {
        match self.members.get_mut(&name) {
            None => {
                self.members.insert(name, value);
            }
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
}

/// The name without its namespace.
fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// What a reference stands for.
fn referred(reference: &BytesRef<'_>) -> Result<String, String> {
    let written = format!("&{};", &**reference);
    quick_xml::escape::unescape(&written).map(Cow::into_owned).map_err(|error| error.to_string())
}

/// Reads the first element of a text: an object with one member, its name.
///
/// # Errors
/// When it is no XML, or deeper than any may be.
pub(crate) fn read(text: &str) -> Result<Map<String, Value>, XmlError> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    loop {
        let event = reader.read_event();
        let at = reader.buffer_position();
        let wrong = |reason: String| XmlError::Syntax { at, reason };
        let ended = match event.map_err(|error| wrong(error.to_string()))? {
            Event::Start(start) => {
                if open.len() >= DEEPEST {
                    return Err(XmlError::Deep);
                }
                open.push(Element::of(&start).map_err(wrong)?);
                None
            }
            Event::Empty(start) => Some(Element::of(&start).map_err(wrong)?),
            Event::End(_) => open.pop(),
            Event::Text(part) => {
                add_text(&mut open, &part.xml10_content());
                None
            }
            Event::CData(part) => {
                add_text(&mut open, &part.xml10_content());
                None
            }
            Event::GeneralRef(reference) => {
                add_text(&mut open, &referred(&reference).map_err(wrong)?);
                None
            }
            Event::Decl(declared) => match declared.encoding() {
                Some(Ok(name)) if !["utf-8", "utf8", "us-ascii"].contains(&&*name.to_ascii_lowercase()) => {
                    return Err(XmlError::Encoding(name.into_owned()));
                }
                _ => None,
            },
            Event::Eof => return Err(if open.is_empty() { XmlError::Empty } else { XmlError::Open }),
            Event::Comment(_) | Event::PI(_) | Event::DocType(_) => None,
        };
        let Some(mut ended) = ended else { continue };
        let name = std::mem::take(&mut ended.name);
        match open.last_mut() {
            Some(parent) => parent.add(name, ended.value()),
            None => return Ok(Map::from_iter([(name, ended.value())])),
        }
    }
}

/// What is outside of every element is nothing.
fn add_text(open: &mut [Element], part: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(part);
    }
}

/// Writes a document. An object with one member is that element; anything else stands in an element `doc`.
pub(crate) fn write(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members) if members.len() == 1 && !members.values().any(Value::is_array) => {
            members.iter().for_each(|(name, value)| element(&mut text, name, value));
        }
        other => element(&mut text, "doc", other),
    }
    text
}

fn element(text: &mut String, name: &str, value: &Value) {
    if let Value::Array(values) = value {
        values.iter().for_each(|value| element(text, name, value));
        return;
    }
    text.push('<');
    text.push_str(name);
    let none = Map::new();
    let members = value.as_object().unwrap_or(&none);
    let (attributes, elements): (Vec<_>, Vec<_>) = members.iter().partition(|(name, _)| name.starts_with('-'));
    for (name, value) in attributes {
        text.push_str(&format!(" {}=\"{}\"", &name[1..], escaped(value)));
    }
    let content = text.len();
    text.push('>');
    match value {
        Value::Object(_) => {
            for (name, value) in elements {
                match name.as_str() {
                    TEXT => text.push_str(&escaped(value)),
                    name => element(text, name, value),
                }
            }
        }
        other => text.push_str(&escaped(other)),
    }
    if text.len() == content + 1 {
        text.insert(content, '/');
    } else {
        text.push_str(&format!("</{name}>"));
    }
}

/// A value as the text of an element.
fn escaped(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    quick_xml::escape::escape(text.as_str()).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn elements_attributes_and_lists_become_members() {
        let text = r#"<?xml version="1.0" encoding="UTF-8"?><!-- c --><s:order xmlns:s="urn:x" id="7">
            <line>a &amp; b</line><line><![CDATA[<c>]]></line><note lang="en">hi &#33;</note><none/></s:order>"#;
        let expected = json!({"order": {
            "-s": "urn:x", "-id": "7", "line": ["a & b", "<c>"], "note": {"-lang": "en", "#text": "hi !"}, "none": "",
        }});
        assert_eq!(Value::Object(read(text).expect("XML")), expected);
    }

    #[test]
    fn what_is_no_xml_says_where() {
        for (text, told) in [
            ("", "there is no element"),
            ("<a><b></a>", "byte "),
            ("<a>", "it ends before its elements do"),
            ("<a>&nosuch;</a>", "byte "),
            (r#"<?xml version="1.0" encoding="latin1"?><a/>"#, "encoding `latin1`"),
            (&"<a>".repeat(200), "more than 100 times"),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.starts_with(told) || error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn a_document_is_written_as_it_was_read() {
        let text = r#"<order id="7"><line>a &amp; b</line><line>c</line><none/></order>"#;
        assert_eq!(write(&Value::Object(read(text).expect("XML"))), text);
        assert_eq!(write(&json!({"a": "1", "b": 2})), "<doc><a>1</a><b>2</b></doc>");
        assert_eq!(write(&json!({"a": ["1", null]})), "<doc><a>1</a><a/></doc>");
    }
}
