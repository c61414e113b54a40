//! What may be typed for a plugin: items of `--plugins`, and `--replace`.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use semver::VersionReq;
use thiserror::Error;

use crate::redact::redact;

/// One item of `--plugins`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginArg {
    /// A folder of `plugins/`.
    Folder(String),
    /// A path, relative to the current directory.
    Path(PathBuf),
    /// A crate in a git repository.
    Git {
        /// The name of the package, if it was said: `name=git+URL`.
        package: Option<String>,
        /// Without `git+`.
        url: String,
        /// After the `#`.
        reference: GitReference,
    },
    /// A crate of the registry.
    Registry {
        /// The name of the package.
        package: String,
        /// Which versions would do.
        requirement: VersionReq,
    },
}

/// Reads an item of `--plugins`. clap would print it as it was typed, with a password that may be in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct PluginParser;

impl TypedValueParser for PluginParser {
    type Value = PluginArg;

    fn parse_ref(
        &self,
        command: &clap::Command,
        _arg: Option<&clap::Arg>,
        item: &OsStr,
    ) -> Result<PluginArg, clap::Error> {
        item.to_string_lossy().parse().map_err(|why: PluginArgError| {
            let why = redact(&format!("invalid value for '--plugins': {why}\n"));
            clap::Error::raw(ErrorKind::ValueValidation, why).with_cmd(command)
        })
    }
}

/// Which commit of a git repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GitReference {
    /// The newest of the default branch.
    Default,
    /// `#v1.2`: a tag, a branch or a revision; the repository knows which.
    Any(String),
    /// `#tag=v1.2`
    Tag(String),
    /// `#branch=main`
    Branch(String),
    /// `#rev=0a1b2c3`
    Rev(String),
}

/// As it is written after the address.
impl fmt::Display for GitReference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => Ok(()),
            Self::Any(name) => write!(out, "#{name}"),
            Self::Tag(tag) => write!(out, "#tag={tag}"),
            Self::Branch(branch) => write!(out, "#branch={branch}"),
            Self::Rev(rev) => write!(out, "#rev={rev}"),
        }
    }
}

/// Why an item of `--plugins` cannot be understood.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PluginArgError {
    /// `a,,b`
    #[error("a name is empty; write `--plugins a,b`")]
    Empty,
    /// `git+`
    #[error("`{0}` names no repository; write `git+https://host/path#TAG`")]
    NoUrl(String),
    /// `https://…`
    #[error("`{0}` is an address; for a git repository write `git+{0}`")]
    Address(String),
    /// `git+URL#`
    #[error("`{0}` names no revision after `#`; write `#TAG`, `#BRANCH` or `#REVISION`, or leave the `#` out")]
    NoReference(String),
    /// `name@one`
    #[error("`{item}`: `{requirement}` is no version requirement; write `{package}@1.2`")]
    Requirement {
        /// As typed.
        item: String,
        /// Before the `@`.
        package: String,
        /// After the `@`.
        requirement: String,
    },
}

impl FromStr for PluginArg {
    type Err = PluginArgError;

    fn from_str(item: &str) -> Result<Self, Self::Err> {
        let item = item.trim();
        if item.is_empty() {
            return Err(PluginArgError::Empty);
        }
        if let Some(address) = item.strip_prefix("git+") {
            return git(item, None, address);
        }
        if let Some((package, address)) = item.split_once("=git+") {
            return git(item, Some(package.to_owned()), address);
        }
        if item.contains("://") {
            return Err(PluginArgError::Address(item.to_owned()));
        }
        if item.starts_with('.') || item.contains('/') {
            return Ok(Self::Path(PathBuf::from(item)));
        }
        match item.split_once('@') {
            Some((package, requirement)) => match requirement.parse() {
                Ok(requirement) => Ok(Self::Registry { package: package.to_owned(), requirement }),
                Err(_) => Err(PluginArgError::Requirement {
                    item: item.to_owned(),
                    package: package.to_owned(),
                    requirement: requirement.to_owned(),
                }),
            },
            None => Ok(Self::Folder(item.to_owned())),
        }
    }
}

