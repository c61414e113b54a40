//! Set, change and show the session.

use gateway_sdk::prelude::*;

const SESSION: HeaderName = HeaderName::from_static("x-session");

fn shown(session: Option<&Session>) -> HeaderValue {
    let alias = session.map_or("none", |session| &*session.alias);
    HeaderValue::from_str(alias).unwrap_or(HeaderValue::from_static("not a header"))
}

/// Sets the session that its configuration describes.
#[gw_plugin(hook = ["pre", "auth_check", "post_key_auth", "post", "endpoint"], name = "SetSession")]
fn set_session(session: &Config<Session>, ctx: &Ctx) -> Flow {
    let session = Session::clone(session);
    ctx.set_session(session.with_key_id("probe"), true);
    Flow::Continue
}

/// Sets the session that its configuration describes, and does not say whose it is.
#[gw_plugin(hook = "auth_check", name = "SetNameless")]
fn set_nameless(session: &Config<Session>) -> Result<Session, Reject> {
    Ok(Session::clone(session))
}

/// Goes on without having set a session.
#[gw_plugin(hook = "auth_check", name = "SetNoSession")]
fn set_no_session() -> Flow {
    Flow::Continue
}

/// Changes the alias of the session that there is.
#[gw_plugin(hook = ["post_key_auth", "post", "endpoint"], name = "RenameSession")]
fn rename_session(session: &mut Session) {
    session.alias.push_str(", renamed");
}

/// Tells client and upstream the alias of the session.
#[gw_plugin(hook = ["pre", "post_key_auth", "post", "endpoint"], name = "ShowSession")]
fn show_session(req: &mut Request, session: Option<&Session>, ctx: &Ctx) {
    req.headers_mut().append(SESSION, shown(session));
    ctx.append_response_header(SESSION, shown(session));
}

/// Tells the client the alias of the session that the response's chain sees.
#[gw_plugin(hook = "response", name = "ShowSessionInResponse")]
fn show_session_in_response(res: &mut Response, session: Option<&Session>) {
    res.headers_mut().append(HeaderName::from_static("x-session-in-response"), shown(session));
}
