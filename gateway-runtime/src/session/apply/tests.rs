//! Every point of the reference, §6.3, as a table: policies and a session, and what the session becomes.

use serde_json::{Map, json};

use super::*;

fn policies(document: &Value) -> BTreeMap<String, Policy> {
    let mut policies: BTreeMap<String, Policy> = serde_json::from_value(document.clone()).expect("policies");
    policies.iter_mut().for_each(|(id, policy)| policy.id.clone_from(id));
    policies
}

fn session(document: &Value) -> Session {
    serde_json::from_value(document.clone()).expect("a session")
}

/// The session, with all the policies in the order of `ids`, becomes `expected`, and stays so.
fn check(known: &Value, ids: &[&str], before: &Value, expected: &Value) {
    let known = policies(known);
    let mut it = session(before);
    it.apply_policies = ids.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(apply(&known, None, &mut it), Ok(()), "{ids:?}");
    let mut written = serde_json::to_value(&it).expect("a value");
    if let Some(written) = written.as_object_mut() {
        written.remove("apply_policies");
    }
    assert_eq!(&written, expected, "{ids:?}");
    let once = it.clone();
    assert_eq!(apply(&known, None, &mut it), Ok(()), "{ids:?}, again");
    assert_eq!(it, once, "{ids:?}, again");
}

/// The policies cannot be applied, and the session stays as it was.
fn refused(known: &Value, ids: &[&str], org_id: Option<&str>, text: &str) {
    let mut it =
        session(&json!({"rate": 7, "is_inactive": true, "access_rights": {"own": {}}})).with_key_id("1234567890");
    it.apply_policies = ids.iter().map(|id| (*id).to_owned()).collect();
    let before = it.clone();
    let error = apply(&policies(known), org_id, &mut it).expect_err("an error");
    assert_eq!(error.to_string(), text, "{ids:?}");
    assert_eq!(it, before, "{ids:?}");
}

const NONE_VALID: &str = "key has no valid policies to be applied";
const MIXED: &str = "cannot apply multiple policies when some have per_api set and some are partitioned";

#[test]
fn point_1_what_policies_govern_is_cleared_first() {
    let before = json!({
        "rate": 1000.0, "per": 1.0, "smoothing": {"enabled": true}, "throttle_interval": 9.0, "throttle_retry_limit": 9,
        "quota_max": 1000, "quota_remaining": 9, "max_query_depth": 9,
    });
    let known = json!({
        "all": {"access_rights": {"a": {}, "b": {}}},
        "acl": {"access_rights": {"a": {}, "b": {}}, "partitions": {"acl": true}},
        "quota": {"quota_max": 5, "partitions": {"quota": true}},
        "rate": {"rate": 5.0, "per": 1.0, "partitions": {"rate_limit": true}},
        "complexity": {"max_query_depth": 5, "partitions": {"complexity": true}},
    });
    check(&known, &["all"], &before, &json!({"access_rights": {"a": {}, "b": {}}}));
    let rate = json!({"rate": 1000.0, "per": 1.0, "smoothing": {"enabled": true}, "throttle_interval": 9.0, "throttle_retry_limit": 9});
    let with = |parts: &[&Value]| {
        let mut root = Map::new();
        let mut limit = Map::new();
        for part in parts {
            root.extend(part.as_object().cloned().unwrap_or_default());
            limit.extend(part.as_object().cloned().unwrap_or_default());
        }
        limit.remove("quota_remaining");
        root.insert("access_rights".into(), json!({"a": {"limit": limit}, "b": {"limit": limit}}));
        Value::Object(root)
    };
    let (quota, depth) = (json!({"quota_max": 1000, "quota_remaining": 9}), json!({"max_query_depth": 9}));
    check(&known, &["acl", "quota"], &before, &with(&[&rate, &json!({"quota_max": 5}), &depth]));
    check(&known, &["acl", "rate"], &before, &with(&[&json!({"rate": 5.0, "per": 1.0}), &quota, &depth]));
    check(&known, &["acl", "complexity"], &before, &with(&[&rate, &quota, &json!({"max_query_depth": 5})]));
}

