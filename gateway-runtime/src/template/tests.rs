use serde_json::json;

use super::*;

fn rendered(text: &str, data: &Value) -> String {
    Template::compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).render(data).unwrap_or_else(|error| {
        panic!("{text}: {error}");
    })
}

fn refused(text: &str) -> String {
    Template::compile(text).expect_err(text).to_string()
}

#[test]
fn the_language_is_that_of_go() {
    let data = json!({"name": "Ann", "tags": ["a", "b"], "n": 3, "f": 1.0, "deep": {"x": true}});
    for (text, expected) in [
        ("{{.name}} {{.n}} {{.f}} {{.deep.x}}", "Ann 3 1 true"),
        ("{{range $i, $t := .tags}}{{if $i}},{{end}}{{$t}}{{end}}", "a,b"),
        ("{{with .none}}x{{else}}nothing{{end}}", "nothing"),
        ("{{.none}}", "<no value>"),
        ("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .name}}", "<Ann>"),
        ("{{- /* c */ -}} {{printf \"%05d|%q\" .n .name}}", "00003|\"Ann\""),
        ("{{if and (eq .n 3) (gt (len .tags) 1)}}yes{{end}}", "yes"),
        ("{{index .tags 1}}{{html \"<\"}}", "b&lt;"),
    ] {
        assert_eq!(rendered(text, &data), expected, "{text}");
    }
}

#[test]
fn the_functions_are_those_of_tyk_and_sprig() {
    let data = json!({
        "s": " Ab c ", "l": [3, 1, 1, 2], "m": {"b": 2, "a": "<x>"}, "t": ["x", "y"], "e": "", "x": {"r": {"-id": "1", "a": ["p", "q"]}},
    });
    for (text, expected) in [
        ("{{.m | jsonMarshal}}", r#"{"a":"\u003cx\u003e","b":2}"#),
        ("{{xmlMarshal .x}}", r#"<r id="1"><a>p</a><a>q</a></r>"#),
        ("{{trim .s | upper | quote}}", r#""AB C""#),
        ("{{trimPrefix \"a\" \"ab\"}}{{trimSuffix \"b\" \"ab\"}}{{trimAll \"$\" \"$5$\"}}", "ba5"),
        (
            "{{replace \"a\" \"b\" \"aca\"}} {{repeat 2 \"ab\"}} {{substr 1 3 \"abcd\"}} {{trunc -2 \"abcd\"}}",
            "bcb abab bc cd",
        ),
        ("{{title \"ab cd\"}} {{nospace \" a b\"}} {{squote 1 \"b\"}} {{cat \"a\" 1}}", "Ab Cd ab '1' 'b' a 1"),
        ("{{indent 2 \"a\\nb\"}}", "  a\n  b"),
        ("{{join \"-\" .t}} {{(split \",\" \"a,b\")._1}} {{splitList \",\" \"a,b\" | last}}", "x-y b b"),
        ("{{contains \"b\" \"abc\"}} {{hasPrefix \"a\" \"abc\"}} {{hasSuffix \"a\" \"abc\"}}", "true true false"),
        (
            "{{add 1 2 3}} {{sub 5 2}} {{mul 2 3}} {{div 7 2}} {{mod 7 2}} {{max 1 9 2}} {{round 1.256 2}}",
            "6 3 6 3 1 9 1.26",
        ),
        (
            "{{first .l}} {{rest .l}} {{uniq .l}} {{without .l 1}} {{has 2 .l}} {{until 3}}",
            "3 [1 1 2] [3 1 2] [3 2] true [0 1 2]",
        ),
        (
            "{{keys .m}} {{hasKey .m \"a\"}} {{get .m \"b\"}} {{pick .m \"b\"}} {{omit .m \"a\"}}",
            "[a b] true 2 map[b:2] map[b:2]",
        ),
        ("{{merge (dict \"a\" 1) .m}}", "map[a:1 b:2]"),
        ("{{.e | default \"d\"}} {{coalesce .e \"c\"}} {{ternary \"y\" \"n\" true}} {{empty .e}}", "d c y true"),
        ("{{b64enc \"abc\"}} {{b64dec \"YWJj\"}} {{(fromJson \"{\\\"a\\\":1}\").a}}", "YWJj abc 1"),
        ("{{sha256sum \"\"}}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (
            "{{regexMatch \"^a+$\" \"aa\"}} {{regexReplaceAll \"(a)b\" \"ab\" \"${1}c\"}} {{regexFindAll \"[0-9]\" \"1a2\" -1}}",
            "true ac [1 2]",
        ),
        ("{{kindOf .l}} {{kindIs \"string\" .s}}", "slice true"),
    ] {
        assert_eq!(rendered(text, &data), expected, "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place_before_anything_is_rendered() {
    for (text, told) in [
        ("a\n  {{.x", "line 2, column"),
        ("a\n{{if .x}}\n", "line 3, column 1 of the template: it ends before an `if`"),
        ("{{range .x}}{{if .y}}{{end}}", "line 1, column 29 of the template: it ends before"),
        ("{{if .x}}{{end}}\n{{- end}} more", "line 2, column 1 of the template: there is nothing that this `end`"),
        ("a {{else}} b", "line 1, column 3 of the template: there is nothing"),
        (
            "{{.a}}\nxy {{nosuch .a}}",
            "line 2, column 6 of the template: function `nosuch` is not honoured by this gateway",
        ),
        ("{{env \"HOME\"}}", "line 1, column 3 of the template: function `env` is not honoured by this gateway"),
        ("{{template \"t\"}}", "there is no template `t`"),
        ("{{range ._tyk_context}}{{end}}", "write `._tyk_context.NAME`"),
        ("{{if $x}}{{end}}", "variable `$x` is not declared"),
        ("{{if $x := .a}}{{end}}{{$x}}", "variable `$x` is not declared"),
        ("{{define \"t\"}}{{$.a | nosuch}}{{end}}", "function `nosuch`"),
    ] {
        let error = refused(text);
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn a_template_that_fails_says_what_it_had_written() {
    let template = Template::compile("before {{index .l 9}} after").expect("a template");
    let error = template.render(&json!({"l": []})).expect_err("there is no tenth");
    assert_eq!(error.partial, "before ");
    assert!(error.reason.contains("index out of range: 9"), "{error}");
    let error = Template::compile("{{fail \"no\"}}").expect("a template").render(&json!({})).expect_err("it fails");
    assert!(error.reason.contains("error calling fail") && error.reason.contains("no"), "{error}");
}

#[test]
fn what_a_client_sends_makes_no_template_endless() {
    let many: Vec<u32> = (0..2_000).collect();
    let data = json!({"l": many});
    let rounds = Template::compile("{{range $.l}}{{range $.l}}{{end}}{{end}}").expect("a template");
    assert!(rounds.render(&data).expect_err("too many rounds").reason.contains("budget"));
    let long = Template::compile("{{$s := repeat 100000 \"x\"}}{{range .l}}{{$s}}{{end}}").expect("a template");
    assert!(long.render(&data).expect_err("too long").reason.contains("more than 16777216 bytes"));
    let deep =
        Template::compile("{{define \"t\"}}{{template \"t\" .}}{{end}}{{template \"t\" .}}").expect("a template");
    assert!(deep.render(&data).is_err());
    for text in ["{{repeat 9000000000 \"x\"}}", "{{until 1000000000}}", "{{indent 100000000 \"x\"}}", "{{div 1 0}}"] {
        assert!(Template::compile(text).expect(text).render(&data).is_err(), "{text}");
    }
}
