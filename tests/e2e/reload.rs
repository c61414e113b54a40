//! Reloads: nobody on his way through notices, and what does not load does no harm.

use std::time::Instant;

use gateway_tests::log::Line;
use gateway_tests::{Answer, Client, Conf, Definition, Gateway, Upstream, api, get, within_deadline};
use rustix::process::Signal;

const REQUESTS: usize = 200;
const RELOADS: usize = 20;
const MANY: usize = 1000;

/// Reloads by signal or by request, in turn, with another definition each time.
async fn reload_again_and_again(gateway: &Gateway, definition: &Definition) {
    for round in 0..RELOADS {
        gateway.write(&definition.clone().set("/name", format!("round {round}")));
        if round % 2 == 0 {
            gateway.process.signal(Signal::HUP);
            gateway.log().message_times("reloaded", round + 1).await;
        } else {
            gateway.reload().await;
        }
    }
}

#[tokio::test]
async fn requests_in_flight_outlive_twenty_reloads() {
    let upstream = Upstream::start();
    upstream.pace("/paced", 50);
    let definition = api("busy", upstream.address).plugins("pre", &["OrderA"]).plugins("response", &["ResponseB"]);
    let gateway = Gateway::serving(&definition).await;
    let mut flying = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let mut client = gateway.connect().await;
        flying.spawn(async move { client.try_ask(get("/busy/paced")).await });
    }
    upstream.count(REQUESTS).await;
    reload_again_and_again(&gateway, &definition).await;
    let mut answers: Vec<_> = std::iter::from_fn(|| flying.try_join_next()).collect();
    assert!(answers.len() < REQUESTS, "the reloads took longer than the requests");
    while let Some(answer) = within_deadline("an answer", flying.join_next()).await {
        answers.push(answer);
    }
    let answered = |answer: Result<Result<Answer, hyper::Error>, tokio::task::JoinError>| {
        answer.expect("no panic").expect("no broken connection")
    };
    let answers: Vec<Answer> = answers.into_iter().map(answered).collect();
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.text() == "paced"), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.all("x-order") == ["b", "a"]), "with all their plugins");
    assert_eq!(upstream.seen().len(), REQUESTS, "none was sent twice");
    assert_eq!(gateway.control("/tyk/apis/busy").await.json()["name"], format!("round {}", RELOADS - 1));
}

#[tokio::test]
async fn requests_that_come_during_reloads_are_served() {
    let upstream = Upstream::start();
    let definition = api("busy", upstream.address).plugins("post", &["OrderA"]);
    let gateway = Gateway::serving(&definition).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (address, stopped) = (gateway.address, stopped.clone());
        asking.spawn(async move {
            let mut answered = 0;
            while !*stopped.borrow() {
                let answer = Client::connect(address).await.ask(get("/busy/get")).await;
                assert_eq!((answer.status, answer.header("x-order")), (200, "a"));
                answered += 1;
            }
            answered
        });
    }
    reload_again_and_again(&gateway, &definition).await;
    stop.send_replace(true);
    for answered in asking.join_all().await {
        assert!(answered > 0);
    }
}

/// Source: gateway.md §12.20.
#[tokio::test]
async fn what_was_added_changed_and_removed_has_its_effect() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("first", upstream.address)).await;
    gateway.write(&api("second", upstream.address));
    assert_eq!(gateway.get("/second/get").await.status, 404, "nothing has an effect before a reload");
    gateway.reload().await;
    assert_eq!(gateway.get("/second/get").await.status, 200);

    gateway.write(&api("second", upstream.address).plugins("pre", &["OrderB"]));
    gateway.reload().await;
    assert_eq!(gateway.get("/second/get").await.header("x-order"), "b");

    std::fs::remove_file(gateway.apps().join("first.json")).expect("it was written at the start");
    gateway.reload().await;
    assert_eq!(gateway.get("/first/get").await.status, 404);
    assert_eq!(gateway.get("/second/get").await.status, 200);
}