#[test]
fn point_2_a_policy_that_is_missing_is_fatal_alone() {
    let known = json!({"a": {"access_rights": {"a": {}}}});
    refused(&known, &["gone"], None, "policy not found: \"gone\"");
    refused(&json!({}), &["gone"], Some("o"), "policy not found: \"gone\"");
    check(&known, &["gone", "a"], &json!({}), &json!({"access_rights": {"a": {}}}));
    refused(&known, &["gone", "lost"], None, NONE_VALID);
}

#[test]
fn point_2_the_older_field_names_a_policy_too() {
    let mut it = session(&json!({"apply_policy_id": "gone"}));
    let error = apply(&policies(&json!({})), None, &mut it);
    assert_eq!(error, Err(ApplyError::NotFound { id: "gone".into() }));
}

#[test]
fn point_2_a_policy_of_another_organisation_is_refused() {
    let text = |id: &str| {
        format!(
            "attempting to apply policy from different organisation to key, skipping: policy \"{id}\", key ****7890; give \
             the policy the `org_id` of the API, or the key another policy"
        )
    };
    let known = json!({
        "own": {"org_id": "o", "access_rights": {"a": {}}}, "other": {"org_id": "p", "access_rights": {"a": {}}},
        "nobody": {"access_rights": {"a": {}}},
    });
    refused(&known, &["other"], Some("o"), &text("other"));
    refused(&known, &["own", "other"], Some("o"), &text("other"));
    refused(&known, &["nobody"], Some("o"), &text("nobody"));
    let mut it = session(&json!({"apply_policies": ["own"]}));
    assert_eq!(apply(&policies(&known), Some("o"), &mut it), Ok(()));
    check(&known, &["own", "other"], &json!({}), &json!({"access_rights": {"a": {}}}));
}

#[test]
fn point_2_per_api_excludes_partitions() {
    let known = json!({
        "both": {"access_rights": {"a": {}}, "partitions": {"per_api": true, "rate_limit": true}},
        "per_api": {"access_rights": {"a": {}}, "partitions": {"per_api": true}},
        "empty": {"partitions": {"per_api": true}},
        "quota": {"access_rights": {"a": {}}, "partitions": {"quota": true}},
        "whole": {"access_rights": {"a": {}}},
    });
    refused(&known, &["both"], None, MIXED);
    refused(&known, &["per_api", "quota"], None, MIXED);
    refused(&known, &["quota", "per_api"], None, MIXED);
    refused(&known, &["quota", "whole", "per_api"], None, MIXED);
    let mut it = session(&json!({"apply_policies": ["per_api", "whole"]}));
    assert_eq!(apply(&policies(&known), None, &mut it), Ok(()));
    refused(&known, &["empty"], None, NONE_VALID);
}

#[test]
fn point_3_rights_are_merged() {
    let known = json!({
        "one": {"access_rights": {"a": {
            "api_id": "a", "api_name": "A", "versions": ["v1", "v2"], "mcp": 1,
            "allowed_urls": [{"url": "/x", "methods": ["GET"]}],
            "restricted_types": [{"name": "Dog", "fields": ["name", "breed"]}, {"name": "Cat", "fields": ["name"]}],
            "allowed_types": [{"name": "Country", "fields": ["code", "name"]}],
            "field_access_rights": [
                {"type_name": "Query", "field_name": "people", "limits": {"max_query_depth": 4}},
                {"type_name": "Mutation", "field_name": "put", "limits": {"max_query_depth": 3}},
            ],
        }}},
        "two": {"access_rights": {"a": {
            "versions": ["v2", "v3"], "disable_introspection": true,
            "allowed_urls": [{"url": "/y", "methods": ["PUT"]}, {"url": "/x", "methods": ["GET", "POST"]}],
            "restricted_types": [{"name": "Dog", "fields": ["breed", "age"]}],
            "allowed_types": [{"name": "Country", "fields": ["code", "phone"]}],
            "field_access_rights": [
                {"type_name": "Query", "field_name": "people", "limits": {"max_query_depth": 2}},
                {"type_name": "Mutation", "field_name": "put", "limits": {"max_query_depth": -1}},
                {"type_name": "Query", "field_name": "continents", "limits": {"max_query_depth": 4}},
            ],
        }}},
    });
    check(
        &known,
        &["one", "two"],
        &json!({}),
        &json!({"access_rights": {"a": {
            "api_id": "a", "api_name": "A", "versions": ["v1", "v2", "v3"], "mcp": 1, "disable_introspection": true,
            "allowed_urls": [{"url": "/x", "methods": ["GET", "POST"]}, {"url": "/y", "methods": ["PUT"]}],
            "restricted_types": [{"name": "Dog", "fields": ["breed"]}, {"name": "Cat", "fields": ["name"]}],
            "allowed_types": [{"name": "Country", "fields": ["code"]}],
            "field_access_rights": [
                {"type_name": "Query", "field_name": "people", "limits": {"max_query_depth": 4}},
                {"type_name": "Mutation", "field_name": "put", "limits": {"max_query_depth": -1}},
                {"type_name": "Query", "field_name": "continents", "limits": {"max_query_depth": 4}},
            ],
        }}}),
    );
}

