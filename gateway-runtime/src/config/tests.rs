//! What a configuration file and variables come to.

use super::*;

fn vars(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

pub(super) fn told(remarks: &[Remark]) -> Vec<String> {
    remarks.iter().map(Remark::to_string).collect()
}

pub(super) fn config(text: &str, variables: &[(&str, &str)]) -> Config {
    parse(Some("tyk.conf"), text, vars(variables)).expect("the configuration is right").0
}

pub(super) fn mistakes(text: &str, variables: &[(&str, &str)]) -> Vec<String> {
    told(&parse(Some("tyk.conf"), text, vars(variables)).expect_err("the configuration is wrong"))
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
        ["tyk.conf:2:17: listen_port: invalid type: string \"8080\", expected a whole number up to 65535"]
    );
    assert_eq!(
        mistakes("{\"listen_port\": 70000}", &[]),
        ["tyk.conf:1:17: listen_port: invalid value: integer `70000`, expected a whole number up to 65535"]
    );
}

#[test]
fn a_syntax_error_is_told_with_its_position() {
    assert_eq!(mistakes("{\"a\": }", &[]), ["tyk.conf:1:7: expected value"]);
}

#[test]
fn keys_without_effect_are_warned_about_unless_they_are_off() {
    let file = r#"{"secret": "s", "dns_cache": true, "enable_jsvm": false, "streaming": {"enabled": true}}"#;
    let (_, warnings) = parse(Some("tyk.conf"), file, vars(&[("TYK_GW_DNSCACHE", "1")])).expect("it is right");
    let lines = told(&warnings);
    let paths: Vec<_> = lines.iter().map(|line| line.split(": not honoured").next().unwrap_or_default()).collect();
    assert_eq!(paths, ["TYK_GW_DNSCACHE", "tyk.conf:1:30: dns_cache", "tyk.conf:1:71: streaming"]);
}

#[test]
fn the_published_secret_is_warned_about() {
    let (_, warnings) = parse(Some("tyk.conf"), "{}", []).expect("it is right");
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].to_string().starts_with("tyk.conf:1:1: secret: is the published default"), "{warnings:?}");
}

#[test]
fn without_a_file_there_is_no_position_to_tell() {
    let (_, warnings) = parse(None, "{}", []).expect("it is right");
    assert_eq!(warnings[0].place, Place::Default);
    assert!(warnings[0].to_string().starts_with("secret: is the published default"), "{warnings:?}");
}

#[test]
fn a_configuration_is_an_object() {
    assert_eq!(mistakes("\n []", &[("TYK_GW_LISTENPORT", "1")]), ["tyk.conf:2:2: expected an object"]);
    assert_eq!(mistakes("7", &[]), ["tyk.conf:1:1: expected an object"]);
    assert_eq!(
        mistakes("{\"http_server_options\": [1]}", &[("TYK_GW_HTTPSERVEROPTIONS_READTIMEOUT", "1")]),
        ["tyk.conf:1:25: http_server_options: expected an object"]
    );
    assert_eq!(mistakes("{\"security\": 1}", &[]), ["tyk.conf:1:14: security: expected an object"]);
}

