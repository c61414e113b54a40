//! One row of ROUTES, and how a path finds it.

use gateway_sdk::exchange::BoxFuture;
use gateway_sdk::{Method, Response};
use percent_encoding::percent_decode_str;

use super::call::Call;
use super::refusal::Refusal;

/// One control route.
pub(super) struct Route {
    pub(super) method: Method,
    /// After `/tyk`. A segment `{name}` stands for any text that is not empty.
    pub(super) path: &'static str,
    pub(super) run: for<'a> fn(Call<'a>) -> BoxFuture<'a, Result<Response, Refusal>>,
}

/// What there is for a method and a path.
pub(super) enum Found {
    /// With what stands for its variable segments, in their order.
    Route(&'static Route, Vec<String>),
    /// The path is known by these methods: those of the first row that it fits, and no others that it fits too.
    OtherMethods(String),
    Nothing,
}

/// Looks a path up, which begins after `/tyk` and does not end with a slash.
pub(super) fn find(routes: &'static [Route], method: &Method, path: &str) -> Found {
    let mut known: Vec<&str> = Vec::new();
    let mut first = None;
    for route in routes {
        if let Some(arguments) = arguments(route.path, path) {
            if route.method == *method {
                return Found::Route(route, arguments);
            }
            if *first.get_or_insert(route.path) == route.path {
                known.push(route.method.as_str());
            }
        }
    }
    if known.is_empty() { Found::Nothing } else { Found::OtherMethods(known.join(", ")) }
}

/// What stands for the variable segments, without its escapes: an escaped slash is part of a segment, as keys have them.
/// `None` if the path is another one, or no text.
fn arguments(route: &str, path: &str) -> Option<Vec<String>> {
    let mut arguments = Vec::new();
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(arguments),
            (Some(segment), Some(text)) if segment.starts_with('{') => {
                let text = percent_decode_str(text).decode_utf8().ok().filter(|text| !text.is_empty())?;
                arguments.push(text.into_owned());
            }
            (Some(segment), Some(text)) if segment == text => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(route: &str, path: &str, expected: Option<&[&str]>) {
        let found = arguments(route, path);
        let found: Option<Vec<&str>> = found.as_ref().map(|found| found.iter().map(String::as_str).collect());
        assert_eq!(found.as_deref(), expected, "{route} {path}");
    }

    #[test]
    fn a_segment_in_braces_stands_for_any_text() {
        check("/apis", "/apis", Some(&[]));
        check("/apis", "/api", None);
        check("/apis", "/apis/a", None);
        check("/apis/{id}", "/apis/a", Some(&["a"]));
        check("/apis/{id}", "/apis", None);
        check("/apis/{id}", "/apis/", None);
        check("/apis/{id}", "/apis/a/b", None);
        check("/apis/{id}/versions", "/apis/a/versions", Some(&["a"]));
        check("/a/{x}/b/{y}", "/a/1/b/2", Some(&["1", "2"]));
    }

    #[test]
    fn who_uses_another_method_is_told_those_of_the_first_path_that_fits() {
        const fn row(method: Method, path: &'static str) -> Route {
            Route { method, path, run: |_| Box::pin(async { Err(Refusal::Internal) }) }
        }
        const ROWS: &[Route] =
            &[row(Method::POST, "/keys/new"), row(Method::GET, "/keys/{key}"), row(Method::POST, "/keys/{key}")];
        let told = |path| match find(ROWS, &Method::PATCH, path) {
            Found::OtherMethods(known) => known,
            Found::Route(..) | Found::Nothing => String::new(),
        };
        assert_eq!((&*told("/keys/new"), &*told("/keys/old"), &*told("/keys")), ("POST", "GET, POST", ""));
        assert!(matches!(find(ROWS, &Method::GET, "/keys/new"), Found::Route(_, key) if key == ["new"]));
    }

    #[test]
    fn escapes_are_undone_within_a_segment_and_must_be_text() {
        check("/keys/{id}", "/keys/a%2Fb%20c%25", Some(&["a/b c%"]));
        check("/keys/{id}", "/keys/..%2F..%2Fx", Some(&["../../x"]));
        check("/keys/{id}", "/keys/%FF", None);
    }
}