/// With both policies, in either order, API `a` and the session as a whole are limited so.
fn check_limit(one: &Value, two: &Value, expected: &Value) {
    let with = |own: &Value| {
        let mut policy = own.clone();
        policy["access_rights"] = json!({"a": {}});
        policy
    };
    let known = json!({"one": with(one), "two": with(two)});
    let mut root = expected.clone();
    root["access_rights"] = json!({"a": {"limit": expected}});
    for ids in [["one", "two"], ["two", "one"]] {
        check(&known, &ids, &json!({}), &root);
    }
}

#[test]
fn point_3_the_fastest_policy_wins() {
    let slow = json!({"rate": 3.0, "per": 2.0});
    let fast = json!({"rate": 2.0, "per": 1.0, "smoothing": {"enabled": true}});
    check_limit(&slow, &fast, &fast);
    check_limit(&slow, &json!({"rate": 1000.0}), &slow);
    check_limit(&slow, &json!({}), &slow);
    let unlimited = json!({"rate": -1.0, "per": 1.0});
    check_limit(&slow, &unlimited, &unlimited);
}

#[test]
fn point_3_the_longest_throttling_wins() {
    let one = json!({"throttle_interval": 9.0, "throttle_retry_limit": 1});
    let two = json!({"throttle_interval": 1.0, "throttle_retry_limit": 9});
    check_limit(&one, &two, &json!({"throttle_interval": 9.0, "throttle_retry_limit": 9}));
}

#[test]
fn point_3_the_larger_quota_wins_and_minus_one_is_the_largest() {
    let quota = |max: i64, renewal: i64| json!({"quota_max": max, "quota_renewal_rate": renewal});
    check_limit(&quota(5, 60), &quota(7, 30), &quota(7, 60));
    check_limit(&quota(5, 60), &quota(-1, 30), &quota(-1, 60));
    let depth = |depth: i64| json!({"max_query_depth": depth});
    check_limit(&depth(2), &depth(3), &depth(3));
    check_limit(&depth(2), &depth(-1), &depth(-1));
}

#[test]
fn point_3_of_every_endpoint_the_fastest_limit_wins() {
    let endpoint = |path: &str, method: &str, rate: f64| json!({"path": path, "methods": [{"name": method, "limit": {"rate": rate, "per": 60.0}}]});
    let policy = |endpoints: Value| json!({"access_rights": {"a": {"endpoints": endpoints}}});
    let limits = |endpoints: Value| json!({"access_rights": {"a": {"endpoints": endpoints}}});
    let known = json!({
        "none": policy(json!([])),
        "one": policy(json!([endpoint("/user", "GET", 10.0), endpoint("/x", "GET", 9.0)])),
        "two": policy(json!([endpoint("/admin", "POST", 5.0), endpoint("/user", "get", 5.0)])),
        "three": policy(json!([endpoint("/user", "GET", -1.0), endpoint("/user", "PUT", 1.0)])),
        "acl": {"access_rights": {"a": {"endpoints": [endpoint("/user", "GET", 1.0)]}}, "partitions": {"acl": true}},
    });
    let one = json!([endpoint("/user", "GET", 10.0), endpoint("/x", "GET", 9.0)]);
    check(&known, &["one", "none"], &json!({}), &limits(one.clone()));
    check(&known, &["none", "one"], &json!({}), &limits(one.clone()));
    let mut both = one.clone();
    if let Some(both) = both.as_array_mut() {
        both.push(endpoint("/admin", "POST", 5.0));
    }
    check(&known, &["one", "two"], &json!({}), &limits(both));
    let user = json!({"path": "/user", "methods": [
        {"name": "GET", "limit": {"rate": -1.0, "per": 60.0}}, {"name": "PUT", "limit": {"rate": 1.0, "per": 60.0}},
    ]});
    check(&known, &["one", "three"], &json!({}), &limits(json!([user, endpoint("/x", "GET", 9.0)])));
    check(&known, &["acl"], &json!({}), &json!({"access_rights": {"a": {}}}));
}

