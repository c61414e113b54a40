//! What a plugin may return, and what that means: [`Flow`], [`Reject`], [`Json`] and the traits behind them.

use std::error::Error;
use std::fmt;
use std::ops::ControlFlow;

use bytes::Bytes;
use gateway_model::Session;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;

use crate::analytics::Fate;
use crate::body::BodyError;
use crate::caller::Caller;
use crate::exchange::Outcome;
use crate::host::{FetchError, StoreError};
use crate::message::Response;

/// Go on, or answer here.
#[derive(Debug)]
pub enum Flow {
    /// The next plugin, and in the end the upstream.
    Continue,
    /// This is the answer: nothing after this plugin runs, and the upstream is not called.
    Respond(Response),
}

impl Flow {
    /// Answers with `answer`.
    pub fn respond(answer: impl IntoResponse) -> Self {
        Self::Respond(answer.into_response())
    }
}

/// A value as a JSON body, `Content-Type: application/json`.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// The request is refused.
///
/// [`Reject::new`] sends the status alone, [`Reject::error`] the gateway's error body, and any [`Response`] converts
/// into a `Reject`. The gateway adds nothing to what the plugin wrote.
#[derive(Debug)]
pub struct Reject(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    answer: Answer,
    reason: Option<String>,
}

/// What a refused client gets.
#[derive(Debug)]
pub enum Answer {
    /// Exactly this.
    Own(Response),
    /// The gateway's error body with this message, as JSON or XML.
    Gateway {
        /// The status, and headers that the plugin added.
        head: Response,
        /// What the client reads.
        message: String,
    },
}

impl Reject {
    /// Refuses with a status and an empty body.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        Self::from(Response::new(status))
    }

    /// Refuses with the gateway's own error body, `{"error": "<message>"}`.
    pub fn error(status: StatusCode, message: impl Into<String>) -> Self {
        let answer = Answer::Gateway { head: Response::new(status), message: message.into() };
        Self(Box::new(Refusal { answer, reason: None }))
    }

    /// Something went wrong here: the client reads `Internal Server Error`, the log reads `reason`.
    pub fn internal(reason: impl fmt::Display) -> Self {
        Self::error(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error").because(reason)
    }

    /// Why, for the log only.
    #[must_use]
    pub fn because(mut self, reason: impl fmt::Display) -> Self {
        self.0.reason = Some(reason.to_string());
        self
    }

    /// The same with one header set.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.head_mut().headers_mut().insert(name, value);
        self
    }

    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match &self.0.answer {
            Answer::Own(head) | Answer::Gateway { head, .. } => head.status(),
        }
    }

    /// Why, as given to [`Reject::because`].
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// A refusal with this answer. For the runtime.
    #[doc(hidden)]
    #[must_use]
    pub fn from_answer(answer: Answer, reason: Option<String>) -> Self {
        Self(Box::new(Refusal { answer, reason }))
    }

    /// What the client gets.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        self.0.answer
    }

    fn head_mut(&mut self) -> &mut Response {
        match &mut self.0.answer {
            Answer::Own(head) | Answer::Gateway { head, .. } => head,
        }
    }
}

impl From<Response> for Reject {
    fn from(response: Response) -> Self {
        Self(Box::new(Refusal { answer: Answer::Own(response), reason: None }))
    }
}

impl From<StatusCode> for Reject {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl From<BodyError> for Reject {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge { .. } => Self::error(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            BodyError::Broken(_) => {
                Self::error(StatusCode::BAD_REQUEST, "There was a problem with reading Body of the Request.")
            }
            BodyError::OfResponse(ref error) => {
                let message = match **error {
                    BodyError::TooLarge { .. } => "Response body too large",
                    _ => "There was a problem proxying the request",
                };
                Self::error(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
        }
        .because(error)
    }
}

impl From<FetchError> for Reject {
    fn from(error: FetchError) -> Self {
        Self::internal(told(&error))
    }
}

impl From<StoreError> for Reject {
    fn from(error: StoreError) -> Self {
        Self::internal(told(&error))
    }
}

/// An error and its causes.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<Box<dyn Error + Send + Sync>> for Reject {
    fn from(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::internal(told(&*error))
    }
}

/// What can be an answer to a client: a [`Response`], a status, [`Json`], text, bytes, or a status with one of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer to a client",
    label = "not an answer",
    note = "answer with a `Response`, a `StatusCode`, `Json(value)`, text or bytes, or `(StatusCode, one of these)`"
)]
pub trait IntoResponse {
    /// The response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::new(self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        // A value that cannot be JSON is the plugin's mistake, found by its first test: the client reads a 500.
        Response::json(StatusCode::OK, &self.0).unwrap_or_else(|_| Response::new(StatusCode::INTERNAL_SERVER_ERROR))
    }
}

macro_rules! text_response {
    ($($type:ty => $media_type:literal),+ $(,)?) => {$(
        impl IntoResponse for $type {
            fn into_response(self) -> Response {
                Response::new(StatusCode::OK)
                    .with_header(http::header::CONTENT_TYPE, HeaderValue::from_static($media_type))
                    .with_body(self)
            }
        }
    )+};
}

text_response! {
    &'static str => "text/plain; charset=utf-8",
    String => "text/plain; charset=utf-8",
    Bytes => "application/octet-stream",
    Vec<u8> => "application/octet-stream",
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> Response {
        let mut response = self.1.into_response();
        response.set_status(self.0);
        response
    }
}

// The traits of outcomes hide their impls from rustc's lists: the notes say the same, in the order of use.

