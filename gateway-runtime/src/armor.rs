//! PEM with the headers of RFC 1421: Go writes them before the base64 of an encrypted key, and rustls reads none.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
/// Characters of base64 in a line.
const LINE: usize = 64;

/// One block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) der: Vec<u8>,
}

/// The blocks of a text; what is none is passed over. Source: Go, `encoding/pem`.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, block)) = rest.split_once(BEGIN) {
        rest = block;
        let Some((label, block)) = block.split_once(DASHES) else { break };
        let Some((body, end)) = block.split_once(DASHES) else { break };
        let end =
            end.strip_prefix("END ").and_then(|end| end.strip_prefix(label)).and_then(|end| end.strip_prefix(DASHES));
        if let Some(after) = end {
            blocks.extend(Block::read(label, body));
            rest = after;
        }
    }
    blocks
}

impl Block {
    fn read(label: &str, body: &str) -> Option<Self> {
        let (mut headers, mut base64) = (Vec::new(), String::with_capacity(body.len()));
        for line in body.lines().map(str::trim) {
            match line.split_once(':') {
                Some((name, value)) if base64.is_empty() => {
                    headers.push((name.trim().to_owned(), value.trim().to_owned()));
                }
                _ => base64.extend(line.split_ascii_whitespace()),
            }
        }
        let der = BASE64_STANDARD.decode(base64).ok()?;
        Some(Self { label: label.to_owned(), headers, der })
    }

    /// One without headers.
    pub(crate) fn plain(label: &str, der: &[u8]) -> Self {
        Self { label: label.to_owned(), headers: Vec::new(), der: der.to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The block as text, with a line's end behind it.
    pub(crate) fn text(&self) -> String {
        let Self { label, headers, der } = self;
        let mut text = format!("{BEGIN}{label}{DASHES}\n");
        headers.iter().for_each(|(name, value)| text.extend([name, ": ", value, "\n"]));
        if !headers.is_empty() {
            text.push('\n');
        }
        let base64 = BASE64_STANDARD.encode(der);
        let mut left = base64.as_str();
        while !left.is_empty() {
            let (line, next) = left.split_at(left.len().min(LINE));
            text.extend([line, "\n"]);
            left = next;
        }
        text.extend([DASHES, "END ", label, DASHES, "\n"]);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let headers = [("Proc-Type", "4,ENCRYPTED"), ("DEK-Info", "AES-256-CBC,00ff")];
        let headers: Vec<_> = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        for length in [0, 1, 47, 48, 49, 96, 1000] {
            let der = vec![7; length];
            let plain = Block::plain("CERTIFICATE", &der);
            let sealed = Block { label: "A KEY".to_owned(), headers: headers.clone(), der };
            let text = format!("Subject: x\n{}\n\n{}", plain.text(), sealed.text().replace('\n', "\r\n"));
            assert_eq!(blocks(&text), [plain, sealed], "{length}");
        }
    }

    #[test]
    fn a_block_is_written_as_go_writes_it() {
        let headers = vec![("Proc-Type".to_owned(), "4,ENCRYPTED".to_owned())];
        let block = Block { label: "K".to_owned(), headers, der: vec![0; 49] };
        let zeros = "A".repeat(64);
        let expected = format!("-----BEGIN K-----\nProc-Type: 4,ENCRYPTED\n\n{zeros}\nAA==\n-----END K-----\n");
        assert_eq!(block.text(), expected);
    }

    #[test]
    fn what_is_no_block_is_passed_over() {
        let good = Block::plain("A", b"x");
        let text = good.text();
        for junk in [
            "",
            "text",
            "-----BEGIN A-----\n",
            "-----BEGIN A-----\neA==\n-----END B-----\n",
            "-----BEGIN A-----\n$\n-----END A-----\n",
        ] {
            assert_eq!(blocks(&format!("{junk}{text}{junk}")), [Block::plain("A", b"x")], "{junk}");
        }
        assert!(blocks("-----BEGIN ").is_empty() && blocks("-----BEGIN A-----").is_empty());
    }
}
