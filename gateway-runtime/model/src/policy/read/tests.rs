//! What is found in policies: every claim goes through [`check`] or [`check_all`].

use super::*;

const NO_EFFECT: &str = "not honoured by this gateway; the field has no effect";

fn told(findings: &[Finding]) -> Vec<String> {
    let told =
        |finding: &Finding| format!("{} {}", finding.severity, finding.at("").to_string().trim_start_matches(':'));
    findings.iter().map(told).collect()
}

/// A file of a folder yields exactly these findings, each as `severity line:column: path: reason`.
fn check(text: &str, expected: &[&str]) -> Option<Policy> {
    let PolicyReading { policy, findings } = read_policy(text);
    assert_eq!(told(&findings), expected, "in {text}");
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(policy.is_none(), refused, "a policy comes with no error, and only then: {text}");
    policy
}

/// The same of a file of policies.
fn check_all(text: &str, expected: &[&str]) -> Option<BTreeMap<String, Policy>> {
    let PoliciesReading { policies, findings } = read_policies(text);
    assert_eq!(told(&findings), expected, "in {text}");
    let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
    assert_eq!(policies.is_none(), refused, "policies come with no error, and only then: {text}");
    policies
}

#[test]
fn a_policy_of_every_field_is_read_as_it_stands() {
    let mut document = known::every_field();
    document["partitions"]["per_api"] = false.into();
    document["partitions"].as_object_mut().unwrap().remove("new");
    document["access_rights"]["demo"]["limit"].as_object_mut().unwrap().remove("burst");
    document["access_rights"]["demo"].as_object_mut().unwrap().remove("mcp_tools");
    document.as_object_mut().unwrap().remove("of_the_future");
    let policy = check(&document.to_string(), &[]).unwrap();
    assert_eq!((policy.id.as_str(), policy.quota_max, policy.per), ("p", -1, 60.0));
    assert_eq!(policy.access_rights["demo"].endpoints[0].methods[0].limit.rate, 1.0);
}

#[test]
fn the_key_in_a_file_of_policies_is_the_id() {
    let text = r#"{"gold": {"rate": 5, "per": 1},
 "free": {"id": "other", "org_id": "default"}}"#;
    let policies =
        check_all(text, &["warning 2:17: free.id: is not what counts: the id of this policy is its key, `free`"]);
    let ids: Vec<_> = policies.unwrap().into_iter().map(|(key, policy)| (key, policy.id)).collect();
    assert_eq!(ids, [("free".to_owned(), "free".to_owned()), ("gold".to_owned(), "gold".to_owned())]);
    assert!(check_all("{}", &[]).unwrap().is_empty());
}