#[test]
fn point_4_per_api_limits_each_api_for_itself() {
    let known = json!({"p": {
        "rate": 300.0, "per": 1.0, "quota_max": -1, "throttle_interval": 1.0, "max_query_depth": 3,
        "partitions": {"per_api": true},
        "access_rights": {"d": {"limit": {"rate": 200.0, "per": 10.0, "quota_max": 5000}}, "e": {"versions": ["v1"]}},
    }});
    check(
        &known,
        &["p"],
        &json!({"rate": 1.0, "quota_max": 1}),
        &json!({"access_rights": {
            "d": {"limit": {"rate": 200.0, "per": 10.0, "quota_max": 5000}, "allowance_scope": "d"},
            "e": {
                "versions": ["v1"], "allowance_scope": "p", "limit": {
                    "rate": 300.0, "per": 1.0, "quota_max": -1, "throttle_interval": 1.0, "max_query_depth": 3,
                },
            },
        }}),
    );
}

#[test]
fn point_4_of_an_api_that_two_policies_limit_the_higher_limits_count() {
    let per_api =
        |limit: Value| json!({"partitions": {"per_api": true}, "access_rights": {"d": {"limit": limit}, "e": {}}});
    let known = json!({
        "slow": per_api(json!({"rate": 200.0, "per": 10.0, "quota_max": 5000, "quota_renewal_rate": 3600})),
        "fast": per_api(json!({"rate": 400.0, "per": 10.0, "quota_max": 10, "quota_renewal_rate": 60})),
        "free": per_api(json!({"rate": 1.0, "per": 10.0, "quota_max": -1, "quota_renewal_rate": 60})),
    });
    let becomes = |ids: &[&str], limit: Value, scope: &str| {
        let mut it = session(&json!({}));
        it.apply_policies = ids.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(apply(&policies(&known), None, &mut it), Ok(()));
        let access = &it.access_rights["d"];
        assert_eq!(serde_json::to_value(&access.limit).expect("a value"), limit, "{ids:?}");
        assert_eq!(access.allowance_scope, scope, "{ids:?}");
        assert_eq!(it.access_rights["e"].allowance_scope, *ids.last().expect("one"), "{ids:?}");
    };
    let both = json!({"rate": 400.0, "per": 10.0, "quota_max": 5000, "quota_renewal_rate": 3600});
    becomes(&["slow", "fast"], both.clone(), "d");
    becomes(&["fast", "slow"], both, "d");
    becomes(&["slow", "free"], json!({"rate": 200.0, "per": 10.0, "quota_max": -1}), "d");
}

#[test]
fn point_4_when_a_quota_renews_stays() {
    let limit = json!({"rate": 2.0, "per": 1.0});
    let known = json!({
        "per_api": {"partitions": {"per_api": true}, "access_rights": {"d": {"limit": limit}, "e": {"limit": limit}}},
        "whole": {"rate": 2.0, "per": 1.0, "access_rights": {"d": {}, "e": {}}},
    });
    for id in ["per_api", "whole"] {
        let own = json!({"apply_policies": [id], "access_rights": {"d": {"limit": {"quota_renews": 77}}, "e": {}}});
        let mut it = session(&own);
        assert_eq!(apply(&policies(&known), None, &mut it), Ok(()));
        assert_eq!((it.access_rights["d"].limit.quota_renews, it.access_rights["e"].limit.quota_renews), (77, 0));
    }
}

