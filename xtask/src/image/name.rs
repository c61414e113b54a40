//! The name of an image, by the grammar of registries. Source: distribution/reference, `reference.go` and `regexp.go`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const LONGEST_NAME: usize = 255;
const LONGEST_TAG: usize = 128;
/// The registry and the folder that a name without a registry means.
const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_FOLDER: &str = "library";

/// `registry.example.com:5000/team/gateway:1.0`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    registry: Option<String>,
    path: String,
    tag: Option<String>,
}

/// Why something is no name of an image.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{name}` is no name of an image: {reason}\n  = write NAME[:TAG], such as `gateway:1.0` or `registry.example.com/team/gateway:1.0`"
)]
pub struct NameError {
    name: String,
    reason: Reason,
}

#[derive(Debug, Error, PartialEq, Eq)]
enum Reason {
    #[error("it is empty")]
    Empty,
    #[error("it has a digest; the digest is what comes out, so only a tag can be given")]
    Digest,
    #[error("it is an address; leave `{0}://` out")]
    Scheme(String),
    #[error("it is longer than {LONGEST_NAME} characters before the tag")]
    Long,
    #[error("`{0}` is no host, optionally with a port")]
    Registry(String),
    #[error("a part between two `/` is empty")]
    EmptyPart,
    #[error("`{0}` has upper-case letters, and names are lower-case")]
    Uppercase(String),
    #[error("`{0}` may hold letters, digits, and between them `.`, `_`, `__` or any number of `-`")]
    Part(String),
    #[error(
        "the tag `{0}` may hold letters, digits, `_`, `.` and `-`, must begin with none of the last two, and is up to {LONGEST_TAG} long"
    )]
    Tag(String),
}

impl ImageName {
    /// The tag alone; without one it is `latest`, as everywhere.
    #[must_use]
    pub fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or("latest")
    }

    /// With this version as tag, if there is none yet. What a tag cannot hold becomes `_`.
    #[must_use]
    pub fn or_version(mut self, version: &str) -> Self {
        let allowed = |char: char| if is_tag_char(char) { char } else { '_' };
        let tag: String = version.chars().map(allowed).take(LONGEST_TAG).collect();
        self.tag = self.tag.or_else(|| is_tag(&tag).then_some(tag));
        self
    }

    /// Whether it says where it is kept.
    #[must_use]
    pub fn has_registry(&self) -> bool {
        self.registry.is_some()
    }

    /// The last part of the path.
    #[must_use]
    pub fn title(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// With the registry and the folder that are meant when none is said.
    #[must_use]
    pub fn full(&self) -> String {
        let registry = self.registry.as_deref().unwrap_or(DEFAULT_REGISTRY);
        let folder = if registry == DEFAULT_REGISTRY && !self.path.contains('/') {
            format!("{DEFAULT_FOLDER}/")
        } else {
            String::new()
        };
        format!("{registry}/{folder}{}:{}", self.path, self.tag())
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(out, "{registry}/")?;
        }
        write!(out, "{}:{}", self.path, self.tag())
    }
}

impl FromStr for ImageName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse(name).map_err(|reason| NameError { name: name.to_owned(), reason })
    }
}

fn parse(name: &str) -> Result<ImageName, Reason> {
    if name.is_empty() {
        return Err(Reason::Empty);
    }
    if let Some((scheme, _)) = name.split_once("://") {
        return Err(Reason::Scheme(scheme.to_owned()));
    }
    if name.contains('@') {
        return Err(Reason::Digest);
    }
    // A colon before a slash is that of a port.
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (name, None),
    };
    if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
        return Err(Reason::Tag(tag.to_owned()));
    }
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if is_meant_as_registry(first) => (Some(first), rest),
        _ => (None, name),
    };
    if let Some(registry) = registry.filter(|registry| !is_registry(registry)) {
        return Err(Reason::Registry(registry.to_owned()));
    }
    for part in path.split('/') {
        if part.is_empty() {
            return Err(Reason::EmptyPart);
        }
        if part.contains(|char: char| char.is_ascii_uppercase()) {
            return Err(Reason::Uppercase(part.to_owned()));
        }
        if !is_part(part) {
            return Err(Reason::Part(part.to_owned()));
        }
    }
    if name.len() > LONGEST_NAME {
        return Err(Reason::Long);
    }
    Ok(ImageName { registry: registry.map(str::to_owned), path: path.to_owned(), tag: tag.map(str::to_owned) })
}