#[test]
fn a_policy_in_a_folder_needs_an_id() {
    let reason = "is empty; every policy in a folder needs one of its own";
    check("{}", &[&format!("error 1:1: id: {reason}")]);
    check(r#"{"id":""}"#, &[&format!("error 1:7: id: {reason}")]);
    check(r#"{"id":7}"#, &["error 1:7: id: invalid type: integer `7`, expected a string"]);
}

#[test]
fn every_mistake_of_a_file_is_told_in_one_run() {
    check_all(
        r#"{"a": {"rate": "5", "tags": [7, true]},
 "b": {"access_rights": {"x": {"versions": "v1", "limit": {"quota_max": 1.5}}}},
 "c": [], "d": null,
 "": {}}"#,
        &[
            "error 1:16: a.rate: invalid type: string \"5\", expected a number",
            "error 1:30: a.tags[0]: invalid type: integer `7`, expected a string",
            "error 1:33: a.tags[1]: invalid type: boolean `true`, expected a string",
            "error 2:44: b.access_rights.x.versions: invalid type: string \"v1\", expected a sequence",
            "error 2:73: b.access_rights.x.limit.quota_max: invalid type: floating point `1.5`, expected a whole number",
            "error 3:7: c: invalid type: sequence, expected struct Policy",
            "error 3:16: d: is null; a policy is an object",
            "error 4:6: [\"\"]: is the id of a policy, and empty; no session can name it",
        ],
    );
}

#[test]
fn what_is_no_map_of_policies_is_refused() {
    check_all("[]", &["error 1:1: invalid type: sequence, expected a map"]);
    check_all("7", &["error 1:1: invalid type: integer `7`, expected a map"]);
    check_all("null", &["error 1:1: is null; policies are an object, by id"]);
    check_all("{", &["error 1:1: EOF while parsing an object"]);
    check("null", &["error 1:1: is null; a policy is an object"]);
}

#[test]
fn an_unknown_field_is_warned_about_and_kept() {
    let policy = check(
        r#"{"id":"p","ratte":5,"zero":0,
 "partitions":{"acl":true,"quotas":true},
 "access_rights":{"a":{"mcp_tools":["x"],"limit":{"qouta_max":1}}}}"#,
        &[
            &format!("warning 1:19: ratte: {NO_EFFECT}; did you mean `rate`?"),
            &format!("warning 2:36: partitions.quotas: {NO_EFFECT}; did you mean `quota`?"),
            &format!("warning 3:36: access_rights.a.mcp_tools: {NO_EFFECT}"),
            &format!("warning 3:63: access_rights.a.limit.qouta_max: {NO_EFFECT}; did you mean `quota_max`?"),
        ],
    )
    .unwrap();
    assert_eq!(policy.other["ratte"], 5);
    assert_eq!(policy.access_rights["a"].limit.other["qouta_max"], 1);
}

#[test]
fn keys_match_whatever_their_case() {
    let policy = check(
        r#"{"ID":"p","Rate":5,"PER":1,"Partitions":{"Quota":true},"access_rights":{"A":{"Limit":{"RATE":1,"per":1}}}}"#,
        &[],
    );
    let policy = policy.unwrap();
    assert_eq!((policy.rate, policy.partitions.quota, policy.access_rights["A"].limit.rate), (5.0, true, 1.0));
    check(
        r#"{"id":"p","rate":5,"per":1,"RATE":6}"#,
        &[&format!("warning 1:35: RATE: {NO_EFFECT}; did you mean `rate`?")],
    );
}

#[test]
fn a_policy_that_says_what_cannot_be_is_warned_about() {
    check(
        r#"{"id":"p","partitions":{"per_api":true,"acl":true},
 "rate":5,
 "post_expiry_action":"keep",
 "access_rights":{"a":{"limit":{"rate":1}}}}"#,
        &[
            "warning 1:35: partitions.per_api: excludes the other partitions: every key with this policy is refused; \
             leave `per_api` or the others",
            "warning 2:9: rate: has no effect: `per` is not above 0; say in how many seconds",
            "warning 3:23: post_expiry_action: has no effect; it is `retain` or `delete`",
            "warning 4:40: access_rights.a.limit.rate: has no effect: `per` is not above 0; say in how many seconds",
        ],
    );
}

#[test]
fn reading_never_panics_whatever_the_text() {
    let text = known::every_field().to_string();
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        assert!(read_policy(&text[..end]).policy.is_none(), "up to {end}");
    }
    for token in ["null", "7", "\"\"", "[]", "{}", "[null]", "\u{feff}", "}"] {
        let mut begin = 0;
        for length in text.split_inclusive(|c: char| "{}[]:,".contains(c)).map(str::len) {
            let mutated = format!("{}{token}{}", &text[..begin], &text[begin + length - 1..]);
            let is_refused = |found: &[Finding]| found.iter().any(|finding| finding.severity == Severity::Error);
            let PolicyReading { policy, findings } = read_policy(&mutated);
            assert_eq!(policy.is_none(), is_refused(&findings), "{mutated}");
            let PoliciesReading { policies, findings } = read_policies(&format!("{{\"p\":{mutated}}}"));
            assert_eq!(policies.is_none(), is_refused(&findings), "{mutated}");
            begin += length;
        }
    }
}
