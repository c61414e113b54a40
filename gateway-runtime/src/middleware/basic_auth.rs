//! Asks for the name and the password of a user, and says whose they are.
//!
//! Source: Tyk, `gateway/mw_basic_auth.go`; gateway.md §5.15.

pub(crate) mod credentials;

use std::sync::Arc;
use std::time::Duration;

use gateway_model::ApiDefinition;
use gateway_sdk::HeaderValue;
use gateway_sdk::exchange::Exchange;
use gateway_sdk::http::header::WWW_AUTHENTICATE;

use self::credentials::{Credentials, FromBody, NoCredentials};
use super::admission::Admission;
use super::credential::Places;
use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;
use crate::keyring::{Checked, KeyError, Keyring, Known};
use crate::upstream::ForwardError;

pub(super) const STEP: Middleware = Middleware { name: "basic_auth", build };

/// Where `auth_configs` says where the credential is.
const WAY: &str = "basic";
/// How long a password is known that was right, where the definition does not say.
const KNOWN: Duration = Duration::from_secs(60);
/// A body in which a name and a password are looked for is no larger, in bytes.
const LARGEST_BODY: usize = 1024 * 1024;

struct BasicAuth(Arc<Way>);

struct Way {
    places: Places,
    from_body: Option<Arc<FromBody>>,
    org_id: String,
    /// `WWW-Authenticate`.
    asks: HeaderValue,
    /// How long a password is known that was right; `None`: not at all.
    kept: Option<Duration>,
    admission: Admission,
    keyring: Arc<Keyring>,
}

fn build(Building { api, keyring, from_body, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    (api.use_basic_auth && !api.use_keyless).then(|| {
        let way = Way {
            places: Places::of(api.source_of(WAY)),
            from_body: from_body.clone(),
            org_id: api.org_id.clone(),
            asks: challenge(&api.name),
            kept: kept(api),
            admission: Admission::of(api, "basic_auth_user"),
            keyring: Arc::clone(keyring),
        };
        Box::new(BasicAuth(Arc::new(way))) as Box<dyn Step>
    })
}

fn kept(api: &ApiDefinition) -> Option<Duration> {
    let seconds = u64::try_from(api.basic_auth.cache_ttl).ok().filter(|seconds| *seconds > 0);
    (!api.basic_auth.disable_caching).then(|| seconds.map_or(KNOWN, Duration::from_secs))
}

/// Tells clients what is asked for. Source: RFC 7617 §2; RFC 9110 §5.6.4.
fn challenge(name: &str) -> HeaderValue {
    let quoted = name.chars().filter(|c| !c.is_control()).fold(String::new(), |mut quoted, c| {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
        quoted
    });
    let text = format!("Basic realm=\"{quoted}\"");
    HeaderValue::from_bytes(text.as_bytes()).expect("a text without control characters")
}

impl Step for BasicAuth {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Self(way) = self;
        let found = way.places.find(&exchange.request);
        let said = found.ok_or(NoCredentials::Missing).and_then(|text| Credentials::of_header(&text));
        match (said, &way.from_body) {
            (Ok(said), _) => way.identify(said, exchange),
            (Err(_), Some(from_body)) => Ok(way.read_body(from_body, exchange)),
            (Err(none), None) => Err(way.refused(none, exchange)),
        }
    }
}

impl Way {
    /// Reads the body, which stays where it was, and looks for the credentials there.
    fn read_body(self: &Arc<Self>, from_body: &Arc<FromBody>, exchange: &mut Exchange) -> Ran {
        let (way, from_body) = (Arc::clone(self), Arc::clone(from_body));
        let mut body = std::mem::take(exchange.request.body_mut());
        let read = async move { (body.bytes(LARGEST_BODY).await, body) };
        Ran::wait(read, move |(read, body), exchange| {
            *exchange.request.body_mut() = body;
            let read = read.map_err(ForwardError::Body)?;
            match from_body.find(&read) {
                Ok(said) => way.identify(said, exchange),
                Err(none) => Err(way.refused(none, exchange)),
            }
        })
    }

    /// Looks the user up, and the password at them. A user is a key of this organisation, and of no other.
    fn identify(self: &Arc<Self>, said: Credentials, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Credentials { user, password } = said;
        let rules = &self.keyring.settings.rules;
        let (user, legacy) = (rules.compose(&self.org_id, &user), rules.legacy(&self.org_id, &user));
        let cached = self.keyring.cached(&self.org_id, &user);
        let cached = cached.or_else(|| self.keyring.cached(&self.org_id, legacy.as_deref()?));
        if let Some(known) = cached {
            return self.check(Some(known), &user, &password, exchange);
        }
        let (way, look_up) = (Arc::clone(self), self.look_up(user.clone(), legacy));
        Ok(Ran::wait(look_up, move |found, exchange| match found {
            Ok(found) => way.check(found, &user, &password, exchange),
            Err(error) => Err(RequestError::KeyFailed(error)),
        }))
    }

