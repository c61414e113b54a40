use super::super::{parse, tests::told};
use super::*;
use crate::tls::testing::{self, Folder};

/// The configuration with these members of `http_server_options`, and a certificate that is right.
fn read(members: &str) -> Result<(Edge, Vec<String>), Vec<String>> {
    let folder = Folder::new();
    let made = testing::server(&["a.example.com"]);
    let file = folder.written("both.pem", &format!("{}{}", made.key, made.certificate));
    let text = format!(
        "{{\"secret\":\"s\",\n\"http_server_options\":{{\"use_ssl\":true,\"ssl_certificates\":[\"{}\"],\n{members}}}}}",
        file.display()
    );
    let parsed = parse(Some("tyk.conf"), &text, []);
    parsed.map(|(config, warnings)| (config.edge, told(&warnings))).map_err(|errors| told(&errors))
}

fn settings(members: &str) -> (Arc<TlsSettings>, Vec<String>) {
    let (edge, warnings) = read(members).expect("it is right");
    (edge.tls.expect("TLS is on"), warnings)
}

#[test]
fn versions_are_gos_numbers_and_those_that_rustls_lacks_are_refused_with_the_reason() {
    let known = |members: &str| {
        let versions = settings(members).0.versions.iter().map(|v| format!("{:?}", v.version)).collect::<Vec<_>>();
        versions.join(" ")
    };
    assert_eq!(known(r#""min_version":0"#), "TLSv1_3 TLSv1_2");
    assert_eq!(known(r#""min_version":772"#), "TLSv1_3");
    assert_eq!(known(r#""min_version":771,"max_version":771"#), "TLSv1_2");
    for (members, expected) in [
        (
            r#""min_version":769"#,
            "tyk.conf:3:15: http_server_options.min_version: 769 is TLS 1.0, which is broken and which rustls does \
             not have; use 771 (TLS 1.2) or 772 (TLS 1.3)",
        ),
        (
            r#""max_version":12"#,
            "tyk.conf:3:15: http_server_options.max_version: 12 is no version of TLS; use 771 (TLS 1.2) or 772 (TLS \
             1.3)",
        ),
        (
            r#""min_version":772,"max_version":771"#,
            "tyk.conf:3:33: http_server_options.max_version: 771 is older than `min_version` 772; no client could \
             connect",
        ),
    ] {
        assert_eq!(read(members).map(drop).expect_err("it is wrong"), [expected]);
    }
}

#[test]
fn ciphers_are_chosen_by_gos_names_and_unknown_ones_are_told() {
    let (tls, warnings) = settings(
        r#""ssl_ciphers":["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305","TLS_RSA_WITH_AES_128_CBC_SHA","TLS_AES_128_GCM_SHA256"]"#,
    );
    let names: Vec<String> = tls.provider.cipher_suites.iter().map(|suite| name(*suite)).collect();
    let expected = [
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_128_GCM_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    ];
    assert_eq!(names, expected);
    let told = "tyk.conf:3:55: http_server_options.ssl_ciphers[1]: `TLS_RSA_WITH_AES_128_CBC_SHA` is not offered; \
                this gateway has TLS_AES_256_GCM_SHA384, ";
    assert!(matches!(&warnings[..], [one] if one.starts_with(told)), "{warnings:?}");
}

#[test]
fn a_list_of_ciphers_that_leaves_a_version_without_any_is_refused() {
    let told = read(r#""ssl_ciphers":["NULL"]"#).map(drop).expect_err("it is wrong");
    assert!(told[0].contains("for TLSv1_2, which `min_version` allows; name one of TLS_ECDHE_"), "{told:?}");
    assert!(read(r#""ssl_ciphers":["NULL"],"min_version":772"#).is_ok());
}

#[test]
fn a_certificate_that_cannot_be_used_is_told_with_its_place() {
    let refused = read(r#""certificates":[{"domain_name":"x","cert_file":"/none.crt","key_file":"/none.key"}]"#);
    let expected = "tyk.conf:3:48: http_server_options.certificates[0].cert_file: /none.crt: No such file or \
                    directory (os error 2); name a PEM file that the gateway may read";
    assert_eq!(refused.map(drop).expect_err("it is wrong"), [expected]);
    let variable = ("TYK_GW_HTTPSERVEROPTIONS_SSLCERTIFICATES".into(), "/none.pem".into());
    let text = r#"{"secret":"s","http_server_options":{"use_ssl":true}}"#;
    let told = told(&parse(Some("tyk.conf"), text, [variable]).expect_err("it is wrong"));
    assert!(told[0].starts_with("TYK_GW_HTTPSERVEROPTIONS_SSLCERTIFICATES: [0]: /none.pem: No such"), "{told:?}");
}

#[test]
fn tls_without_a_certificate_is_refused_and_without_tls_none_is_looked_at() {
    let text = r#"{"secret":"s","http_server_options":{"use_ssl":true}}"#;
    let told = told(&parse(Some("tyk.conf"), text, []).expect_err("it is wrong"));
    assert!(told[0].starts_with("tyk.conf:1:48: http_server_options.use_ssl: is set, and there is no certificate"));
    let text = r#"{"secret":"s","http_server_options":{"ssl_certificates":["/none.pem"],"certificates":[]}}"#;
    let (_, warnings) = parse(Some("tyk.conf"), text, []).expect("it is not looked at");
    let warnings = super::super::tests::told(&warnings);
    let place = "tyk.conf:1:57: http_server_options.ssl_certificates: has no effect: clients are served without TLS";
    assert!(matches!(&warnings[..], [one] if one.starts_with(place)), "{warnings:?}");
}

#[test]
fn a_hostname_is_a_host_or_a_pattern_of_one() {
    let told = |hostname: &str| {
        let text = format!(r#"{{"secret":"s","hostname":"{hostname}"}}"#);
        parse(Some("tyk.conf"), &text, []).map(drop).map_err(|errors| told(&errors))
    };
    assert_eq!(told("{tenant}.example.com"), Ok(()));
    let wrong = told("{a:[}.com").expect_err("wrong");
    assert_eq!(wrong, ["tyk.conf:1:26: hostname: not a regular expression: unclosed character class"]);
    assert!(told("https://a.com/").expect_err("wrong")[0].contains("hostname: is not a host; write it as"));
}

#[test]
fn a_certificate_without_its_files_names_is_told_what_is_missing() {
    let refused = read(r#""certificates":[{"cert":"/a.pem"}]"#).map(drop).expect_err("it is wrong");
    let expected = "http_server_options.certificates[0].cert_file: is missing, or empty; name a PEM file that the \
                    gateway may read";
    assert!(refused[0].ends_with(expected), "{refused:?}");
}

#[test]
fn the_clients_of_every_api_are_files_that_can_be_read() {
    let text = r#"{"secret":"s","security":{"certificates":{"apis":["/none.pem"]}}}"#;
    let told = told(&parse(Some("tyk.conf"), text, []).expect_err("it is wrong"));
    assert!(told[0].starts_with("tyk.conf:1:51: security.certificates.apis[0]: /none.pem: No such file"), "{told:?}");
}