#[test]
fn point_5_what_else_policies_say() {
    let known = json!({
        "one": {
            "access_rights": {"a": {}}, "tags": ["x", "y"], "meta_data": {"tier": "gold", "one": 1},
            "hmac_enabled": true, "last_updated": "1655000000", "post_expiry_action": "delete",
            "post_expiry_grace_period": 5,
        },
        "two": {
            "access_rights": {"a": {}}, "tags": ["y", "z"], "meta_data": {"tier": "free"},
            "enable_http_signature_validation": true, "last_updated": "1654000000", "post_expiry_action": "retain",
        },
        "inactive": {"access_rights": {"a": {}}, "is_inactive": true},
    });
    let before = json!({"tags": ["own", "x"], "meta_data": {"tier": "own", "own": 1}, "last_updated": "1653000000"});
    check(
        &known,
        &["one", "two"],
        &before,
        &json!({
            "access_rights": {"a": {}}, "tags": ["own", "x", "y", "z"], "meta_data": {"tier": "free", "own": 1, "one": 1},
            "hmac_enabled": true, "enable_http_signature_validation": true, "last_updated": "1655000000",
            "post_expiry_action": "retain", "post_expiry_grace_period": 5,
        }),
    );
    let inactive = json!({"is_inactive": true});
    check(&known, &["inactive"], &json!({}), &json!({"access_rights": {"a": {}}, "is_inactive": true}));
    check(&json!({"p": {"access_rights": {"a": {}}}}), &["p"], &inactive, &json!({"access_rights": {"a": {}}}));
    let newer = json!({"last_updated": "1656000000"});
    check(
        &json!({"p": {"access_rights": {"a": {}}, "last_updated": "1655000000"}}),
        &["p"],
        &newer,
        &json!({"access_rights": {"a": {}}, "last_updated": "1656000000"}),
    );
}

#[test]
fn point_6_an_api_that_no_policy_gives_drops_out_and_parts_are_inherited() {
    let known = json!({
        "acl": {"access_rights": {"a": {}, "b": {}}, "partitions": {"acl": true}},
        "rate-a": {"rate": 4.0, "per": 1.0, "access_rights": {"a": {}, "c": {}}, "partitions": {"rate_limit": true}},
        "rate-b": {"rate": 2.0, "per": 1.0, "access_rights": {"b": {}}, "partitions": {"rate_limit": true}},
        "quota-b": {"quota_max": 3, "access_rights": {"b": {}}, "partitions": {"quota": true}},
    });
    let own = json!({"rate": 7.0, "per": 1.0, "quota_max": 9, "quota_renewal_rate": 60, "access_rights": {"z": {}}});
    check(
        &known,
        &["acl", "rate-a", "rate-b"],
        &own,
        &json!({
            "rate": 4.0, "per": 1.0, "quota_max": 9, "quota_renewal_rate": 60, "access_rights": {
                "a": {"limit": {"rate": 4.0, "per": 1.0, "quota_max": 9, "quota_renewal_rate": 60}},
                "b": {"limit": {"rate": 2.0, "per": 1.0, "quota_max": 9, "quota_renewal_rate": 60}},
            },
        }),
    );
    check(
        &known,
        &["quota-b", "acl"],
        &own,
        &json!({
            "rate": 7.0, "per": 1.0, "quota_max": 3, "quota_renewal_rate": 60, "access_rights": {
                "a": {"limit": {"rate": 7.0, "per": 1.0, "quota_max": 3, "quota_renewal_rate": 60}},
                "b": {"limit": {"rate": 7.0, "per": 1.0, "quota_max": 3}},
            },
        }),
    );
    refused(&known, &["rate-a", "rate-b"], None, NONE_VALID);
}

#[test]
fn point_6_apis_of_different_policies_have_counters_apart() {
    let known = json!({
        "one": {"access_rights": {"a": {}, "b": {}}}, "two": {"access_rights": {"b": {}, "c": {}}},
        "three": {"access_rights": {"a": {}}},
    });
    check(
        &known,
        &["one", "two"],
        &json!({}),
        &json!({"access_rights": {
            "a": {"allowance_scope": "one"}, "b": {"allowance_scope": "two"}, "c": {"allowance_scope": "two"},
        }}),
    );
    check(&known, &["one"], &json!({}), &json!({"access_rights": {"a": {}, "b": {}}}));
}

#[test]
fn point_6_the_limits_of_a_single_api_are_those_of_the_session() {
    let known = json!({
        "acl": {"access_rights": {"a": {}, "b": {}}, "partitions": {"acl": true}},
        "a": {
            "rate": 4.0, "per": 1.0, "quota_max": 3, "quota_renewal_rate": 60, "max_query_depth": 2,
            "access_rights": {"a": {}},
        },
    });
    let limit = json!({"rate": 4.0, "per": 1.0, "quota_max": 3, "quota_renewal_rate": 60, "max_query_depth": 2});
    let own = json!({"quota_renewal_rate": 600, "quota_renews": 5});
    let mut root = limit.clone();
    root["access_rights"] = json!({"a": {"limit": limit}});
    check(&known, &["a"], &own, &root);
}