/// The first part is a registry if it could not be part of a path.
fn is_meant_as_registry(part: &str) -> bool {
    part == "localhost" || part.contains(|char: char| matches!(char, '.' | ':' | '[') || char.is_ascii_uppercase())
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let host_is_one = match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label),
    };
    host_is_one && port.is_none_or(|port| !port.is_empty() && port.parse::<u16>().is_ok())
}

fn is_label(label: &str) -> bool {
    let inside = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    inside && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
}

/// Runs of letters and digits with separators between them.
fn is_part(part: &str) -> bool {
    let is_word = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    if !part.starts_with(is_word) || !part.ends_with(is_word) {
        return false;
    }
    let separators = part.split(is_word).filter(|separator| !separator.is_empty());
    separators
        .into_iter()
        .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    (1..=LONGEST_TAG).contains(&tag.len()) && tag.chars().all(is_tag_char) && !tag.starts_with(['.', '-'])
}

fn is_tag_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '_' | '.' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_in_short_and_in_full() {
        for (typed, shown, full) in [
            ("gateway", "gateway:latest", "docker.io/library/gateway:latest"),
            ("team/gateway:1.0", "team/gateway:1.0", "docker.io/team/gateway:1.0"),
            ("ghcr.io/a/b/c:v1_x-2.3", "ghcr.io/a/b/c:v1_x-2.3", "ghcr.io/a/b/c:v1_x-2.3"),
            ("localhost:5000/gateway", "localhost:5000/gateway:latest", "localhost:5000/gateway:latest"),
            ("localhost/gateway:1", "localhost/gateway:1", "localhost/gateway:1"),
            ("[::1]:5000/gateway:1", "[::1]:5000/gateway:1", "[::1]:5000/gateway:1"),
            ("docker.io/gateway:1", "docker.io/gateway:1", "docker.io/library/gateway:1"),
            ("my_gw__x---y/f.0:_", "my_gw__x---y/f.0:_", "docker.io/my_gw__x---y/f.0:_"),
        ] {
            let name: ImageName = typed.parse().expect(typed);
            assert_eq!((name.to_string().as_str(), name.full().as_str()), (shown, full));
        }
        let name: ImageName = "ghcr.io/team/gateway:1.0".parse().expect("a name");
        assert_eq!((name.title(), name.tag()), ("gateway", "1.0"));
    }

    #[test]
    fn what_is_no_name_is_told_what_is_wrong_with_it() {
        let long = "a".repeat(256);
        for (typed, reason) in [
            ("", "it is empty"),
            ("Gateway", "`Gateway` has upper-case letters, and names are lower-case"),
            ("docker://gateway", "it is an address; leave `docker://` out"),
            ("gateway@sha256:00", "it has a digest; the digest is what comes out, so only a tag can be given"),
            ("a//b", "a part between two `/` is empty"),
            ("/b", "a part between two `/` is empty"),
            ("gate way", "`gate way` may hold letters"),
            ("-gateway", "`-gateway` may hold letters"),
            ("gateway_", "`gateway_` may hold letters"),
            ("a___b", "`a___b` may hold letters"),
            ("a..b", "`a..b` may hold letters"),
            ("a._b", "`a._b` may hold letters"),
            ("gätway", "`gätway` may hold letters"),
            ("gateway:", "the tag `` may hold"),
            ("gateway:.1", "the tag `.1` may hold"),
            ("gateway:1+2", "the tag `1+2` may hold"),
            ("host:port/gateway", "`host:port` is no host, optionally with a port"),
            ("my_host.example/gateway", "`my_host.example` is no host, optionally with a port"),
            ("-host.example/gateway", "`-host.example` is no host, optionally with a port"),
            ("[::g]/gateway", "`[::g]` is no host, optionally with a port"),
            (&long, "it is longer than 255 characters before the tag"),
        ] {
            let error = typed.parse::<ImageName>().expect_err(typed).to_string();
            assert!(error.starts_with(&format!("`{typed}` is no name of an image: {reason}")), "{error}");
            assert!(error.ends_with("such as `gateway:1.0` or `registry.example.com/team/gateway:1.0`"), "{error}");
        }
    }

    #[test]
    fn a_version_becomes_the_tag_of_a_name_without_one() {
        let named = |name: &str, version| name.parse::<ImageName>().expect(name).or_version(version).to_string();
        assert_eq!(named("gateway", "0.1.0"), "gateway:0.1.0");
        assert_eq!(named("gateway:mine", "0.1.0"), "gateway:mine");
        assert_eq!(named("gateway", "0.1.0-rc.1+build 5"), "gateway:0.1.0-rc.1_build_5");
        assert_eq!(named("gateway", ""), "gateway:latest");
        assert_eq!(named("gateway", "-1"), "gateway:latest");
    }
}
