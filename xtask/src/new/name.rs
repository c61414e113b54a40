//! Which names a new crate can have.

use super::NewError;

/// Names that mean something else to Rust or to cargo.
const RESERVED: &str = "abstract alloc as async await become box break build const continue core crate deps do dyn else \
    enum examples extern false final fn for gen if impl in incremental let loop macro match mod move mut override priv \
    proc-macro proc_macro pub ref return self static std struct super test trait true try type typeof unsafe unsized use \
    virtual where while yield";

/// Packages of this repository, which a gateway consists of.
const OURS: &[&str] = &["gateway-model", "gateway-runtime", "gateway-sdk", "plugin-macros"];

/// Its other packages, and what generated gateways are called.
const NEIGHBOURS: &[&str] = &["gateway", "gateway-tests", "scaffold", "xtask"];

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// `Foo`, `1st`, `a b`
    Letters,
    /// `async`
    Reserved,
    /// `gateway-sdk`
    Ours,
}

impl BadName {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Letters => "it begins with a small letter, and goes on with small letters, digits, `-` and `_`",
            Self::Reserved => "Rust or cargo uses the word itself",
            Self::Ours => "a crate of the gateway has that name",
        }
    }
}

/// Whether a package of this name would be taken for something else by Rust or by cargo.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.split_whitespace().any(|reserved| reserved == name)
}

/// Names that cargo would refuse, or confuse with a crate of ours. A gateway of somebody's own may be called `gateway`.
pub(super) fn check(name: &str, gateway: bool) -> Result<(), NewError> {
    let mut letters = name.bytes();
    let begins = letters.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on = letters.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    let ours = |packages: &[&str]| packages.contains(&name.replace('_', "-").as_str());
    let why = if !begins || !goes_on {
        BadName::Letters
    } else if is_reserved(name) {
        BadName::Reserved
    } else if ours(OURS) || (!gateway && ours(NEIGHBOURS)) {
        BadName::Ours
    } else {
        return Ok(());
    };
    Err(NewError::Name { name: name.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(name: &str, gateway: bool) -> Option<BadName> {
        match check(name, gateway) {
            Ok(()) => None,
            Err(NewError::Name { why, .. }) => Some(why),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn names_are_those_of_crates() {
        for good in ["a", "my-plugin", "my_plugin2", "add-foo-bar-header", "bench"] {
            assert_eq!(why(good, false), None, "{good}");
        }
        for bad in ["", "-a", "1st", "My-Plugin", "a b", "a.b", "a/b", "ä"] {
            assert_eq!(why(bad, false), Some(BadName::Letters), "{bad}");
        }
        for word in ["async", "std", "abstract", "yield"] {
            assert_eq!(why(word, false), Some(BadName::Reserved), "{word}");
        }
        for ours in ["gateway-sdk", "gateway_sdk", "xtask"] {
            assert_eq!(why(ours, false), Some(BadName::Ours), "{ours}");
        }
    }

    #[test]
    fn a_gateway_may_be_called_gateway_but_not_like_its_library() {
        assert_eq!(why("gateway", true), None);
        assert_eq!(why("gateway", false), Some(BadName::Ours));
        assert_eq!(why("gateway-runtime", true), Some(BadName::Ours));
    }
}
