//! What a configuration file and variables come to.

use super::*;

fn vars(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn config(text: &str, variables: &[(&str, &str)]) -> Config {
    parse("tyk.conf", text, vars(variables)).expect("the configuration is right").0
}

fn mistakes(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    parse("tyk.conf", text, vars(variables)).expect_err("the configuration is wrong")
}

#[test]
fn an_empty_file_listens_on_every_address_at_8080() {
    let config = config("{}", &[]);
    assert_eq!(config.listen.to_string(), "[::]:8080");
    assert_eq!(config.app_path, Path::new("apps/"));
    assert_eq!(config.upstream_timeout, Duration::from_secs(30));
    assert_eq!(config.hello_path, "/hello");
    assert_eq!(config.max_request_body, None);
}

#[test]
fn variables_win_over_the_file() {
    let file = r#"{"listen_port": 1, "http_server_options": {"max_request_body_size": 5}}"#;
    let variables = [("TYK_GW_LISTENPORT", "9000"), ("TYK_GW_HTTPSERVEROPTIONS_MAXREQUESTBODYSIZE", "7")];
    let config = config(file, &variables);
    assert_eq!(config.listen.port(), 9000);
    assert_eq!(config.max_request_body, Some(7));
}

#[test]
fn the_loggers_own_variable_wins_over_the_prefixed_one() {
    let variables = [("TYK_LOGLEVEL", "error"), ("TYK_GW_LOGLEVEL", "debug")];
    assert_eq!(config("{}", &variables).log_level, tracing::Level::ERROR);
}

#[test]
fn every_wrong_value_is_told_with_its_position() {
    let file = "{\n  \"listen_address\": \"here\",\n  \"log_level\": \"loud\"\n}";
    assert_eq!(
        mistakes(file, &[("TYK_GW_LISTENPORT", "many")]),
        [
            "TYK_GW_LISTENPORT: `many` is not a whole number",
            "tyk.conf:2:21: listen_address: `here` is not an IP address",
            "tyk.conf:3:16: log_level: `loud` is not one of `debug`, `info`, `warn`, `error`",
        ]
    );
}

#[test]
fn a_wrong_type_is_told_with_its_position() {
    assert_eq!(
        mistakes("{\n \"listen_port\": \"8080\"}", &[]),
        ["tyk.conf:2:17: listen_port: invalid type: string \"8080\", expected u16"]
    );
    assert_eq!(
        mistakes("{\"listen_port\": 70000}", &[]),
        ["tyk.conf:1:17: listen_port: invalid value: integer `70000`, expected u16"]
    );
}

#[test]
fn a_syntax_error_is_told_with_its_position() {
    assert_eq!(mistakes("{\"a\": }", &[]), ["tyk.conf:1:7: expected value"]);
}

#[test]
fn keys_without_effect_are_warned_about_unless_they_are_off() {
    let file = r#"{"secret": "s", "hash_keys": true, "enable_jsvm": false, "storage": {"type": "redis"}}"#;
    let (_, warnings) = parse("tyk.conf", file, vars(&[("TYK_GW_HASHKEYS", "1")])).expect("it is right");
    let paths: Vec<_> = warnings.iter().map(|line| line.split(": not honoured").next().unwrap_or_default()).collect();
    assert_eq!(paths, ["TYK_GW_HASHKEYS", "tyk.conf:1:30: hash_keys", "tyk.conf:1:69: storage"]);
}

#[test]
fn the_published_secret_is_warned_about() {
    let (_, warnings) = parse("tyk.conf", "{}", []).expect("it is right");
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("published default"), "{warnings:?}");
}