/// Source: gateway.md §12.21: with Tyk it would vanish.
#[tokio::test]
async fn a_definition_that_breaks_keeps_its_old_version() {
    let upstream = Upstream::start();
    let whole = api("mine", upstream.address).plugins("pre", &["OrderA"]);
    let gateway = Gateway::serving(&whole).await;
    let broken = [
        "{ \"api_id\": \"mine\" ".to_owned(),
        whole.clone().set("/use_keyless", "yes").to_string(),
        whole.clone().set("/proxy/target_url", "").to_string(),
        whole.clone().plugins("post", &["Strict"]).to_string(),
        whole.clone().plugins("post", &["Life"]).config("Life", serde_json::json!({"fail": "no"})).to_string(),
    ];
    for (round, text) in broken.iter().enumerate() {
        gateway.write_file("mine.json", text);
        gateway.reload().await;
        let line = gateway.log().message_times("reloaded", round + 1).await;
        assert_eq!((&line.json["apis"], &line.json["kept"]), (&1.into(), &1.into()), "{text}");
        let answer = gateway.get("/mine/get").await;
        assert_eq!((answer.status, answer.header("x-order")), (200, "a"), "{text}");
    }
    let finding = |line: &Line| line.message() == "API definition" && line.field("level") == "ERROR";
    gateway.log().exactly(broken.len(), "API definition", finding).await;
    gateway.write(&whole.plugins("pre", &["OrderB"]));
    gateway.reload().await;
    assert_eq!(gateway.get("/mine/get").await.header("x-order"), "b");
}

#[tokio::test]
async fn a_folder_that_cannot_be_read_leaves_everything_as_it_is() {
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let elsewhere = gateway.folder().join("elsewhere");
    std::fs::rename(gateway.apps(), &elsewhere).expect("a folder of ours");
    gateway.reload().await;
    gateway.log().message("reload refused: everything stays as it is").await;
    assert_eq!(gateway.get("/mine/get").await.status, 200);
}

/// The definitions of a large gateway, one of them torn.
fn many(upstream: &Upstream, name: &str) -> Vec<Definition> {
    let numbered = |n: usize| {
        let plugins = ["OrderA", "MyPluginPre", "AddFooBarHeader"];
        api(&format!("api-{n:04}"), upstream.address).set("/name", name).plugins("pre", &plugins[..n % 3 + 1])
    };
    (0..MANY).map(numbered).collect()
}

#[tokio::test]
async fn a_thousand_definitions_start_and_reload_and_a_torn_one_is_told_with_its_position() {
    const TORN: &str = "{\n  \"api_id\": \"torn\",\n  \"use_keyless\": 1\n}\n";
    let upstream = Upstream::start();
    let mut conf = Conf::default().file("torn.json", TORN);
    for definition in many(&upstream, "first") {
        conf = conf.with(&definition);
    }
    let began = Instant::now();
    let gateway = conf.start().await;
    let start = began.elapsed();
    assert_eq!(gateway.log().message("listening").await.json["apis"], MANY);
    let torn = format!("{}:3:18: use_keyless: ", gateway.apps().join("torn.json").display());
    gateway.log().wait(&torn, |line| line.field("finding").starts_with(&torn)).await;
    for n in [0, 1, 500, MANY - 1] {
        let answer = gateway.get(&format!("/api-{n:04}/get")).await;
        assert_eq!((answer.status, answer.header("x-order")), (200, "a"), "{n}");
    }

    for definition in many(&upstream, "second") {
        gateway.write(&definition);
    }
    let began = Instant::now();
    gateway.reload().await;
    let reload = began.elapsed();
    let apis = gateway.control("/tyk/apis").await.json();
    let apis = apis.as_array().expect("a list");
    assert_eq!(apis.len(), MANY);
    assert!(apis.iter().all(|api| api["name"] == "second"));
    assert_eq!(gateway.get("/api-0999/get").await.status, 200);
    // Times are told, not judged: a busy machine is no mistake.
    println_times(start, reload);
}

#[expect(clippy::print_stdout, reason = "shown with --nocapture")]
fn println_times(start: std::time::Duration, reload: std::time::Duration) {
    println!("{MANY} definitions: start {start:?}, reload {reload:?}");
}
