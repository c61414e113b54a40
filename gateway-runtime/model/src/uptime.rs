//! How the hosts of an API are watched.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::duration::{DurationError, duration};

/// Checks of hosts. Source: Tyk, `UptimeTests` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct UptimeTests {
    /// Makes none of them.
    pub disabled: bool,
    /// The checks; each marks the host of its URL.
    pub check_list: Vec<HostCheck>,
}

/// One check. Source: Tyk, `HostCheckObject` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct HostCheck {
    /// What is asked: an `http` URL, or `[tcp://]host:port`.
    pub url: String,
    /// `tcp` for a connection and `commands`, else HTTP: the host is well if the status is 200.
    pub protocol: String,
    /// How long it may take: nanoseconds, or a text as [`duration`](crate::duration()) reads it.
    pub timeout: Value,
    /// The method; `GET` if empty.
    pub method: String,
    /// Headers of the request.
    pub headers: BTreeMap<String, String>,
    /// Body of the request.
    pub body: String,
    /// What is said and heard on a `tcp` connection, in this order.
    pub commands: Vec<CheckCommand>,
}

/// One step of a `tcp` check. Source: Tyk, `CheckCommand` in `apidef/api_definitions.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, expecting = "an object")]
pub struct CheckCommand {
    /// `send` or `expect`.
    pub name: String,
    /// The bytes.
    pub message: String,
}

impl HostCheck {
    /// How long the check may take; `None` where it does not say.
    ///
    /// # Errors
    /// When `timeout` is no time.
    pub fn limit(&self) -> Result<Option<Duration>, DurationError> {
        let time = match &self.timeout {
            Value::Null => Duration::ZERO,
            Value::String(text) => duration(text)?,
            Value::Number(number) => match number.as_u64() {
                Some(nanoseconds) => Duration::from_nanos(nanoseconds),
                None => return Err(DurationError::Syntax(number.to_string())),
            },
            other => return Err(DurationError::Syntax(other.to_string())),
        };
        Ok(Some(time).filter(|time| !time.is_zero()))
    }

    /// Whether a connection is all that is tried, and what is said on it.
    pub fn is_tcp(&self) -> bool {
        self.protocol == "tcp"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_nanoseconds_or_a_text() {
        let limit = |timeout: Value| HostCheck { timeout, ..HostCheck::default() }.limit();
        assert_eq!(limit(Value::Null), Ok(None));
        assert_eq!(limit(0.into()), Ok(None));
        assert_eq!(limit(1_500_000_000_u64.into()), Ok(Some(Duration::from_millis(1500))));
        assert_eq!(limit("2s".into()), Ok(Some(Duration::from_secs(2))));
        for wrong in [Value::from("2"), (-1).into(), 1.5.into(), true.into()] {
            assert!(limit(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
