//! Users with passwords: how they are written, and whom a password lets in. Source: gateway.md §2.6, §5.11, §5.15.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use gateway_tests::wire::Wire;
use gateway_tests::{Answer, Client, Conf, Definition, Gateway, Upstream, api, get, post};
use http::Method;
use serde_json::{Value, json};

const MISSING: &str = "Authorization field missing";
const REFUSED: &str = "User not authorised";

/// An API that asks for a password.
fn guarded(upstream: &Upstream) -> Definition {
    api("users", upstream.address).set("/name", "The users").set("/use_keyless", false).set("/use_basic_auth", true)
}

/// A user with rights on that API.
fn user(password: &str) -> Value {
    json!({"org_id": "default", "alias": "ada", "access_rights": {"users": {"api_id": "users"}},
        "basic_auth_data": {"password": password}})
}

async fn write(gateway: &Gateway, method: Method, name: &str, session: &Value) -> Answer {
    gateway.operate(method, &format!("/tyk/keys/{name}"), session.to_string()).await
}

/// `user:password`, as a client says it.
fn header(said: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(said))
}

async fn ask(gateway: &Gateway, said: &str) -> Answer {
    gateway.ask(get("/users/get").header("authorization", &header(said))).await
}

#[track_caller]
fn asks(answer: &Answer, message: &str) {
    answer.is_error(401, message);
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"The users\"");
}

#[tokio::test]
async fn a_user_is_let_in_by_their_password_and_by_no_other() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream)).await;
    let written = write(&gateway, Method::POST, "ada", &user("secret")).await;
    written.is_reply(200, r#"{"key":"defaultada","status":"ok","action":"added"}"#);
    for said in ["ada:secret", "defaultada:secret", "ada:secret"] {
        assert_eq!(ask(&gateway, said).await.status, 200, "{said}");
    }
    for said in ["ada:Secret", "ada:", "eve:secret", ":", "ad:secret"] {
        asks(&ask(&gateway, said).await, REFUSED);
    }
    asks(&gateway.get("/users/get").await, MISSING);
    assert_eq!(upstream.seen().len(), 3);
}

/// Source: gateway.md §12.24, §5.11.
#[tokio::test]
async fn what_is_no_name_and_password_is_told_apart() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream)).await;
    write(&gateway, Method::POST, "ada", &user("sec:ret")).await;
    for (authorization, what) in [
        (header("ada:sec:ret").as_str(), "values not in basic auth format"),
        (header("ada").as_str(), "values not in basic auth format"),
        ("Basic not-base64", "auth data not encoded correctly"),
        ("Basic", "header not in basic auth format"),
        ("Basic a b", "header not in basic auth format"),
    ] {
        let answer = gateway.ask(get("/users/get").header("authorization", authorization)).await;
        answer.is_error(400, &format!("Attempted access with malformed header, {what}"));
        assert_eq!(answer.header("www-authenticate"), "");
    }
    assert_eq!(upstream.seen().len(), 0);
}

#[tokio::test]
async fn a_password_is_stored_by_the_hash_of_the_configuration_and_never_read() {
    let upstream = Upstream::start();
    for (function, hash_type) in [
        ("", "bcrypt"),
        ("bcrypt", "bcrypt"),
        ("murmur32", "murmur32"),
        ("murmur64", "murmur64"),
        ("murmur128", "murmur128"),
        ("sha256", "sha256"),
        ("md5", "bcrypt"),
    ] {
        let conf = Conf::default().set("basic_auth_hash_key_function", function);
        let gateway = conf.with(&guarded(&upstream)).start().await;
        assert_eq!(write(&gateway, Method::POST, "ada", &user("secret")).await.status, 200);
        let read = gateway.control("/tyk/keys/defaultada").await.json();
        assert_eq!(read["basic_auth_data"], json!({"hash_type": hash_type}), "{function}");
        assert_eq!(ask(&gateway, "ada:secret").await.status, 200, "{function}");
        asks(&ask(&gateway, "ada:secreT").await, REFUSED);
    }
}

#[tokio::test]
async fn a_password_stays_unless_another_is_written() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream)).await;
    write(&gateway, Method::POST, "ada", &user("first")).await;
    assert_eq!(ask(&gateway, "ada:first").await.status, 200);
    let without = user("");
    let written = write(&gateway, Method::PUT, "defaultada", &without).await;
    written.is_reply(200, r#"{"key":"defaultada","status":"ok","action":"modified"}"#);
    assert_eq!(ask(&gateway, "ada:first").await.status, 200);
    assert_eq!(write(&gateway, Method::PUT, "defaultada", &user("second")).await.status, 200);
    asks(&ask(&gateway, "ada:first").await, REFUSED);
    assert_eq!(ask(&gateway, "ada:second").await.status, 200);
    let named = gateway.operate(Method::DELETE, "/tyk/keys/ada?username=true&org_id=default", "").await;
    assert_eq!(named.json()["action"], "deleted");
    asks(&ask(&gateway, "ada:second").await, REFUSED);
    let long = write(&gateway, Method::POST, "ada", &user(&"x".repeat(73))).await;
    let reason = "Failed to create key - the password is longer than 72 bytes, of which bcrypt takes no more: write a \
                  shorter one";
    long.is_refusal(400, reason);
}

