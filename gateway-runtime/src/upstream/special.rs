//! What is not HTTP/1.1 on a TCP connection to the origin itself: TLS, HTTP/2, a proxy on the way, another protocol.
//!
//! It is apart from the rest, and boxed, so that a request without all that costs nothing for it.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use gateway_sdk::{Request, Response};

use super::progress::Progress;
use super::target::{Origin, Speech};
use super::wire::Wire;
use super::{ForwardError, Limit, Rules, h2, http1, upgrade};
use crate::tls::client::TlsError;

/// One request and response.
#[cold]
pub(super) fn exchange<'a>(
    request: &'a mut Request,
    sent: Option<&'a Arc<Progress>>,
    origin: &'a Arc<Origin>,
    rules: Rules,
) -> Pin<Box<dyn Future<Output = Result<Response, ForwardError>> + Send + 'a>> {
    Box::pin(async move { any(request, sent, origin, rules).await.map_err(|error| in_words_of_tls(error, origin)) })
}

async fn any(
    request: &mut Request,
    sent: Option<&Arc<Progress>>,
    origin: &Arc<Origin>,
    rules: Rules,
) -> Result<Response, ForwardError> {
    origin.address(request)?;
    if let Some(wanted) = upgrade::wanted(request) {
        return upgrade::exchange(request.take(), wanted, origin, rules).await;
    }
    if !origin.may_speak_http2() {
        return http1(request, &mut Limit::none(sent), origin, None, rules).await;
    }
    let first = match h2::way(origin, rules).await? {
        h2::Way::Http2(lease) => return h2::exchange(lease, request.take(), origin, rules).await,
        h2::Way::Http1(stream) => Some(Wire::new(stream, rules.canonical_names).await.map_err(ForwardError::Exchange)?),
        h2::Way::Http1Again => None,
    };
    http1(request, &mut Limit::none(sent), origin, first, rules).await
}

/// A server of TLS 1.3 says what it thinks of the gateway's certificate when the handshake is over already.
fn in_words_of_tls(error: ForwardError, origin: &Arc<Origin>) -> ForwardError {
    let (ForwardError::Exchange(exchange), Speech::Tls(tls)) = (&error, &origin.speech) else { return error };
    let mut source = exchange.source();
    while let Some(cause) = source {
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(inner) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            let error = TlsError::of_tls(inner, tls.shows_identity());
            return ForwardError::Tls { origin: Arc::clone(origin), error };
        }
        source = cause.source();
    }
    error
}
