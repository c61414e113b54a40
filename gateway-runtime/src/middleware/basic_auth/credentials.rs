//! What a request says of its user: in a header, or in its body.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_model::ApiDefinition;
use regex::bytes::Regex;

/// A name and a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

/// Why a request says neither. The texts are Tyk's, and the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoCredentials {
    Missing,
    Format,
    Encoding,
    Values,
    NoUser,
    NoPassword,
    UserGroup,
    PasswordGroup,
}

impl NoCredentials {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "Authorization field missing",
            Self::Format => "Attempted access with malformed header, header not in basic auth format",
            Self::Encoding => "Attempted access with malformed header, auth data not encoded correctly",
            Self::Values => "Attempted access with malformed header, values not in basic auth format",
            Self::NoUser => "Body do not contain username",
            Self::NoPassword => "Body do not contain password",
            Self::UserGroup => "username should be inside regexp match group",
            Self::PasswordGroup => "password should be inside regexp match group",
        }
    }
}

impl Credentials {
    /// Those in `Basic <base64 of user:password>`, whatever the scheme is called. There is one colon: a password with
    /// another is none. Source: gateway.md §12, 24.
    ///
    /// # Errors
    /// When it is something else.
    pub(super) fn of_header(text: &str) -> Result<Self, NoCredentials> {
        let (_scheme, encoded) =
            text.split_once(' ').filter(|(_, rest)| !rest.contains(' ')).ok_or(NoCredentials::Format)?;
        let decoded = BASE64_STANDARD.decode(encoded).map_err(|_| NoCredentials::Encoding)?;
        // What is no text is nobody's name.
        let decoded = String::from_utf8_lossy(&decoded);
        let (user, password) =
            decoded.split_once(':').filter(|(_, rest)| !rest.contains(':')).ok_or(NoCredentials::Values)?;
        Ok(Self { user: user.to_owned(), password: password.to_owned() })
    }
}

/// How they are found in a body: the first group of two expressions.
#[derive(Debug, Clone)]
pub(crate) struct FromBody {
    user: Regex,
    password: Regex,
}

impl FromBody {
    /// `None`: the definition does not look there.
    ///
    /// # Errors
    /// Which field is no regular expression, and why.
    pub(crate) fn of(api: &ApiDefinition) -> Result<Option<Self>, (&'static str, regex::Error)> {
        let basic = &api.basic_auth;
        if api.use_keyless || !api.use_basic_auth || !basic.extract_from_body {
            return Ok(None);
        }
        let expression = |field, text: &str| Regex::new(text).map_err(|error| (field, error));
        Ok(Some(Self {
            user: expression("basic_auth.body_user_regexp", &basic.body_user_regexp)?,
            password: expression("basic_auth.body_password_regexp", &basic.body_password_regexp)?,
        }))
    }

    /// # Errors
    /// When one of them is not there.
    pub(super) fn find(&self, body: &[u8]) -> Result<Credentials, NoCredentials> {
        let user = first_group(&self.user, body, NoCredentials::NoUser, NoCredentials::UserGroup)?;
        let password = first_group(&self.password, body, NoCredentials::NoPassword, NoCredentials::PasswordGroup)?;
        Ok(Credentials { user, password })
    }
}

fn first_group(
    expression: &Regex,
    body: &[u8],
    missing: NoCredentials,
    no_group: NoCredentials,
) -> Result<String, NoCredentials> {
    let found = expression.captures(body).ok_or(missing)?;
    if found.len() < 2 {
        return Err(no_group);
    }
    // A group that took no part is empty, as with Go.
    Ok(found.get(1).map(|group| String::from_utf8_lossy(group.as_bytes()).into_owned()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use gateway_model::BasicAuth;

    use super::*;

    fn both(user: &str, password: &str) -> Result<Credentials, NoCredentials> {
        Ok(Credentials { user: user.into(), password: password.into() })
    }

    fn header(said: &str) -> Result<Credentials, NoCredentials> {
        Credentials::of_header(&format!("Basic {}", BASE64_STANDARD.encode(said)))
    }

    /// Source: gateway.md §12, 24.
    #[test]
    fn a_header_has_a_scheme_and_one_colon() {
        assert_eq!(header("ada:secret"), both("ada", "secret"));
        assert_eq!(header("ada:"), both("ada", ""));
        assert_eq!(header(":"), both("", ""));
        assert_eq!(Credentials::of_header("Whatever YTpi"), both("a", "b"));
        for values in ["ada", "ada:sec:ret", "", "a::b"] {
            assert_eq!(header(values), Err(NoCredentials::Values), "{values}");
        }
        for format in ["", "YTpi", "Basic  YTpi", "Basic YTpi ", "a b c"] {
            assert_eq!(Credentials::of_header(format), Err(NoCredentials::Format), "{format}");
        }
        for encoding in ["Basic YTpi=", "Basic YQ", "Basic a:b", "Basic YTp-"] {
            assert_eq!(Credentials::of_header(encoding), Err(NoCredentials::Encoding), "{encoding}");
        }
    }

    #[test]
    fn what_is_no_text_is_still_told_apart() {
        let said = Credentials::of_header(&format!("Basic {}", BASE64_STANDARD.encode(b"\xff:b")));
        assert_eq!(said, both("\u{fffd}", "b"));
    }

    fn from_body(user: &str, password: &str) -> FromBody {
        let basic_auth = BasicAuth {
            extract_from_body: true,
            body_user_regexp: user.into(),
            body_password_regexp: password.into(),
            ..BasicAuth::default()
        };
        let api = ApiDefinition { use_basic_auth: true, basic_auth, ..ApiDefinition::default() };
        FromBody::of(&api).expect("expressions").expect("it is asked for")
    }

    #[test]
    fn a_body_has_them_in_the_first_group_of_two_expressions() {
        let body = b"\xff<User>ada</User><Password>secret</Password><User>eve</User>";
        let find = |user, password| from_body(user, password).find(body);
        let (user, password) = ("<User>(.*?)</User>", "<Password>(.*?)</Password>");
        assert_eq!(find(user, password), both("ada", "secret"));
        assert_eq!(find("<Name>(.*)</Name>", password), Err(NoCredentials::NoUser));
        assert_eq!(find(user, "<Pass>(.*)</Pass>"), Err(NoCredentials::NoPassword));
        assert_eq!(find("<User>.*?</User>", password), Err(NoCredentials::UserGroup));
        assert_eq!(find(user, "<Password>.*</Password>"), Err(NoCredentials::PasswordGroup));
        assert_eq!(find("<User>|(ada)", password), both("", "secret"));
    }

    #[test]
    fn who_does_not_look_in_bodies_has_no_expressions() {
        let basic_auth = BasicAuth { body_user_regexp: "(".into(), ..BasicAuth::default() };
        let mut api = ApiDefinition { use_basic_auth: true, basic_auth, ..ApiDefinition::default() };
        assert!(FromBody::of(&api).expect("not looked at").is_none());
        api.basic_auth.extract_from_body = true;
        assert_eq!(FromBody::of(&api).expect_err("no expression").0, "basic_auth.body_user_regexp");
        api.use_keyless = true;
        assert!(FromBody::of(&api).expect("not looked at").is_none());
    }
}
