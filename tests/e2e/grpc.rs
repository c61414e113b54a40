//! gRPC through the gateway, with a client and a server that know nothing of it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_util::{Stream, StreamExt, stream};
use gateway_tests::{Conf, Definition, Gateway, api, within_deadline};
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Number {
    #[prost(int64, tag = "1")]
    value: i64,
}

fn number(value: i64) -> Number {
    Number { value }
}

type Numbers = Pin<Box<dyn Stream<Item = Result<Number, Status>> + Send>>;

fn codec() -> ProstCodec<Number, Number> {
    ProstCodec::default()
}

/// What the server tells the test.
#[derive(Clone)]
struct Told {
    /// `grpc-timeout` of the last call of `Double`.
    timeout: Arc<Mutex<String>>,
    /// Calls of `Hang` that run, and those that were dropped.
    hanging: watch::Sender<(usize, usize)>,
}

struct Server {
    address: SocketAddr,
    told: Told,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port of the system's choice");
        let address = listener.local_addr().expect("it is bound");
        let told = Told { timeout: Arc::default(), hanging: watch::Sender::new((0, 0)) };
        let serving = told.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = serving.clone();
                let service = service_fn(move |request| answer(request, told.clone()));
                let builder = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, told }
    }
}

async fn answer(
    request: http::Request<Incoming>,
    told: Told,
) -> Result<http::Response<tonic::body::Body>, std::convert::Infallible> {
    let mut server = tonic::server::Grpc::new(codec());
    Ok(match request.uri().path() {
        "/gw.Sums/Double" => {
            let double = move |request: Request<Number>| {
                let timeout =
                    request.metadata().get("grpc-timeout").map(|value| value.to_str().expect("text").to_owned());
                *told.timeout.lock().expect("nobody panics") = timeout.unwrap_or_default();
                async move { Ok(Response::new(number(2 * request.into_inner().value))) }
            };
            server.unary(tower::service_fn(double), request).await
        }
        "/gw.Sums/Sum" => {
            let sum = |request: Request<Streaming<Number>>| async move {
                let mut numbers = request.into_inner();
                let mut sum = 0;
                while let Some(number) = numbers.message().await? {
                    sum += number.value;
                }
                Ok(Response::new(number(sum)))
            };
            server.client_streaming(tower::service_fn(sum), request).await
        }
        "/gw.Sums/Count" => {
            let count = |request: Request<Number>| async move {
                let numbers = (1..=request.into_inner().value).map(|value| Ok(number(value)));
                let end = stream::once(async { Err(Status::out_of_range("no more")) });
                Ok(Response::new(Box::pin(stream::iter(numbers).chain(end)) as Numbers))
            };
            server.server_streaming(tower::service_fn(count), request).await
        }
        "/gw.Sums/Negate" => {
            let negate = |request: Request<Streaming<Number>>| async move {
                let negated = request.into_inner().map(|next| next.map(|next| number(-next.value)));
                Ok(Response::new(Box::pin(negated) as Numbers))
            };
            server.streaming(tower::service_fn(negate), request).await
        }
        "/gw.Sums/Hang" => {
            let hang = move |_: Request<Number>| {
                let dropped = Dropped(told.hanging.clone());
                dropped.0.send_modify(|(begun, _)| *begun += 1);
                async move {
                    let _dropped = dropped;
                    std::future::pending::<Result<Response<Number>, Status>>().await
                }
            };
            server.unary(tower::service_fn(hang), request).await
        }
        _ => Status::unimplemented("no such method").into_http(),
    })
}

/// Tells when a call is given up.
struct Dropped(watch::Sender<(usize, usize)>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send_modify(|(_, dropped)| *dropped += 1);
    }
}

fn grpc(upstream: SocketAddr) -> Definition {
    api("sums", upstream)
        .set("/proxy/target_url", format!("h2c://{upstream}/"))
        .set("/proxy/listen_path", "/gw.Sums/")
        .set("/proxy/strip_listen_path", false)
        .plugins("pre", &["AddFooBarHeader"])
}

async fn client(gateway: &Gateway) -> Grpc<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", gateway.address)).expect("a URL");
    let mut client = Grpc::new(endpoint.connect().await.expect("the gateway listens"));
    client.ready().await.expect("the gateway listens");
    client
}

