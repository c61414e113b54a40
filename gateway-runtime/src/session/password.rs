//! How the passwords of users are hashed and compared.
//!
//! Source: Tyk, `setBasicAuthSessionPassword` in `gateway/api.go`, `checkPassword` in `gateway/mw_basic_auth.go`.

use std::borrow::Cow;

use gateway_model::BasicAuthData;
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

use super::hash::Algorithm;

/// What passwords that are written are hashed with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum PasswordHash {
    /// Takes as long as 1,024 rounds do, for whoever guesses too.
    #[default]
    Bcrypt,
    /// One that hashes keys: whoever reads the store guesses fast.
    Fast(Algorithm),
}

/// As Tyk names it in sessions.
const BCRYPT: &str = "bcrypt";
/// 2 to the power of this are bcrypt's rounds. Tyk's.
const COST: u32 = 10;
/// bcrypt does not read more of a password, in bytes.
const LONGEST: usize = 72;

/// There is no such hash.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown hash of passwords `{name}`; `bcrypt`, `murmur32`, `murmur64`, `murmur128` and `sha256` are known")]
pub(crate) struct UnknownPasswordHash {
    pub(crate) name: String,
}

/// Why a password is not hashed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    #[error("the password is longer than {LONGEST} bytes, of which bcrypt takes no more: write a shorter one")]
    TooLong,
    #[error("the password cannot be hashed: {0}")]
    Bcrypt(bcrypt::BcryptError),
    #[error("the password cannot be hashed: its thread ended")]
    Ended,
}

impl PasswordHash {
    /// The one of a name.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn named(name: &str) -> Result<Self, UnknownPasswordHash> {
        match name {
            BCRYPT => Ok(Self::Bcrypt),
            _ => Algorithm::named(name).map(Self::Fast).map_err(|_| UnknownPasswordHash { name: name.to_owned() }),
        }
    }

    /// A password as a session holds it. bcrypt takes tens of milliseconds.
    ///
    /// # Errors
    /// When it is too long for bcrypt, which would ignore the rest, or the system has no random numbers.
    pub(crate) fn hash(self, password: &str) -> Result<BasicAuthData, HashError> {
        let (password, hash_type) = match self {
            Self::Bcrypt if password.len() > LONGEST => return Err(HashError::TooLong),
            // Go writes this version, and reads it.
            Self::Bcrypt => (
                bcrypt::hash_with_result(password, COST)
                    .map_err(HashError::Bcrypt)?
                    .format_for_version(bcrypt::Version::TwoA),
                BCRYPT,
            ),
            Self::Fast(algorithm) => (algorithm.hash(password), algorithm.as_str()),
        };
        Ok(BasicAuthData { password, hash_type: hash_type.to_owned() })
    }
}

/// Whether a user's password is the one that was given; `None`: only bcrypt knows, as for every hash that is not known.
///
/// A session without a password is no user's, and no password is the right one.
pub(crate) fn is_right(user: &BasicAuthData, given: &str) -> Option<bool> {
    let hashed: Cow<'_, str> = match user.hash_type.as_str() {
        _ if user.password.is_empty() => return Some(false),
        "" | "plaintext" => given.into(),
        name => Algorithm::named(name).ok()?.hash(given).into(),
    };
    Some(is_same(&user.password, &hashed))
}

/// Whether a hash of bcrypt is that of a password. It takes tens of milliseconds.
///
/// # Errors
/// When it is no hash of bcrypt.
pub(crate) fn is_right_by_bcrypt(stored: &str, given: &str) -> Result<bool, bcrypt::BcryptError> {
    bcrypt::verify(given, stored)
}

/// How long it takes says nothing of either, not even its length.
fn is_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|text| digest(&SHA256, text.as_bytes()));
    one.as_ref().ct_eq(other.as_ref()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(password: &str, hash_type: &str) -> BasicAuthData {
        BasicAuthData { password: password.into(), hash_type: hash_type.into() }
    }

    #[test]
    fn a_password_is_compared_as_it_is_or_by_its_hash() {
        for (stored, hash_type) in [
            ("hello", ""),
            ("hello", "plaintext"),
            ("248bfa47", "murmur32"),
            ("cbd8a7b341bd9b02", "murmur64"),
            ("cbd8a7b341bd9b025b1e906a48ae1d19", "murmur128"),
            ("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "sha256"),
        ] {
            assert_eq!(is_right(&user(stored, hash_type), "hello"), Some(true), "{hash_type}");
            for wrong in ["", "Hello", "hello ", stored] {
                assert_eq!(is_right(&user(stored, hash_type), wrong), Some(wrong == "hello"), "{hash_type} {wrong}");
            }
        }
    }

    #[test]
    fn what_is_hashed_is_right_again_and_says_how() {
        for name in ["murmur32", "murmur64", "murmur128", "sha256"] {
            let hashed = PasswordHash::named(name).expect("a known name").hash("пароль").expect("it is hashed");
            assert_eq!(hashed.hash_type, name);
            assert_eq!(is_right(&hashed, "пароль"), Some(true));
        }
        let hashed = PasswordHash::default().hash("пароль").expect("it is hashed");
        assert_eq!((hashed.hash_type.as_str(), &hashed.password[..7]), ("bcrypt", "$2a$10$"));
        assert_eq!(is_right(&hashed, "пароль"), None, "bcrypt has to be asked");
        assert!(is_right_by_bcrypt(&hashed.password, "пароль").expect("a hash"));
        assert!(!is_right_by_bcrypt(&hashed.password, "парол").expect("a hash"));
    }

    /// Go writes `$2a$`, others `$2b$` and `$2y$`.
    #[test]
    fn hashes_of_others_are_read() {
        for (hash, password) in [
            ("$2a$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96", "password"),
            ("$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie", "correctbatteryhorsestapler"),
        ] {
            assert!(is_right_by_bcrypt(hash, password).expect("a hash"), "{hash}");
            assert!(!is_right_by_bcrypt(hash, "Password").expect("a hash"), "{hash}");
        }
        for none in ["", "x", "$2a$10$short", "$9a$04$UuTkLRZZ6QofpDOlMz32MuuxEHA43WOemOYHPz6.SjsVsyO1tDU96"] {
            assert!(is_right_by_bcrypt(none, "x").is_err(), "{none}");
        }
    }

    #[test]
    fn who_has_no_password_cannot_give_the_right_one() {
        for hash_type in ["", "plaintext", "bcrypt", "sha256"] {
            assert_eq!(is_right(&user("", hash_type), ""), Some(false));
        }
    }

    #[test]
    fn bcrypt_is_not_given_more_than_it_reads() {
        assert!(PasswordHash::Bcrypt.hash(&"x".repeat(LONGEST)).is_ok());
        assert!(matches!(PasswordHash::Bcrypt.hash(&"x".repeat(LONGEST + 1)), Err(HashError::TooLong)));
        assert_eq!(PasswordHash::named("md5"), Err(UnknownPasswordHash { name: "md5".into() }));
        assert!(PasswordHash::named("").is_err() && PasswordHash::named("plaintext").is_err());
    }
}
