//! Refuses requests to an API, or to a version of one, that has been switched off by its date; before that, tells the
//! client the date. Source: Tyk, `gateway/mw_version_check.go`.

use std::time::{SystemTime, UNIX_EPOCH};

use gateway_model::{ApiDefinition, expiry};
use gateway_sdk::exchange::Exchange;
use gateway_sdk::{HeaderName, HeaderValue};

use super::version_check::{VersionError, default_version};
use super::{Building, Middleware, Ran, Step};
use crate::error::RequestError;

pub(super) const STEP: Middleware = Middleware { name: "expiry", build };

static EXPIRES: HeaderName = HeaderName::from_static("x-tyk-api-expires");

struct Expiry {
    api: Option<SystemTime>,
    version: Option<SystemTime>,
    /// The earlier of them.
    header: HeaderValue,
}

fn build(Building { api, .. }: &Building<'_>) -> Option<Box<dyn Step>> {
    Expiry::of(api).map(|expiry| Box::new(expiry) as Box<dyn Step>)
}

impl Expiry {
    fn of(api: &ApiDefinition) -> Option<Self> {
        let served = default_version(&api.version_data).ok().flatten();
        // Reading the definition refuses what is no moment; should one come by another way, it is over.
        let moment = |text: &str| expiry(text).unwrap_or(Some(UNIX_EPOCH));
        let version = served.and_then(|(_, version)| moment(&version.expires));
        let api = moment(&api.expiration);
        let first = api.into_iter().chain(version).min()?;
        Some(Self { api, version, header: rfc1123(first) })
    }

    fn check(&self, now: SystemTime) -> Result<(), VersionError> {
        let is_over = |moment: Option<SystemTime>| moment.is_some_and(|moment| moment <= now);
        if is_over(self.api) {
            return Err(VersionError::ApiExpired);
        }
        if is_over(self.version) {
            return Err(VersionError::Expired);
        }
        Ok(())
    }
}

/// As Go's `time.RFC1123` writes a moment in UTC, which is not quite a date of HTTP.
fn rfc1123(moment: SystemTime) -> HeaderValue {
    let text = httpdate::fmt_http_date(moment).replace("GMT", "UTC");
    HeaderValue::try_from(text).expect("a date is visible ASCII")
}

impl Step for Expiry {
    fn run(&self, exchange: &mut Exchange) -> Result<Ran, RequestError> {
        self.check(SystemTime::now())?;
        exchange.ctx.set_response_header(EXPIRES.clone(), self.header.clone());
        Ok(Ran::On)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_model::{Version, VersionData};

    use super::*;

    /// An API that ends at `api`, with one version that ends at `version`.
    fn api(api: &str, version: &str) -> ApiDefinition {
        let version = Version { expires: version.into(), ..Version::default() };
        let versions = [("v1".to_owned(), version)].into();
        let version_data = VersionData { not_versioned: true, versions, ..VersionData::default() };
        ApiDefinition { expiration: api.into(), version_data, ..ApiDefinition::default() }
    }

    fn at(text: &str) -> SystemTime {
        expiry(text).expect("a moment").expect("not never")
    }

    #[test]
    fn an_api_without_a_date_has_no_step() {
        assert!(Expiry::of(&ApiDefinition::default()).is_none());
        assert!(Expiry::of(&api("-1", "")).is_none());
        assert!(Expiry::of(&api("2030-01-01 00:00", "")).is_some());
        assert!(Expiry::of(&api("", "2030-01-01 00:00")).is_some());
    }

    #[test]
    fn it_is_over_from_that_minute_on() {
        let expiry = Expiry::of(&api("2030-01-01 00:00", "")).expect("a step");
        let end = at("2030-01-01 00:00");
        assert!(expiry.check(end - Duration::from_secs(1)).is_ok());
        assert!(matches!(expiry.check(end), Err(VersionError::ApiExpired)));
    }

    #[test]
    fn the_api_is_asked_before_its_version() {
        let expiry = Expiry::of(&api("2031-01-01 00:00", "2030-01-01 00:00")).expect("a step");
        assert!(expiry.check(at("2029-12-31 23:59")).is_ok());
        assert!(matches!(expiry.check(at("2030-01-01 00:00")), Err(VersionError::Expired)));
        assert!(matches!(expiry.check(at("2031-01-01 00:00")), Err(VersionError::ApiExpired)));
    }

    #[test]
    fn the_header_says_the_first_date_as_go_writes_it() {
        let header = |definition: &ApiDefinition| Expiry::of(definition).expect("a step").header;
        assert_eq!(header(&api("2006-01-02 15:04", "")), "Mon, 02 Jan 2006 15:04:00 UTC");
        assert_eq!(header(&api("2006-01-02 15:04", "2005-12-31 00:00")), "Sat, 31 Dec 2005 00:00:00 UTC");
        assert_eq!(header(&api("9999-12-31 23:59", "")), "Fri, 31 Dec 9999 23:59:00 UTC");
    }

    #[test]
    fn what_is_no_date_is_over() {
        let expiry = Expiry::of(&api("soon", "")).expect("a step");
        assert!(matches!(expiry.check(SystemTime::now()), Err(VersionError::ApiExpired)));
    }
}