/// What a plugin of the hooks `pre`, `post_key_auth`, `post` and `endpoint` may return.
#[diagnostic::on_unimplemented(
    message = "a plugin of this hook cannot return `{Self}`",
    label = "cannot be returned here",
    note = "return nothing to go on, a `Response` (or a status, `Json`, text) to answer here, `Flow` or `Option<Response>` for either",
    note = "`Result<_, Reject>` of one of these refuses the request; any other error becomes one by `.map_err(Reject::internal)`, or by `impl From<YourError> for Reject`"
)]
pub trait IntoOutcome {
    #[doc(hidden)]
    fn into_outcome(self) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Continue
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse> IntoOutcome for T {
    fn into_outcome(self) -> Outcome {
        Outcome::Respond(Box::new(self.into_response()))
    }
}

#[diagnostic::do_not_recommend]
impl IntoOutcome for Flow {
    fn into_outcome(self) -> Outcome {
        match self {
            Self::Continue => Outcome::Continue,
            Self::Respond(response) => response.into_outcome(),
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse> IntoOutcome for Option<T> {
    fn into_outcome(self) -> Outcome {
        self.map_or(Outcome::Continue, IntoOutcome::into_outcome)
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse> IntoOutcome for ControlFlow<T> {
    fn into_outcome(self) -> Outcome {
        self.break_value().into_outcome()
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoOutcome, E: Into<Reject>> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        self.map_or_else(|error| Outcome::Reject(error.into()), IntoOutcome::into_outcome)
    }
}

/// What a plugin of the hook `auth_check` may return.
#[diagnostic::on_unimplemented(
    message = "an `auth_check` plugin cannot return `{Self}`",
    label = "does not say who the caller is",
    note = "return `Result<Session, Reject>`: who the caller is, or why the request is refused",
    note = "any other error becomes one by `.map_err(Reject::internal)`, or by `impl From<YourError> for Reject`"
)]
pub trait IntoAuthOutcome {
    #[doc(hidden)]
    fn into_auth_outcome(self, caller: &mut Caller) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl IntoAuthOutcome for Session {
    fn into_auth_outcome(self, caller: &mut Caller) -> Outcome {
        *caller = self.into();
        Outcome::Continue
    }
}

#[diagnostic::do_not_recommend]
impl IntoAuthOutcome for Option<Session> {
    fn into_auth_outcome(self, caller: &mut Caller) -> Outcome {
        self.map_or(Outcome::Continue, |found| found.into_auth_outcome(caller))
    }
}

#[diagnostic::do_not_recommend]
impl IntoAuthOutcome for Flow {
    fn into_auth_outcome(self, _caller: &mut Caller) -> Outcome {
        self.into_outcome()
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoAuthOutcome, E: Into<Reject>> IntoAuthOutcome for Result<T, E> {
    fn into_auth_outcome(self, caller: &mut Caller) -> Outcome {
        match self {
            Ok(value) => value.into_auth_outcome(caller),
            Err(error) => Outcome::Reject(error.into()),
        }
    }
}

/// What a plugin of the hook `response` may return.
#[diagnostic::on_unimplemented(
    message = "a `response` plugin cannot return `{Self}`",
    label = "cannot be returned here",
    note = "change the `&mut Response` and return nothing, return another `Response`, or `Result<_, Reject>` of one of these",
    note = "any other error becomes one by `.map_err(Reject::internal)`, or by `impl From<YourError> for Reject`"
)]
pub trait IntoResponseOutcome {
    #[doc(hidden)]
    fn into_response_outcome(self) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl IntoResponseOutcome for () {
    fn into_response_outcome(self) -> Outcome {
        Outcome::Continue
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponseOutcome for Response {
    fn into_response_outcome(self) -> Outcome {
        self.into_outcome()
    }
}

#[diagnostic::do_not_recommend]
impl IntoResponseOutcome for Flow {
    fn into_response_outcome(self) -> Outcome {
        self.into_outcome()
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoResponseOutcome, E: Into<Reject>> IntoResponseOutcome for Result<T, E> {
    fn into_response_outcome(self) -> Outcome {
        match self {
            Ok(value) => value.into_response_outcome(),
            Err(error) => Outcome::Reject(error.into()),
        }
    }
}

/// What a plugin of the hook `analytics` may return.
#[diagnostic::on_unimplemented(
    message = "an `analytics` plugin cannot return `{Self}`",
    label = "cannot be returned here",
    note = "change the `&mut AnalyticsRecord` and return nothing, or `Fate` to say whether it is kept, or `Result<_, Reject>` of one of these",
    note = "any other error becomes one by `.map_err(Reject::internal)`, or by `impl From<YourError> for Reject`"
)]
pub trait IntoRecordOutcome {
    #[doc(hidden)]
    fn into_record_outcome(self) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl IntoRecordOutcome for () {
    fn into_record_outcome(self) -> Outcome {
        Outcome::Continue
    }
}

#[diagnostic::do_not_recommend]
impl IntoRecordOutcome for Fate {
    fn into_record_outcome(self) -> Outcome {
        match self {
            Self::Keep => Outcome::Continue,
            Self::Drop => Outcome::Discard,
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: IntoRecordOutcome, E: Into<Reject>> IntoRecordOutcome for Result<T, E> {
    fn into_record_outcome(self) -> Outcome {
        self.map_or_else(|error| Outcome::Reject(error.into()), IntoRecordOutcome::into_record_outcome)
    }
}