#[test]
fn point_7_rights_that_no_policy_gives_are_no_rights() {
    let known = json!({
        "master": {"rate": 5.0, "per": 1.0}, "tags": {"tags": ["a"], "partitions": {"quota": true}},
    });
    refused(&known, &["master"], None, NONE_VALID);
    refused(&known, &["master", "tags"], None, NONE_VALID);
}

#[test]
fn without_policies_an_api_with_limits_of_its_own_counts_for_itself() {
    let own = json!({"rate": 1.0, "is_inactive": true, "access_rights": {"a": {"limit": {"rate": 1.0}}, "b": {}}});
    let mut expected = own.clone();
    expected["access_rights"]["a"]["allowance_scope"] = "a".into();
    check(&json!({}), &[], &own, &expected);
    check(&json!({}), &[], &json!({}), &json!({}));
}

#[test]
fn a_master_policy_limits_the_session_as_a_whole() {
    let known = json!({
        "master": {
            "rate": 5.0, "per": 2.0, "quota_max": 7, "quota_renewal_rate": 60, "max_query_depth": 3, "smoothing": {},
            "throttle_interval": 1.0, "throttle_retry_limit": 2,
        },
        "acl": {"access_rights": {"a": {}}, "partitions": {"acl": true}},
    });
    let limit = json!({
        "rate": 5.0, "per": 2.0, "quota_max": 7, "quota_renewal_rate": 60, "max_query_depth": 3, "smoothing": {},
        "throttle_interval": 1.0, "throttle_retry_limit": 2,
    });
    let mut root = limit.clone();
    root["access_rights"] = json!({"a": {"limit": limit}});
    check(&known, &["acl", "master"], &json!({}), &root);
    check(&known, &["master", "acl"], &json!({}), &root);
}

#[test]
fn a_new_key_expires_as_its_last_policy_says() {
    let known = policies(&json!({"a": {"key_expires_in": 60}, "b": {"key_expires_in": 90}, "never": {}}));
    let expires = |ids: Value| expires_of_new(&known, &session(&json!({"apply_policies": ids})), 1_000);
    assert_eq!(expires(json!(["a"])), Some(1_060));
    assert_eq!(expires(json!(["a", "b", "never", "gone"])), Some(1_090));
    assert_eq!(expires(json!(["never"])), None);
    assert_eq!(expires(json!([])), None);
    check(
        &json!({"p": {"key_expires_in": 60, "access_rights": {"a": {}}}}),
        &["p"],
        &json!({}),
        &json!({"access_rights": {"a": {}}}),
    );
}

#[test]
fn policies_that_a_session_holds_replace_those_that_it_names() {
    let known = json!({"named": {"access_rights": {"a": {}}}});
    let held = json!([{"id": "held", "org_id": "o", "access_rights": {"b": {}}}]);
    let becomes = |held: &Value, org_id: Option<&str>| {
        let mut it = session(&json!({"apply_policies": ["named"], "meta_data": {"policies": held}}));
        apply(&policies(&known), org_id, &mut it).map(|()| it.access_rights.into_keys().collect::<Vec<_>>())
    };
    assert_eq!(becomes(&held, Some("o")), Ok(vec!["b".to_owned()]));
    assert_eq!(becomes(&held, Some("p")), Err(ApplyError::OtherOrganisation { id: "held".into(), key: "--".into() }));
    assert_eq!(becomes(&json!([]), None), Err(ApplyError::NoneValid));
    for no_policies in [json!(null), json!("held"), json!(["held"]), json!({"id": "held"})] {
        assert_eq!(becomes(&no_policies, None), Ok(vec!["a".to_owned()]), "{no_policies}");
    }
}

#[test]
fn a_policy_cannot_give_a_session_others_to_hold() {
    let known = policies(&json!({"p": {
        "access_rights": {"a": {}}, "meta_data": {"policies": [{"access_rights": {"b": {}}}], "x": 1},
    }}));
    let mut it = session(&json!({"apply_policies": ["p"]}));
    for _ in 0..3 {
        assert_eq!(apply(&known, None, &mut it), Ok(()));
        assert_eq!(it.access_rights.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(Value::from(it.meta_data.clone()), json!({"x": 1}));
    }
}
