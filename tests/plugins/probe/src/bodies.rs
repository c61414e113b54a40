//! Read and replace bodies.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use gateway_sdk::prelude::*;
use serde::Deserialize;

const READ: HeaderName = HeaderName::from_static("x-read");

/// How much to read.
#[derive(Deserialize)]
struct Limit {
    limit: usize,
}

/// Reads the whole body, and tells the upstream its length, or that it is too large.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "endpoint"], name = "ReadBody")]
async fn read_body(req: &mut Request, limit: &Config<Limit>) -> Flow {
    let read = told(req.body_bytes(limit.limit).await);
    req.headers_mut().append(READ, read);
    Flow::Continue
}

/// Begins to read the body, and stops as soon as it would have to wait.
#[gw_plugin(hook = ["pre", "post"], name = "StartReadingBody")]
async fn start_reading_body(req: &mut Request) {
    let read = {
        let mut reading = pin!(req.body_bytes(usize::MAX));
        poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await
    };
    let read = match read {
        Poll::Pending => HeaderValue::from_static("begun"),
        Poll::Ready(read) => told(read),
    };
    req.headers_mut().append(READ, read);
}

/// What to put in the place of a body.
#[derive(Deserialize)]
struct Replacement {
    body: String,
}

/// Replaces the request's body.
#[gw_plugin(hook = ["pre", "post"], name = "ReplaceBody")]
fn replace_body(req: &mut Request, with: &Config<Replacement>) {
    req.set_body(with.body.clone());
}

/// Replaces the response's body.
#[gw_plugin(hook = "response", name = "ReplaceResponse")]
fn replace_response(res: &mut Response, with: &Config<Replacement>) {
    res.set_body(with.body.clone());
}

/// Reads the response's body and tells the client its length.
#[gw_plugin(hook = "response", name = "ReadResponse")]
async fn read_response(res: &mut Response, limit: &Config<Limit>) {
    let read = told(res.body_bytes(limit.limit).await);
    res.headers_mut().append(READ, read);
}

/// Reads the response's body, and passes on what is wrong with it.
#[gw_plugin(hook = "response", name = "NeedResponse")]
async fn need_response(res: &mut Response, limit: &Config<Limit>) -> Result<(), Reject> {
    res.body_bytes(limit.limit).await?;
    Ok(())
}

fn told(read: Result<Bytes, BodyError>) -> HeaderValue {
    match read {
        Ok(bytes) => HeaderValue::from(bytes.len()),
        Err(BodyError::TooLarge { .. }) => HeaderValue::from_static("too large"),
        Err(BodyError::OfResponse(error)) => told(Err(*error)),
        Err(_) => HeaderValue::from_static("broken"),
    }
}
