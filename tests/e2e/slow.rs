//! Clients that take their time: each is bounded, told, logged and counted, and nothing is left of it.
//!
//! The bounds are a second. Nothing here says when something happens, only that it does.

use bytes::Bytes;
use gateway_tests::feed::feed;
use gateway_tests::wire::Wire;
use gateway_tests::{Conf, Gateway, Upstream, api, ask, get, within_deadline};
use http::Method;
use http_body_util::BodyExt;
use tokio::task::JoinSet;

async fn serving(upstream: &Upstream) -> Gateway {
    let conf = Conf::default().server("read_timeout", 1).server("write_timeout", 1);
    // What it keeps of upstreams is not counted among what clients leave behind.
    conf.set("proxy_close_connections", true).with(&api("slow", upstream.address)).start().await
}

/// A client that has sent this, and goes on a byte at a time.
async fn dripping(gateway: &Gateway, at_once: &str, slowly: &str) -> u16 {
    let mut wire = Wire::connect(gateway.address).await;
    wire.write(at_once).await;
    wire.drip(slowly.as_bytes()).await;
    let told = wire.responses().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].header("connection"), "close");
    told[0].status()
}

#[tokio::test]
async fn who_drips_a_head_is_not_waited_for() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream).await;
    let floor = gateway.descriptors();
    for (at_once, slowly) in [
        ("", "GET /slow/get HTTP/1.1 and so on and so forth without any end of it "),
        ("GET /slow/get HTTP/1.1\r\nHost: g\r\n", "X: y\r\n"),
        ("GET /slow/get HTTP/1.1\r\nHost: g\r\nX: ", "y"),
        ("G", ""),
    ] {
        assert_eq!(dripping(&gateway, at_once, slowly).await, 408, "{at_once:?}");
    }
    assert_eq!(upstream.seen().len(), 0);
    assert_eq!(gateway.refused("slow_head").await, 4);
    let line = gateway.log().message_times("connection refused", 4).await;
    assert_eq!(line.field("error"), "the head of the request did not arrive in time");
    gateway.descriptors_at_most(floor).await;
}

#[tokio::test]
async fn who_drips_a_body_is_not_waited_for() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream).await;
    let floor = gateway.descriptors();
    let head = "POST /slow/post HTTP/1.1\r\nHost: g\r\n";
    for (at_once, slowly, reason) in [
        (format!("{head}Content-Length: 1000000\r\n\r\n"), "y", "sends less than 500 bytes a second"),
        (format!("{head}Transfer-Encoding: chunked\r\n\r\n"), "1\r\ny\r\n", "sends less than 500 bytes a second"),
        (format!("{head}Content-Length: 1000000\r\n\r\nabc"), "", "sent nothing for 1s"),
    ] {
        assert_eq!(dripping(&gateway, &at_once, slowly).await, 408, "{at_once:?}");
        gateway.log().wait(reason, |line| line.field("error").contains(reason)).await;
    }
    assert_eq!(upstream.seen().iter().filter(|seen| seen.whole).count(), 0);
    assert_eq!(gateway.refused("slow_body").await, 3);
    let line = gateway.log().message_times("request refused", 3).await;
    assert_eq!((line.field("fault"), line.field("api_id")), ("client", "slow"));
    gateway.descriptors_at_most(floor).await;
}

#[tokio::test]
async fn who_never_reads_is_not_waited_for() {
    let upstream = Upstream::start();
    // Far more than sockets hold.
    upstream.answer("/large", 200, &[], Bytes::from(vec![b'x'; 64 << 20]));
    let gateway = serving(&upstream).await;
    let floor = gateway.descriptors();
    let mut wire = Wire::connect(gateway.address).await;
    wire.write("GET /slow/large HTTP/1.1\r\nHost: g\r\n\r\n").await;
    let line = gateway.log().message("connection refused").await;
    assert_eq!(line.field("error"), "the client takes nothing of its answer");
    assert_eq!(gateway.refused("stuck").await, 1);
    gateway.descriptors_at_most(floor).await;
    drop(wire);
}

