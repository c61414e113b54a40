//! What may be said about an image, and what that means for one binary.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Deserialize;
use thiserror::Error;

use super::ImageError;
use super::name::{ImageName, NameError};
use crate::cli::ImageArgs;
use crate::elf::Elf;
use crate::inspect;

/// The gateway listens here unless its configuration says otherwise.
const DEFAULT_PORT: u16 = 8080;
/// Nobody on any usual system, and known as such: images without a distribution use it.
const NOBODY: u32 = 65532;
/// `a 0.1.0, b 1.2.0`
const PLUGINS_LABEL: &str = "gw.plugins";

/// The image that `cargo xtask image` writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSettings {
    /// The name, such as `registry.example.com/team/gateway`. Without a tag, the version of the gateway becomes the tag.
    pub name: Option<String>,
    /// The port that the image says it serves; the gateway listens where `listen_port` of `tyk.conf` says (8080).
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Whom the gateway runs as: `UID` or `UID:GID`, in numbers. Without it, 65532:65532.
    pub user: Option<User>,
    /// Labels, besides those that tell title, version, revision and plugins; a label of the same name replaces it.
    pub labels: BTreeMap<String, String>,
    /// Certificates of authorities, in PEM form: they go to `/etc/ssl/certs/ca-certificates.crt`.
    pub ca_certificates: Option<PathBuf>,
}

/// A user and a group, by number: an image has no list of the names on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct User {
    /// The user.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
}

/// Why something is no user.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("`{0}` is no user; write `UID:GID` in numbers, such as \"65532:65532\"")]
pub struct UserError(String);

impl Default for User {
    fn default() -> Self {
        Self { uid: NOBODY, gid: NOBODY }
    }
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.uid, self.gid)
    }
}

impl FromStr for User {
    type Err = UserError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        // The last number means "nobody in particular" to system calls.
        let number = |text: &str| text.parse().ok().filter(|number| *number != u32::MAX);
        match (number(uid), number(gid)) {
            (Some(uid), Some(gid)) => Ok(Self { uid, gid }),
            _ => Err(UserError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for User {
    type Error = UserError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl JsonSchema for User {
    fn schema_name() -> Cow<'static, str> {
        "User".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+(:[0-9]+)?$" })
    }
}

/// What goes into an image.
#[derive(Debug, Clone)]
pub struct Contents {
    /// A static executable for Linux; it becomes `/gateway`.
    pub binary: PathBuf,
    /// With its tag.
    pub name: ImageName,
    /// What the image says it serves.
    pub port: u16,
    /// All of them.
    pub labels: BTreeMap<String, String>,
    /// A file in PEM form.
    pub ca_certificates: Option<PathBuf>,
    /// Whom it runs as.
    pub user: User,
    /// Seconds since 1970; the time of all that is in the image.
    pub created: u64,
}

/// What an image of this binary holds, by what was typed, else by the settings, else by the binary itself.
///
/// # Errors
/// When the binary cannot be read, or a name is none.
pub fn contents(
    args: &ImageArgs,
    binary: &Path,
    settings: &ImageSettings,
    created: u64,
) -> Result<Contents, ImageError> {
    let facts = inspect::facts(&Elf::read(binary)?)?;
    let build = facts.build.as_ref();
    let version = build.and_then(|build| build.version.as_deref());
    let name = name(args, settings)?.or_version(version.unwrap_or_default());
    let mut labels = BTreeMap::from([
        ("org.opencontainers.image.title".to_owned(), name.title().to_owned()),
        ("org.opencontainers.image.created".to_owned(), rfc3339(created)),
        (PLUGINS_LABEL.to_owned(), facts.plugin_list()),
    ]);
    let revision = build.and_then(|build| build.commit.as_deref());
    for (label, value) in [("version", version), ("revision", revision)] {
        if let Some(value) = value {
            labels.insert(format!("org.opencontainers.image.{label}"), value.to_owned());
        }
    }
    labels.extend(settings.labels.clone());
    Ok(Contents {
        binary: binary.to_owned(),
        name,
        port: settings.port.unwrap_or(DEFAULT_PORT),
        labels,
        ca_certificates: settings.ca_certificates.clone(),
        user: settings.user.unwrap_or_default(),
        created,
    })
}

/// The name that was typed, or that the settings give; it can be checked before there is a binary.
pub(super) fn name(args: &ImageArgs, settings: &ImageSettings) -> Result<ImageName, NameError> {
    args.tag.as_ref().or(settings.name.as_ref()).map_or("gateway", String::as_str).parse()
}

/// `1970-01-01T00:00:00Z`
pub(super) fn rfc3339(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_a_manifest() {
        let text = "name = \"team/gateway\"\nport = 9000\nuser = \"10:20\"\nca-certificates = \"ca.pem\"\n[labels]\na = \"b\"\n";
        let settings: ImageSettings = toml::from_str(text).expect("settings");
        let expected = ImageSettings {
            name: Some("team/gateway".into()),
            port: Some(9000),
            user: Some(User { uid: 10, gid: 20 }),
            labels: BTreeMap::from([("a".into(), "b".into())]),
            ca_certificates: Some("ca.pem".into()),
        };
        assert_eq!(settings, expected);
        assert_eq!(toml::from_str::<ImageSettings>("").expect("empty"), ImageSettings::default());
        let error = toml::from_str::<ImageSettings>("ca_certificates = \"x\"").expect_err("unknown").to_string();
        assert!(error.contains("unknown field `ca_certificates`"), "{error}");
    }

    #[test]
    fn a_user_is_two_numbers() {
        assert_eq!("7".parse(), Ok(User { uid: 7, gid: 7 }));
        assert_eq!("7:8".parse(), Ok(User { uid: 7, gid: 8 }));
        for wrong in ["", "nobody", "7:", ":8", "7:8:9", "-1", "4294967295", "4294967296"] {
            wrong.parse::<User>().expect_err(wrong);
        }
        let error = toml::from_str::<ImageSettings>("user = \"nobody\"").expect_err("no numbers").to_string();
        assert!(error.contains("`nobody` is no user; write `UID:GID` in numbers, such as \"65532:65532\""), "{error}");
    }

    #[test]
    fn the_schema_knows_every_setting() {
        let schema = serde_json::to_value(schemars::schema_for!(ImageSettings)).expect("JSON");
        let properties: Vec<&String> = schema["properties"].as_object().expect("properties").keys().collect();
        assert_eq!(properties.len(), 5, "{properties:?}");
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema["properties"]["ca-certificates"].is_object(), "{properties:?}");
    }

    #[test]
    fn times_are_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_767_225_600), "2026-01-01T00:00:00Z");
    }
}