fn git(item: &str, package: Option<String>, address: &str) -> Result<PluginArg, PluginArgError> {
    let (url, fragment) = match address.split_once('#') {
        Some((url, fragment)) => (url, Some(fragment)),
        None => (address, None),
    };
    if url.is_empty() {
        return Err(PluginArgError::NoUrl(item.to_owned()));
    }
    let reference = match fragment.map(|fragment| fragment.split_once('=').unwrap_or(("", fragment))) {
        None => GitReference::Default,
        Some((_, "")) => return Err(PluginArgError::NoReference(item.to_owned())),
        Some(("tag", tag)) => GitReference::Tag(tag.to_owned()),
        Some(("branch", branch)) => GitReference::Branch(branch.to_owned()),
        Some(("rev", rev)) => GitReference::Rev(rev.to_owned()),
        Some(_) => GitReference::Any(fragment.unwrap_or_default().to_owned()),
    };
    Ok(PluginArg::Git { package, url: url.to_owned(), reference })
}

/// One `--replace`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// A plugin, or `gateway`.
    pub name: String,
    /// The folder that is taken instead.
    pub dir: PathBuf,
}

impl FromStr for Replacement {
    type Err = String;

    fn from_str(item: &str) -> Result<Self, Self::Err> {
        match item.split_once('=') {
            Some((name, dir)) if !name.is_empty() && !dir.is_empty() => {
                Ok(Self { name: name.to_owned(), dir: PathBuf::from(dir) })
            }
            _ => Err("write NAME=DIR, such as `--replace my-plugin=../my-plugin`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(item: &str) -> Result<PluginArg, String> {
        item.parse().map_err(|error: PluginArgError| error.to_string())
    }

    #[test]
    fn an_item_without_a_separator_is_a_folder_of_plugins() {
        assert_eq!(parse("add-foo"), Ok(PluginArg::Folder("add-foo".into())));
        assert_eq!(parse(" add-foo "), Ok(PluginArg::Folder("add-foo".into())));
    }

    #[test]
    fn an_item_with_a_separator_or_a_leading_dot_is_a_path() {
        for item in ["./dir", ".", "..", "/abs/dir", "a/b", "./with@sign"] {
            assert_eq!(parse(item), Ok(PluginArg::Path(item.into())));
        }
    }

    #[test]
    fn a_crate_in_a_git_repository_is_named_by_its_address_and_reference() {
        let git = |package: Option<&str>, url: &str, reference| {
            Ok(PluginArg::Git { package: package.map(str::to_owned), url: url.to_owned(), reference })
        };
        let url = "https://example.com/x/mine.git";
        assert_eq!(parse(&format!("git+{url}")), git(None, url, GitReference::Default));
        assert_eq!(parse(&format!("git+{url}#v1")), git(None, url, GitReference::Any("v1".into())));
        assert_eq!(parse(&format!("git+{url}#tag=v1")), git(None, url, GitReference::Tag("v1".into())));
        assert_eq!(parse(&format!("git+{url}#branch=main")), git(None, url, GitReference::Branch("main".into())));
        assert_eq!(
            parse(&format!("mine=git+{url}#rev=0a1b")),
            git(Some("mine"), url, GitReference::Rev("0a1b".into()))
        );
    }

    #[test]
    fn a_crate_of_the_registry_is_named_with_its_version() {
        let requirement = "1.2".parse().expect("a requirement");
        assert_eq!(parse("mine@1.2"), Ok(PluginArg::Registry { package: "mine".into(), requirement }));
    }

    #[test]
    fn an_item_that_cannot_be_understood_says_what_to_write() {
        let refused = [
            ("", "a name is empty; write `--plugins a,b`"),
            ("git+", "`git+` names no repository; write `git+https://host/path#TAG`"),
            ("https://h/x", "`https://h/x` is an address; for a git repository write `git+https://h/x`"),
            ("mine@one", "`mine@one`: `one` is no version requirement; write `mine@1.2`"),
            (
                "git+file:///x#",
                "`git+file:///x#` names no revision after `#`; write `#TAG`, `#BRANCH` or `#REVISION`, or leave the `#` out",
            ),
        ];
        for (item, expected) in refused {
            assert_eq!(parse(item), Err(expected.to_owned()));
        }
    }

    #[test]
    fn a_replacement_is_a_name_and_a_folder() {
        let replacement: Replacement = "mine=../mine".parse().expect("understood");
        assert_eq!((replacement.name.as_str(), replacement.dir), ("mine", PathBuf::from("../mine")));
        "mine".parse::<Replacement>().expect_err("no folder");
    }
}
