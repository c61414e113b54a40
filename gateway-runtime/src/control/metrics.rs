//! `GET /tyk/metrics`: what the process counts, as Prometheus reads it. A path of this gateway, which Tyk does not have.

use gateway_sdk::http::header::CONTENT_TYPE;
use gateway_sdk::{HeaderValue, Response, StatusCode};

use crate::metrics::Text;

pub(super) fn text() -> Response {
    let media_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Response::new(StatusCode::OK).with_header(CONTENT_TYPE, media_type).with_body(Text.to_string())
}