    /// The user of a key, who may have been written before keys said how they are hashed.
    fn look_up(
        self: &Arc<Self>,
        user: String,
        legacy: Option<String>,
    ) -> impl Future<Output = Result<Option<Known>, KeyError>> + Send + use<> {
        let way = Arc::clone(self);
        async move {
            match (way.keyring.look_up(&way.org_id, &user).await?, legacy) {
                (None, Some(legacy)) => way.keyring.look_up(&way.org_id, &legacy).await,
                (found, _) => Ok(found),
            }
        }
    }

    /// Compares the password. It takes as long for a name that is nobody's.
    fn check(
        self: &Arc<Self>,
        found: Option<Known>,
        user: &str,
        password: &str,
        exchange: &mut Exchange,
    ) -> Result<Ran, RequestError> {
        let Keyring { passwords, settings, .. } = &*self.keyring;
        let found = found.filter(|known| !known.session.basic_auth_data.password.is_empty());
        let checked = match &found {
            Some(known) => passwords.check(known, password, self.kept),
            None => passwords.check_nobody(user, password, settings.password_hash),
        };
        match checked {
            Checked::Now(is_right) => self.conclude(is_right, found, exchange),
            Checked::Later(answer) => {
                let way = Arc::clone(self);
                Ok(Ran::wait(answer, move |answer, exchange| {
                    way.conclude(answer.map_err(RequestError::PasswordsBusy)?, found, exchange)
                }))
            }
        }
    }

    fn conclude(&self, is_right: bool, found: Option<Known>, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        let Some(known) = found.filter(|_| is_right) else { return Err(self.not_authorised(exchange)) };
        self.admission.admit(known, exchange)
    }

    /// A client that says nothing is told what to say; one that says it wrongly only that.
    fn refused(&self, none: NoCredentials, exchange: &mut Exchange) -> RequestError {
        if none == NoCredentials::Missing {
            self.ask(exchange);
        }
        RequestError::NoPassword(none)
    }

    fn not_authorised(&self, exchange: &mut Exchange) -> RequestError {
        self.ask(exchange);
        RequestError::UserUnknown
    }

    fn ask(&self, exchange: &mut Exchange) {
        exchange.ctx.set_response_header(WWW_AUTHENTICATE, self.asks.clone());
    }
}

#[cfg(test)]
mod tests {
    use gateway_model::{AuthConfig, BasicAuth, Session};

    use super::*;
    use crate::keyring::Settings;
    use crate::session::hash::Algorithm;
    use crate::session::key::KeyRules;
    use crate::storage::{Memory, Store};

    #[test]
    fn the_realm_is_the_name_of_the_api_whatever_is_in_it() {
        for (name, asks) in [
            ("Orders", "Basic realm=\"Orders\""),
            ("", "Basic realm=\"\""),
            ("the \"new\" \\ one\r\nx: y", "Basic realm=\"the \\\"new\\\" \\\\ onex: y\""),
            ("Заказы", "Basic realm=\"Заказы\""),
        ] {
            assert_eq!(challenge(name).as_bytes(), asks.as_bytes());
        }
    }

    #[test]
    fn a_right_password_is_known_for_a_minute_unless_the_definition_says_otherwise() {
        let kept = |cache_ttl, disable_caching| {
            let basic_auth = BasicAuth { cache_ttl, disable_caching, ..BasicAuth::default() };
            kept(&ApiDefinition { basic_auth, ..ApiDefinition::default() }).map(|kept| kept.as_secs())
        };
        assert_eq!((kept(0, false), kept(5, false), kept(5, true)), (Some(60), Some(5), None));
    }

    #[tokio::test]
    async fn a_user_is_found_who_was_written_before_keys_said_how_they_are_hashed() {
        for function in [None, Some(Algorithm::Sha256)] {
            let settings = Settings { rules: KeyRules { function, ..KeyRules::default() }, ..Settings::default() };
            let keyring = Arc::new(Keyring::new(Store::new(Memory::default()).into(), settings));
            keyring.put("oada", &Session::new().with_alias("old")).await.expect("there is room");
            let way = Arc::new(Way {
                places: Places::of(&AuthConfig::default()),
                from_body: None,
                org_id: "o".to_owned(),
                asks: challenge(""),
                kept: None,
                admission: Admission::of(&ApiDefinition::default(), "basic_auth_user"),
                keyring: Arc::clone(&keyring),
            });
            let look_up = async |user: &str| {
                let rules = &keyring.settings.rules;
                let found = way.look_up(rules.compose("o", user), rules.legacy("o", user)).await;
                found.expect("an answer").map(|known| known.session.alias.clone())
            };
            assert_eq!(look_up("ada").await.as_deref(), Some("old"), "{function:?}");
            assert_eq!(look_up("eve").await, None);
            let newer = keyring.settings.rules.compose("o", "ada");
            keyring.put(&newer, &Session::new().with_alias("new")).await.expect("there is room");
            assert_eq!(look_up("ada").await.as_deref(), Some("new"), "{function:?}");
        }
    }
}