fn method(name: &str) -> PathAndQuery {
    format!("/gw.Sums/{name}").parse().expect("a path")
}

#[tokio::test]
async fn one_message_each_way_and_the_deadline_is_passed_on() {
    let server = Server::start().await;
    let gateway = Conf::default().with(&grpc(server.address)).start().await;
    let mut client = client(&gateway).await;
    let mut request = Request::new(number(21));
    request.set_timeout(std::time::Duration::from_secs(77));
    let response = client.unary(request, method("Double"), codec()).await.expect("an answer");
    assert_eq!(response.into_inner(), number(42));
    assert_eq!(*server.told.timeout.lock().expect("nobody panics"), "77000000u");
}

#[tokio::test]
async fn a_status_without_messages_reaches_the_client() {
    let server = Server::start().await;
    let gateway = Conf::default().with(&grpc(server.address)).start().await;
    let mut client = client(&gateway).await;
    let status = client.unary(Request::new(number(1)), method("None"), codec()).await.map(Response::into_inner);
    let status: Status = status.map(|_: Number| ()).expect_err("no such method");
    assert_eq!((status.code(), status.message()), (Code::Unimplemented, "no such method"));
}

#[tokio::test]
async fn many_messages_from_the_client() {
    let server = Server::start().await;
    let gateway = Conf::default().with(&grpc(server.address)).start().await;
    let mut client = client(&gateway).await;
    let numbers = Request::new(stream::iter((1..=1000).map(number)));
    let response = client.client_streaming(numbers, method("Sum"), codec()).await.expect("an answer");
    assert_eq!(response.into_inner(), number(500_500));
}

#[tokio::test]
async fn many_messages_from_the_server_and_a_status_in_the_trailers() {
    let server = Server::start().await;
    let gateway = Conf::default().with(&grpc(server.address)).start().await;
    let mut client = client(&gateway).await;
    let response = client.server_streaming(Request::new(number(1000)), method("Count"), codec()).await;
    let mut numbers: Streaming<Number> = response.expect("an answer").into_inner();
    for expected in 1..=1000 {
        assert_eq!(numbers.message().await.expect("a message"), Some(number(expected)));
    }
    let status = numbers.message().await.expect_err("a status");
    assert_eq!((status.code(), status.message()), (Code::OutOfRange, "no more"));
}

#[tokio::test]
async fn messages_both_ways_one_after_another() {
    let server = Server::start().await;
    let gateway = Conf::default().with(&grpc(server.address)).start().await;
    let mut client = client(&gateway).await;
    let (say, said) = mpsc::unbounded_channel();
    let said = stream::unfold(said, |mut said| async move { said.recv().await.map(|next| (next, said)) });
    say.send(number(1)).expect("the call runs");
    let response = within_deadline("a head", client.streaming(Request::new(said), method("Negate"), codec())).await;
    let mut answers: Streaming<Number> = response.expect("an answer").into_inner();
    assert_eq!(answers.message().await.expect("a message"), Some(number(-1)));
    for value in 2..20 {
        say.send(number(value)).expect("the call runs");
        assert_eq!(within_deadline("a message", answers.message()).await.expect("a message"), Some(number(-value)));
    }
    drop(say);
    assert_eq!(answers.message().await.expect("the end"), None);
}

#[tokio::test]
async fn a_call_that_is_given_up_is_given_up_at_the_upstream() {
    let server = Server::start().await;
    let gateway = Conf::default().with(&grpc(server.address)).start().await;
    let mut client = client(&gateway).await;
    let mut hanging = server.told.hanging.subscribe();
    let call = tokio::spawn(async move {
        let _: Result<Response<Number>, _> = client.unary(Request::new(number(1)), method("Hang"), codec()).await;
    });
    let begun = hanging.wait_for(|(begun, _)| *begun == 1);
    within_deadline("the call", begun).await.expect("the server lives");
    call.abort();
    let dropped = hanging.wait_for(|(_, dropped)| *dropped == 1);
    within_deadline("the end of the call", dropped).await.expect("the server lives");
}