/// Source: gateway.md §2.6: with `hash_keys` the response `key` is empty.
#[tokio::test]
async fn where_keys_are_hashed_that_of_a_user_is_not_told() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("hash_keys", true).set("hash_key_function", "sha256");
    let gateway = conf.with(&guarded(&upstream)).start().await;
    let written = write(&gateway, Method::POST, "ada", &user("secret")).await.json();
    assert_eq!((&written["key"], &written["action"]), (&json!(""), &json!("added")));
    let hash = written["key_hash"].as_str().expect("a hash");
    let read = gateway.control(&format!("/tyk/keys/{hash}?hashed=1")).await.json();
    assert_eq!((&read["alias"], &read["basic_auth_data"]["password"]), (&json!("ada"), &Value::Null));
    assert_eq!(ask(&gateway, "ada:secret").await.status, 200);
    asks(&ask(&gateway, "ada:wrong").await, REFUSED);
}

/// Source: gateway.md §5.15: a user is looked up in the organisation of the API.
#[tokio::test]
async fn a_user_of_another_organisation_is_nobody() {
    let upstream = Upstream::start();
    let rights = json!({"org_id": "org2", "access_rights": {"users": {"api_id": "users"}},
        "basic_auth_data": {"password": "secret"}});
    for function in ["", "sha256"] {
        let conf = Conf::default().set("hash_key_function", function);
        let gateway = conf.with(&guarded(&upstream)).start().await;
        let written = write(&gateway, Method::POST, "bob", &rights).await.json();
        let key = written["key"].as_str().expect("a key").to_owned();
        for said in [format!("{key}:secret"), "org2bob:secret".to_owned(), "bob:secret".to_owned()] {
            asks(&ask(&gateway, &said).await, REFUSED);
        }
    }
    assert_eq!(upstream.seen().len(), 0);
}

/// The name of a user is no secret.
#[tokio::test]
async fn the_name_of_a_user_is_no_token() {
    let upstream = Upstream::start();
    let tokens = api("users", upstream.address).set("/use_keyless", false);
    let gateway = Gateway::serving(&tokens).await;
    write(&gateway, Method::POST, "ada", &user("secret")).await;
    let rights = json!({"users": {"api_id": "users"}});
    let signer = json!({"org_id": "default", "hmac_enabled": true, "hmac_string": "s", "access_rights": rights});
    write(&gateway, Method::POST, "signer", &signer).await;
    for token in ["ada", "defaultada", "signer"] {
        let answer = gateway.ask(get("/users/get").header("authorization", token)).await;
        answer.is_error(403, "Access to this API has been disallowed");
    }
    assert_eq!(write(&gateway, Method::POST, "token", &user("")).await.status, 200);
    assert_eq!(gateway.ask(get("/users/get").header("authorization", "token")).await.status, 200);
}

/// A key that is no user's is not opened by an empty password.
#[tokio::test]
async fn a_key_without_a_password_is_no_user() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&guarded(&upstream)).await;
    assert_eq!(write(&gateway, Method::POST, "token", &user("")).await.status, 200);
    for said in ["token:", "token:token"] {
        asks(&ask(&gateway, said).await, REFUSED);
    }
}

#[tokio::test]
async fn a_name_and_a_password_may_be_in_the_body() {
    let upstream = Upstream::start();
    let basic = json!({
        "extract_from_body": true,
        "body_user_regexp": "<User>(.*)</User>",
        "body_password_regexp": "<Password>(.*)</Password>",
    });
    let gateway = Gateway::serving(&guarded(&upstream).set("/basic_auth", basic.clone())).await;
    write(&gateway, Method::POST, "ada", &user("se:cret")).await;
    let whole = "<User>ada</User><Password>se:cret</Password>";
    assert_eq!(gateway.ask(post("/users/post", whole)).await.status, 200);
    assert_eq!(String::from_utf8_lossy(&upstream.last().message.body), whole, "the upstream gets it too");
    let with_header = post("/users/post", whole).header("authorization", "Basic x");
    assert_eq!(gateway.ask(with_header).await.status, 200, "where a header says nothing, the body may");
    asks(&gateway.ask(post("/users/post", whole.replace("cret", "cre"))).await, REFUSED);
    for (body, message) in [
        ("", "Body do not contain username"),
        ("<Password>x</Password>", "Body do not contain username"),
        ("<User>ada</User>", "Body do not contain password"),
    ] {
        gateway.ask(post("/users/post", body)).await.is_error(400, message);
    }
    // It is not waited for.
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("POST /users/post HTTP/1.1\r\nHost: g\r\nContent-Length: 1048577\r\n\r\n").await;
    assert_eq!(wire.responses().await.remove(0).status(), 413);

    let ungrouped = json!({"body_user_regexp": "ada", "body_password_regexp": "(.*)", "extract_from_body": true});
    let gateway = Gateway::serving(&guarded(&upstream).set("/basic_auth", ungrouped)).await;
    let message = "username should be inside regexp match group";
    gateway.ask(post("/users/post", "ada")).await.is_error(400, message);
}

