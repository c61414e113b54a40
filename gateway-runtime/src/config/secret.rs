//! A secret that is written as the place where it is. Source: Tyk, `gateway/server.go`.

use std::path::PathBuf;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("the variable `{0}` is not set, or is empty")]
    Variable(String),
    #[error("{}: {error}", file.display())]
    File { file: PathBuf, error: std::io::Error },
    #[error("{} is empty", file.display())]
    EmptyFile { file: PathBuf },
    #[error("`{0}` is not honoured by this gateway; write the secret itself, `env://NAME` or `file://PATH`")]
    Store(String),
}

/// The secret that `written` means: itself, that of a variable (`env://NAME` is `TYK_SECRET_NAME`), or of a file.
///
/// # Errors
/// When there is none in that place, or the place is one that this gateway does not know.
pub(super) fn resolve(written: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, SecretError> {
    if written.contains("$kv{") {
        return Err(SecretError::Store("$kv{…}".to_owned()));
    }
    match written.split_once("://") {
        Some(("env", name)) => {
            let name = format!("TYK_SECRET_{}", name.to_uppercase());
            variable(&name).filter(|secret| !secret.is_empty()).ok_or(SecretError::Variable(name))
        }
        Some(("file", path)) => {
            let file = PathBuf::from(path);
            match std::fs::read_to_string(&file) {
                Ok(text) if text.trim().is_empty() => Err(SecretError::EmptyFile { file }),
                Ok(text) => Ok(text.trim().to_owned()),
                Err(error) => Err(SecretError::File { file, error }),
            }
        }
        // A scheme cannot hold other characters, and so this is a secret that happens to contain `://`.
        Some((scheme, _))
            if !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            Err(SecretError::Store(format!("{scheme}://")))
        }
        _ => Ok(written.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(written: &str) -> Result<String, String> {
        let variables = [("TYK_SECRET_GATEWAY_1", "from a variable"), ("TYK_SECRET_EMPTY", "")];
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        resolve(written, variable).map_err(|error| error.to_string())
    }

    #[test]
    fn what_names_no_place_is_the_secret() {
        for text in ["", "s3cret", "a b://c", "://x"] {
            assert_eq!(told(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn a_variable_is_named_in_upper_case() {
        assert_eq!(told("env://gateway_1").as_deref(), Ok("from a variable"));
        assert_eq!(told("env://other"), Err("the variable `TYK_SECRET_OTHER` is not set, or is empty".into()));
        assert_eq!(told("env://empty"), Err("the variable `TYK_SECRET_EMPTY` is not set, or is empty".into()));
    }

    #[test]
    fn a_file_is_trimmed_and_must_hold_something() {
        let folder = std::env::temp_dir().join(format!("gw-secret-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let at = |name: &str| format!("file://{}", folder.join(name).display());
        std::fs::write(folder.join("full"), "\n from a file \n").expect("written");
        std::fs::write(folder.join("empty"), " \n").expect("written");
        assert_eq!(told(&at("full")).as_deref(), Ok("from a file"));
        assert!(told(&at("empty")).is_err_and(|reason| reason.ends_with("/empty is empty")));
        assert!(told(&at("none")).is_err_and(|reason| reason.contains("/none: No such file")));
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn another_store_is_refused_and_its_key_is_not_told() {
        for text in ["consul://key", "vault://key", "secrets://key", "kv://key", "Env://key"] {
            let (scheme, _) = text.split_once("//").expect("a scheme");
            let reason = told(text).expect_err("refused");
            assert!(
                reason.starts_with(&format!("`{scheme}//` is not honoured")) && !reason.contains("key"),
                "{reason}"
            );
        }
        assert!(told("a$kv{key}").is_err_and(|reason| reason.starts_with("`$kv{…}` is not honoured")));
    }
}
