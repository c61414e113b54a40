//! Mistakes in how clients say who they are.

use super::{check, with};

#[test]
fn a_password_in_a_body_is_found_by_two_expressions() {
    let empty = "is empty; write an expression with one group, such as `<User>(.*)</User>`, or set `extract_from_body` to \
                 false";
    check(
        &with("\"use_basic_auth\":true,\n\"basic_auth\":{\"extract_from_body\":true,\n\"body_user_regexp\":\"\"}"),
        &[
            &format!("error 3:14: basic_auth.body_password_regexp: {empty}"),
            &format!("error 4:20: basic_auth.body_user_regexp: {empty}"),
        ],
    );
    let whole =
        r#""basic_auth":{"extract_from_body":true,"body_user_regexp":"u=(.*)","body_password_regexp":"p=(.*)"}"#;
    check(&with(&format!("\"use_basic_auth\":true,{whole}")), &[]);
    check(&with(r#""basic_auth":{"extract_from_body":true}"#), &[]);
    check(&with(r#""use_keyless":true,"use_basic_auth":true,"basic_auth":{"extract_from_body":true}"#), &[]);
    let reason = "is below 0; write seconds, or 0 for 60 of them";
    check(
        &with(r#""use_basic_auth":true,"basic_auth":{"cache_ttl":-1}"#),
        &[&format!("error 2:49: basic_auth.cache_ttl: {reason}")],
    );
    let reason = "is over 315360000, which counts in its place; write seconds, such as 3600";
    check(
        &with(r#""use_basic_auth":true,"basic_auth":{"cache_ttl":9223372036854775807}"#),
        &[&format!("warning 2:49: basic_auth.cache_ttl: {reason}")],
    );
}

#[test]
fn an_algorithm_of_signed_requests_is_one_of_five() {
    let reason = "no request can be signed with it; `hmac-sha265` is not known; did you mean `hmac-sha256`?";
    let members = r#""enable_signature_checking":true,"hmac_allowed_algorithms":["rsa-sha256","hmac-sha265"]"#;
    check(&with(members), &[&format!("warning 2:74: hmac_allowed_algorithms[1]: {reason}")]);
}

#[test]
fn a_signed_token_has_a_digest_a_secret_and_a_place() {
    let members =
        |signature: &str| with(&format!(r#""auth":{{"validate_signature":true,"signature":{{{signature}}}}}"#));
    check(
        &members(r#""algorithm":"MasherySHA256","header":"s","secret":"s","allowed_clock_skew":600,"error_code":419"#),
        &[],
    );
    check(
        &members(r#""algorithm":"MasherySHA1","allowed_clock_skew":601,"error_code":200"#),
        &[
            "error 2:47: auth.signature.header: is empty, and `param_name` too; say where the signature is",
            "error 2:47: auth.signature.secret: is empty; write what only the gateway and its clients know",
            "error 2:60: auth.signature.algorithm: `MasherySHA1` is not one of `MasheryMD5`, `MasherySHA256`",
            "error 2:95: auth.signature.allowed_clock_skew: is not from 0 to 600; write seconds",
            "error 2:112: auth.signature.error_code: is no status of an error; write one from 400 to 599, or 0 for 401",
        ],
    );
    let newer =
        with(r#""auth_configs":{"authToken":{"validate_signature":true,"signature":{"header":"s","secret":"s"}}}"#);
    let reason = "`` is not one of `MasheryMD5`, `MasherySHA256`";
    check(&newer, &[&format!("error 2:68: auth_configs.authToken.signature.algorithm: {reason}")]);
    let not_asked = r#""use_basic_auth":true,"auth":{"validate_signature":true}"#;
    check(&with(not_asked), &[]);
}
