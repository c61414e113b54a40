//! The end of a gateway, as its clients see it: nobody is hung up on while he may be asking.

use std::time::{Duration, Instant};

use gateway_tests::{Client, Conf, Gateway, Upstream, api, get, read, within_deadline};
use rustix::process::Signal;

/// What the gateway promises an idle connection.
const GRACE: Duration = Duration::from_secs(1);

/// Tells it to end, and waits until it lets nobody in.
async fn begin_drain(gateway: &Gateway) -> Instant {
    let begin = Instant::now();
    gateway.process.signal(Signal::TERM);
    within_deadline("the end of listening", async {
        while Client::try_connect(gateway.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    begin
}

#[tokio::test]
async fn answers_are_given_to_the_last_and_say_that_they_are() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let (mut busy, mut idle, mut fresh) = (gateway.connect().await, gateway.connect().await, gateway.connect().await);
    assert_eq!(idle.ask(get("/mine/get")).await.header("connection"), "");
    let held = tokio::spawn(async move {
        let answer = busy.ask(get("/mine/held")).await;
        (busy, answer)
    });
    hold.arrived(1).await;
    // A connection that nobody has asked anything on yet is served too.
    assert_eq!(fresh.ask(get("/mine/get")).await.status, 200);
    begin_drain(&gateway).await;
    for client in [&mut idle, &mut fresh] {
        let answer = client.ask(get("/mine/get")).await;
        assert_eq!((answer.status, answer.header("connection")), (200, "close"));
        client.closed().await;
    }
    hold.release(1);
    let (mut busy, answer) = held.await.expect("no panic");
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    busy.closed().await;
    assert_eq!(gateway.process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_grace_and_not_before() {
    let gateway = Conf::default().start().await;
    let (mut idle, mut never_used) = (gateway.connect().await, gateway.connect().await);
    assert_eq!(idle.ask(get("/hello")).await.status, 200);
    let begin = begin_drain(&gateway).await;
    for client in [&mut idle, &mut never_used] {
        client.closed().await;
        assert!(begin.elapsed() >= GRACE, "{:?}", begin.elapsed());
    }
    assert_eq!(gateway.process.exit().await.code(), Some(0));
    let late = gateway.log().all(|line| line.message() == "requests were still running at the end of the drain");
    assert!(late.is_empty(), "{late:?}");
}

#[tokio::test]
async fn the_grace_is_within_the_time_for_the_whole_drain() {
    let gateway = Conf::default().set("graceful_shutdown_timeout_duration", 1).start().await;
    let mut idle = gateway.connect().await;
    assert_eq!(idle.ask(get("/hello")).await.status, 200);
    begin_drain(&gateway).await;
    idle.closed().await;
    assert_eq!(gateway.process.exit().await.code(), Some(0));
    gateway.log().message("stopped").await;
    let late = gateway.log().all(|line| line.message() == "requests were still running at the end of the drain");
    assert!(late.is_empty(), "{late:?}");
}

#[tokio::test]
async fn who_was_being_answered_when_the_drain_began_has_the_grace_from_the_end_of_that() {
    let upstream = Upstream::start();
    let feed = upstream.stream("/streamed");
    let gateway = Gateway::serving(&api("mine", upstream.address)).await;
    let (mut client, mut idle) = (gateway.connect().await, gateway.connect().await);
    let response = client.open(get("/mine/streamed")).await.expect("a response");
    assert!(!response.headers().contains_key("connection"), "nobody knew then");
    begin_drain(&gateway).await;
    idle.closed().await;
    feed.data("the end");
    drop(feed);
    assert_eq!(read(response).await.expect("all of it").text(), "the end");
    let answer = client.ask(get("/mine/get")).await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    assert_eq!(gateway.process.exit().await.code(), Some(0));
}

#[tokio::test]
async fn clients_are_served_as_before_until_the_delay_is_over() {
    let upstream = Upstream::start();
    let conf = Conf::default().set("graceful_shutdown_delay_seconds", 2).with(&api("mine", upstream.address));
    let gateway = conf.start().await;
    gateway.process.signal(Signal::TERM);
    gateway.log().message("draining").await;
    let answer = gateway.get("/mine/get").await;
    assert_eq!((answer.status, answer.header("connection")), (200, ""));
    assert_eq!(gateway.process.exit().await.code(), Some(0));
}