/// What would leave the API to tokens in Tyk does not load here.
#[tokio::test]
async fn an_expression_that_is_none_does_not_open_the_api() {
    let upstream = Upstream::start();
    let broken = json!({"extract_from_body": true, "body_user_regexp": "(", "body_password_regexp": "(.*)"});
    let gateway = Gateway::serving(&guarded(&upstream).set("/basic_auth", broken)).await;
    ask(&gateway, "ada:secret").await.is_error(500, "Internal Server Error");
    let line = gateway.log().message("API definition").await;
    assert!(line.text.contains("basic_auth.body_user_regexp: not a regular expression"), "{}", line.text);
}

/// Source: gateway.md §12, 6; §5.3: several ways in are all asked, basic authentication before a token.
#[tokio::test]
async fn a_password_and_a_token_are_both_asked_for_and_the_base_counts() {
    let upstream = Upstream::start();
    let both = || {
        let places = json!({"basic": {"auth_header_name": "x-user"}, "authToken": {"auth_header_name": "x-token"}});
        guarded(&upstream)
            .set("/use_standard_auth", true)
            .set("/strip_auth_data", true)
            .set("/auth_configs", places)
            .plugins("post_key_auth", &["ShowSession"])
    };
    for (base, alias) in [("", "of the token"), ("basic_auth_user", "ada"), ("auth_token", "of the token")] {
        let gateway = Gateway::serving(&both().set("/base_identity_provided_by", base)).await;
        write(&gateway, Method::POST, "ada", &user("secret")).await;
        let token = json!({"org_id": "default", "alias": "of the token", "access_rights": {"users": {}}});
        write(&gateway, Method::POST, "mine", &token).await;
        let good = header("ada:secret");
        let ask = async |said: &str, token: &str| {
            gateway.ask(get("/users/get").header("x-user", said).header("x-token", token)).await
        };
        let answer = ask(&good, "mine").await;
        assert_eq!((answer.status, answer.header("x-session")), (200, alias), "{base}");
        let seen = upstream.last();
        assert_eq!((seen.header("x-user"), seen.header("x-token")), ("", ""));
        asks(&ask(&header("ada:wrong"), "nobody").await, REFUSED);
        ask(&good, "nobody").await.is_error(403, "Access to this API has been disallowed");
        ask(&good, "").await.is_error(401, MISSING);
    }
}

/// Source: gateway.md §3.5: a token is asked for where nothing else is.
#[tokio::test]
async fn where_passwords_are_asked_for_a_token_is_not() {
    let upstream = Upstream::start();
    let strips = guarded(&upstream).set("/strip_auth_data", true);
    let gateway = Gateway::serving(&strips).await;
    write(&gateway, Method::POST, "ada", &user("secret")).await;
    assert_eq!(ask(&gateway, "ada:secret").await.status, 200);
    assert_eq!(upstream.last().header("authorization"), "");
    let token = gateway.ask(get("/users/get").header("authorization", "defaultada")).await;
    token.is_error(400, "Attempted access with malformed header, header not in basic auth format");
}

/// Wrong passwords take bcrypt as long as right ones, and nobody else waits for them.
#[tokio::test]
async fn many_wrong_passwords_at_once_are_all_refused() {
    let upstream = Upstream::start();
    let gateway = Conf::default().with(&guarded(&upstream)).with(&api("open", upstream.address)).start().await;
    write(&gateway, Method::POST, "ada", &user("secret")).await;
    let address = gateway.address;
    let guesses: Vec<_> = (0..16)
        .map(|n| {
            let said = header(&format!("ada:{n}"));
            tokio::spawn(async move {
                let ask = get("/users/get").header("authorization", &said);
                Client::connect(address).await.ask(ask).await
            })
        })
        .collect();
    assert_eq!(gateway.get("/open/get").await.status, 200);
    for guess in guesses {
        asks(&guess.await.expect("an answer"), REFUSED);
    }
    assert_eq!(ask(&gateway, "ada:secret").await.status, 200);
}
