//! How a request names a version: a header, a parameter of the query, or the first segment of its path.

use std::sync::Arc;

use gateway_model::JsonPath;
use gateway_sdk::{HeaderName, Request};
use regex::Regex;

use crate::apis::listen_path::{ListenPath, decoded, mistake};
use crate::apis::plan::Planning;
use crate::middleware::credential::without_param;
use crate::request_path::set_path;

/// Where the name of a version is.
#[derive(Default)]
enum Location {
    Header(HeaderName),
    Query(String),
    Path,
    /// No request names one.
    #[default]
    Nowhere,
}

/// How versions are named.
#[derive(Default)]
pub(super) struct Named {
    location: Location,
    /// The name is taken out of the request.
    strips: bool,
    /// What a segment has to be like for that.
    pattern: Option<Regex>,
    /// What comes before the segment, after the listen path.
    slug: String,
    listen: Option<Arc<ListenPath>>,
}

impl Named {
    /// `None` where the definition's mistakes were told.
    pub(super) fn plan(planning: &mut Planning<'_, '_>) -> Option<Self> {
        let api = planning.api();
        let definition = &api.definition;
        let at = |field: &str| JsonPath::default().key("definition").key(field);
        let key = definition.key.as_str();
        let location = match definition.location.as_str() {
            "header" => match HeaderName::try_from(key) {
                Ok(name) => Location::Header(name),
                Err(_) => {
                    planning.refuse(&at("key"), format!("`{key}` is no name of a header, such as `x-api-version`"));
                    return None;
                }
            },
            "url-param" if !key.is_empty() => Location::Query(key.to_owned()),
            "url-param" => {
                planning.refuse(&at("key"), "is empty; say which parameter names the version".to_owned());
                return None;
            }
            "url" => Location::Path,
            "" => Location::Nowhere,
            other => {
                let reason = format!("unknown location `{other}`; locations are `header`, `url-param` and `url`");
                planning.refuse(&at("location"), reason);
                return None;
            }
        };
        let strips = definition.strip_versioning_data || (definition.strip_path && matches!(location, Location::Path));
        let pattern = match definition.url_versioning_pattern.as_str() {
            "" => None,
            pattern => match Regex::new(pattern) {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    planning.refuse(&at("url_versioning_pattern"), mistake(&error));
                    return None;
                }
            },
        };
        let slug = format!("/{}", api.slug);
        Some(Self { location, strips, pattern, slug, listen: planning.listen().cloned() })
    }

    /// The name, which is taken out of the request if the definition says so; `None` if there is none.
    pub(super) fn take(&self, request: &mut Request) -> Option<String> {
        match &self.location {
            Location::Nowhere => None,
            Location::Header(header) => {
                let name = request.headers().get(header)?.to_str().ok()?.to_owned();
                if self.strips {
                    request.headers_mut().remove(header);
                }
                Some(name)
            }
            Location::Query(param) => {
                let name = request.query_param(param)?.into_owned();
                if self.strips
                    && let Some(uri) = without_param(request.uri(), param)
                {
                    request.set_uri(uri);
                }
                Some(name)
            }
            Location::Path => self.segment(request),
        }
    }

    fn segment(&self, request: &mut Request) -> Option<String> {
        let path = request.path();
        let below = self.listen.as_ref()?.strip(path).into_owned();
        let after_slug = below.strip_prefix(&self.slug).filter(|rest| rest.starts_with('/'));
        let rest = after_slug.unwrap_or(&below);
        let rest = rest.trim_start_matches('/');
        let segment = rest.split('/').next().filter(|segment| !segment.is_empty())?;
        let name = decoded(segment).into_owned();
        let is_version = self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&name));
        // The listen path may be written with escapes that are not in the rest: then the path does not end with it.
        if self.strips
            && is_version
            && let Some(before) = path.strip_suffix(rest)
        {
            let after = rest[segment.len()..].trim_start_matches('/');
            let path = format!("{before}{after}");
            set_path(request, &path);
        }
        Some(name)
    }
}