#[tokio::test]
async fn who_says_that_it_has_gone_is_not_answered() {
    let upstream = Upstream::start();
    let hold = upstream.hold("/held");
    let gateway = serving(&upstream).await;
    let floor = gateway.descriptors();
    for (sent, arrives) in [("", false), ("GET /slow/ge", false), ("GET /slow/held HTTP/1.1\r\nHost: g\r\n\r\n", true)]
    {
        let mut wire = Wire::connect(gateway.address).await;
        wire.write(sent).await;
        if arrives {
            hold.arrived(1).await;
        }
        wire.close_writing().await;
        assert!(wire.is_closed().await, "{sent:?}");
    }
    // Its connection to the upstream has ended too.
    gateway.descriptors_at_most(floor).await;
}

#[tokio::test]
async fn of_many_that_are_idle_nothing_is_left() {
    const MANY: usize = 500;
    let upstream = Upstream::start();
    // They are idle for as long as they like.
    let conf = Conf::default().set("proxy_close_connections", true).with(&api("slow", upstream.address));
    let gateway = conf.start().await;
    let floor = gateway.descriptors();
    let mut idle = Vec::new();
    for _ in 0..MANY {
        let mut client = gateway.connect().await;
        assert_eq!(client.ask(get("/slow/get")).await.status, 200);
        idle.push(client);
    }
    assert!(gateway.descriptors() >= floor + MANY);
    assert_eq!(gateway.metric("gw_connections_open").await, MANY as u64 + 1);
    drop(idle);
    gateway.descriptors_at_most(floor).await;
    within_deadline("nobody but who asks", async { while gateway.metric("gw_connections_open").await > 1 {} }).await;
}

#[tokio::test]
async fn who_is_idle_for_too_long_is_hung_up_on() {
    let upstream = Upstream::start();
    let gateway = serving(&upstream).await;
    let floor = gateway.descriptors();
    let mut idle = Vec::new();
    for asks in [true, false, true, false] {
        let mut wire = Wire::connect(gateway.address).await;
        if asks {
            wire.write("GET /slow/get HTTP/1.1\r\nHost: g\r\n\r\n").await;
            assert_eq!(wire.response(false).await.status(), 200);
        }
        idle.push(wire);
    }
    for wire in &mut idle {
        assert!(wire.is_closed().await);
    }
    gateway.descriptors_at_most(floor).await;
    assert_eq!(gateway.log().all(|line| line.message() == "connection refused").len(), 0, "there is nothing to tell");
}

/// What four hundred uploads at once have needed is not kept while their clients are idle.
#[tokio::test]
async fn memory_goes_back_to_the_system_when_clients_rest() {
    const CLIENTS: usize = 400;
    let upstream = Upstream::start();
    let gateway = Gateway::serving(&api("rest", upstream.address)).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(gateway.connect().await);
    }
    clients[0].ask(get("/rest/get")).await;
    let before = gateway.memory("VmRSS");
    // They have begun, and none can end.
    let (feeds, bodies): (Vec<_>, Vec<_>) = (0..CLIENTS).map(|_| feed()).unzip();
    let mut asking = JoinSet::new();
    for (mut client, body) in clients.into_iter().zip(bodies) {
        asking.spawn(async move {
            let response = client.open(ask(Method::POST, "/rest/post").body(body)).await.expect("a response");
            response.into_body().collect().await.expect("a body");
            client
        });
    }
    feeds.iter().for_each(|feed| feed.data(Bytes::from(vec![b'x'; 4 << 10])));
    gateway.memory_until(|kib| kib > before + (5 << 10)).await;
    drop(feeds);
    let clients = asking.join_all().await;
    gateway.memory_until(|kib| kib < before + (3 << 10)).await;
    assert_eq!(clients.len(), CLIENTS);
}