#[test]
fn the_control_api_may_have_a_port_to_itself() {
    let entrances = |text: &str| {
        let config = config(text, &[]);
        [8080, 9696].map(|port| config.entrance(port))
    };
    assert_eq!(entrances("{}"), [Entrance::Both; 2]);
    assert_eq!(entrances(r#"{"control_api_port": 0}"#), [Entrance::Both; 2]);
    assert_eq!(entrances(r#"{"control_api_port": 9696}"#), [Entrance::Apis, Entrance::Control]);
    assert_eq!(config("{}", &[("TYK_GW_CONTROLAPIPORT", "9696")]).control_port, Some(9696));
}

#[test]
fn client_certificates_for_the_control_api_need_tls_and_a_list() {
    let switch = r#"{"security": {"control_api_use_mutual_tls": true}}"#;
    let told = mistakes(switch, &[]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0]
            .contains("security.control_api_use_mutual_tls: asks for client certificates, and the gateway has no TLS")
    );
    assert!(told[1].contains("security.control_api_use_mutual_tls: asks for client certificates, and none is allowed"));
    let told = mistakes("{}", &[("TYK_GW_SECURITY_CONTROLAPIUSEMUTUALTLS", "true")]);
    assert!(told[0].starts_with("TYK_GW_SECURITY_CONTROLAPIUSEMUTUALTLS: asks for client certificates"), "{told:?}");
    let idle = r#"{"secret": "s", "security": {"certificates": {"control_api": ["/none.pem"]}}}"#;
    let (_, warnings) = parse(Some("tyk.conf"), idle, []).expect("it is right");
    assert!(warnings[0].to_string().contains("security.certificates.control_api: has no effect"), "{warnings:?}");
    config(r#"{"security": {"control_api_use_mutual_tls": false}}"#, &[]);
}

#[test]
fn a_wrong_value_of_a_variable_is_told_by_its_name() {
    assert_eq!(
        mistakes("{\"listen_port\": 1}", &[("TYK_GW_LISTENPORT", "70000")]),
        ["TYK_GW_LISTENPORT: invalid value: integer `70000`, expected a whole number up to 65535"]
    );
    assert_eq!(
        mistakes("{}", &[("TYK_LOGLEVEL", "loud"), ("TYK_GW_PROXYDEFAULTTIMEOUT", "inf")]),
        [
            "TYK_GW_PROXYDEFAULTTIMEOUT: `inf` is not a number",
            "TYK_LOGLEVEL: `loud` is not one of `debug`, `info`, `warn`, `error`"
        ]
    );
}

#[test]
fn a_secret_may_be_in_a_variable() {
    let file = r#"{"secret": "env://gw"}"#;
    assert_eq!(config(file, &[("TYK_SECRET_GW", "s")]).secret, "s");
    assert_eq!(config("{}", &[("TYK_GW_SECRET", "env://gw"), ("TYK_SECRET_GW", "s")]).secret, "s");
    assert_eq!(mistakes(file, &[]), ["tyk.conf:1:12: secret: the variable `TYK_SECRET_GW` is not set, or is empty"]);
}

#[test]
fn a_secret_in_a_place_that_is_not_known_stops_the_start() {
    assert_eq!(
        mistakes(r#"{"secret": "vault://a.b"}"#, &[]),
        [
            "tyk.conf:1:12: secret: `vault://` is not honoured by this gateway; write the secret itself, `env://NAME` or \
          `file://PATH`"
        ]
    );
}

#[test]
fn times_are_bounded_however_long_they_are_asked_to_be() {
    let most = u64::MAX;
    let file = format!(
        r#"{{"proxy_default_timeout": 1e300, "graceful_shutdown_timeout_duration": {most},
             "graceful_shutdown_delay_seconds": {most}, "http_server_options": {{"read_timeout": {most}}}}}"#
    );
    let config = config(&file, &[]);
    let times = [config.upstream_timeout, config.shutdown_timeout, config.shutdown_delay, config.read_timeout];
    assert_eq!(times, [LONGEST; 4]);
    assert!(mistakes(r#"{"proxy_default_timeout": -1}"#, &[])[0].contains("proxy_default_timeout"));
}

#[cfg(unix)]
#[test]
fn a_variable_of_ours_that_is_not_utf8_is_a_mistake_and_others_are_nobodys_business() {
    use std::os::unix::ffi::OsStringExt;
    let broken = || OsString::from_vec(vec![b'a', 0xff]);
    let variables = vec![("TYK_GW_SECRET".into(), broken()), ("HOME".into(), broken()), (broken(), broken())];
    let mistakes = parse(Some("tyk.conf"), "{}", variables).expect_err("a mistake");
    assert_eq!(told(&mistakes), ["TYK_GW_SECRET: is not UTF-8"]);
}

/// What `Raw` reads, as paths of keys.
fn keys(value: &Value, path: &[&str], found: &mut Vec<Vec<String>>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| keys(value, &[path, &[key.as_str()]].concat(), found));
        }
        _ => found.push(path.iter().map(ToString::to_string).collect()),
    }
}

#[test]
fn the_keys_that_are_said_to_be_honoured_are_those_that_are_read() {
    let mut read = Vec::new();
    keys(&serde_json::to_value(Raw::default()).expect("plain data"), &[], &mut read);
    let honoured = gateway_model::configuration::HONOURED_KEYS.iter();
    let mut honoured: Vec<Vec<String>> = honoured.map(|path| path.iter().map(ToString::to_string).collect()).collect();
    read.sort();
    honoured.sort();
    assert_eq!(read, honoured);
}

#[test]
fn the_members_that_are_said_to_be_honoured_are_those_that_are_read() {
    let mut read = Vec::new();
    keys(&serde_json::to_value(edge::RawCertificate::default()).expect("plain data"), &[], &mut read);
    let [(list, members)] = gateway_model::configuration::HONOURED_MEMBERS else { panic!("one list") };
    assert_eq!(*list, ["http_server_options", "certificates"]);
    read.sort();
    let mut honoured: Vec<Vec<String>> = members.iter().map(|member| vec![(*member).to_owned()]).collect();
    honoured.sort();
    assert_eq!(read, honoured);
}

#[test]
fn a_member_of_a_certificate_without_effect_is_warned_about() {
    let file = r#"{"secret": "s", "http_server_options": {"certificates": [{"cert": "a.pem"}]}}"#;
    let (_, warnings) = parse(Some("tyk.conf"), file, []).expect("it is right");
    let place = "tyk.conf:1:67: http_server_options.certificates[0].cert: not honoured";
    assert!(told(&warnings).iter().any(|line| line.starts_with(place)), "{warnings:?}");
    let variable = vars(&[("TYK_GW_HTTPSERVEROPTIONS_CERTIFICATES", r#"[{"cert": "a.pem"}]"#)]);
    let (_, warnings) = parse(Some("tyk.conf"), r#"{"secret": "s"}"#, variable).expect("it is right");
    let place = "TYK_GW_HTTPSERVEROPTIONS_CERTIFICATES: [0].cert: not honoured";
    assert!(told(&warnings).iter().any(|line| line.starts_with(place)), "{warnings:?}");
}

#[test]
fn every_key_that_is_honoured_has_a_variable() {
    let has_variable = |path: &[&str]| env::VARIABLES.iter().any(|(_, known, _)| *known == path);
    let honoured = gateway_model::configuration::HONOURED_KEYS.iter();
    let without: Vec<_> = honoured.filter(|path| !has_variable(path)).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn a_negative_number_is_told_what_it_should_be() {
    assert_eq!(
        mistakes(r#"{"http_server_options": {"write_timeout": -1}}"#, &[]),
        [
            "tyk.conf:1:43: http_server_options.write_timeout: invalid value: integer `-1`, expected a whole number, 0 or \
             more"
        ]
    );
}
