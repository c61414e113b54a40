//! Changes the path of a request, and leaves its query.

use gateway_sdk::http::uri::PathAndQuery;
use gateway_sdk::{Request, Uri};

/// Sets the path. One that cannot be in a URI changes nothing: what is a part of a request's path always can.
pub(crate) fn set_path(request: &mut Request, path: &str) {
    let uri = request.uri();
    let text = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(text).ok();
    if parts.path_and_query.is_some()
        && let Ok(uri) = Uri::from_parts(parts)
    {
        request.set_uri(uri);
    }
}
