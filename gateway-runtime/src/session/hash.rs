//! Hashes of keys, by the names that they have in configurations and in keys. Source: Tyk, `internal/crypto/hash.go`.
//!
//! Other gateways and tools find keys by them: they cannot be better ones.

use std::fmt::Write as _;
use std::io::Cursor;

use ring::digest::{SHA256, digest};

/// How a key is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Murmur32,
    Murmur64,
    Murmur128,
    Sha256,
}

/// There is no such hash.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown key hash function `{name}`; `murmur32`, `murmur64`, `murmur128` and `sha256` are known")]
pub(crate) struct UnknownAlgorithm {
    pub(crate) name: String,
}

impl Algorithm {
    pub(super) const ALL: [Self; 4] = [Self::Murmur32, Self::Murmur64, Self::Murmur128, Self::Sha256];

    /// The one of a name.
    ///
    /// # Errors
    /// When there is none of that name; Tyk takes [`Algorithm::Murmur64`] then, and says so.
    pub(crate) fn named(name: &str) -> Result<Self, UnknownAlgorithm> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name);
        found.ok_or_else(|| UnknownAlgorithm { name: name.to_owned() })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Murmur32 => "murmur32",
            Self::Murmur64 => "murmur64",
            Self::Murmur128 => "murmur128",
            Self::Sha256 => "sha256",
        }
    }

    /// The hash of a text, in lower-case hexadecimal digits.
    pub(crate) fn hash(self, text: &str) -> String {
        let mut text = Cursor::new(text);
        // A cursor over memory cannot fail to be read.
        match self {
            Self::Murmur32 => format!("{:08x}", murmur3::murmur3_32(&mut text, 0).unwrap_or_default()),
            Self::Murmur64 => format!("{:016x}", halves(&mut text).0),
            Self::Murmur128 => {
                let (first, second) = halves(&mut text);
                format!("{first:016x}{second:016x}")
            }
            Self::Sha256 => digest(&SHA256, text.get_ref().as_bytes()).as_ref().iter().fold(
                String::with_capacity(64),
                |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                },
            ),
        }
    }
}

/// [`Algorithm::Murmur128`] of what need not be a text.
pub(crate) fn murmur128(bytes: &[u8]) -> String {
    let (first, second) = halves(&mut Cursor::new(bytes));
    format!("{first:016x}{second:016x}")
}

/// The halves of the hash of 128 bits; the first of them is the hash of 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "each half is what is meant")]
fn halves(text: &mut Cursor<impl AsRef<[u8]>>) -> (u64, u64) {
    let both = murmur3::murmur3_x64_128(text, 0).unwrap_or_default();
    (both as u64, (both >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_reference() {
        for (algorithm, text, expected) in [
            (Algorithm::Murmur32, "hello", "248bfa47"),
            (Algorithm::Murmur64, "hello", "cbd8a7b341bd9b02"),
            (Algorithm::Murmur128, "hello", "cbd8a7b341bd9b025b1e906a48ae1d19"),
            (Algorithm::Sha256, "hello", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
            (Algorithm::Murmur32, "", "00000000"),
            (Algorithm::Murmur64, "", "0000000000000000"),
            (Algorithm::Murmur32, "hello, world", "149bbb7f"),
            (Algorithm::Murmur64, "hello, world", "342fac623a5ebc8e"),
            (Algorithm::Murmur128, "hello, world", "342fac623a5ebc8e4cdcbc079642414d"),
        ] {
            assert_eq!(algorithm.hash(text), expected, "{} of `{text}`", algorithm.as_str());
        }
    }

    #[test]
    fn a_name_means_its_hash_and_others_mean_none() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::named(algorithm.as_str()), Ok(algorithm));
        }
        for name in ["", "md5", "SHA256"] {
            assert_eq!(Algorithm::named(name), Err(UnknownAlgorithm { name: name.into() }));
        }
    }
}
