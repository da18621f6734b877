//! Peers that speak something else, or too much: the server keeps serving the others.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use traitwire::Channel;

use super::secrets::Capture;
use super::support::{Hand, call, serve, serve_with};

async fn answer_to(uri: &str, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(uri.trim_start_matches("tcp://")).await.unwrap();
    socket.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(3), read).await.expect("the server closes").unwrap();
    answer
}

#[tokio::test]
async fn strangers_are_turned_away_and_others_notice_nothing() {
    let served = serve("tcp://127.0.0.1:0").await;
    let channel = Channel::connect(&served.uri).await.unwrap();
    let cases: [(&[u8], &str); 5] = [
        (b"GET / HTTP/1.1\r\n\r\n", "does not speak traitwire"),
        (b"\x16\x03\x01\x02\x00", "does not speak traitwire"),
        (b"\xc1RPC\x02", "version 2"),
        (b"\xc1RPC\x01\xff\xff\xff\xff", "length"),
        (b"\xc1RPC\x01\x00\x00\x00\x07\x01\x00\x00\x00\x00\x00\x80\x00\x00\x00\x06\x3f\x00\x00\x00\x00\x00", "kind"),
    ];
    for (bytes, reason) in cases {
        let answer = String::from_utf8_lossy(&answer_to(&served.uri, bytes).await).into_owned();
        assert!(answer.contains(reason), "{reason}: {answer:?}");
        assert_eq!(call(&channel, "Hand.echo", "alive").await.unwrap(), b"alive");
    }
}

#[tokio::test]
async fn a_silent_peer_does_not_hold_its_place() {
    let limit = Duration::from_millis(50);
    let served = serve_with("tcp://127.0.0.1:0", Hand::default(), |b| b.handshake_timeout(limit)).await;
    let answer = String::from_utf8_lossy(&answer_to(&served.uri, b"\xc1R").await).into_owned();
    assert!(answer.contains("no HELLO"), "{answer:?}");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_turned_away_with_a_word() {
    let served = serve_with("tcp://127.0.0.1:0", Hand::default(), |builder| builder.connections(1)).await;
    let first = Channel::connect(&served.uri).await.unwrap();
    call(&first, "Hand.echo", "x").await.unwrap();
    let second = Channel::connect(&served.uri).await.unwrap();
    let error = call(&second, "Hand.echo", "x").await.unwrap_err();
    assert!(error.delivery().is_harmless() && error.message().contains("`connections`"), "{error}");
    first.close();
}

#[tokio::test]
async fn strangers_give_way_to_who_says_hello() {
    let served = serve_with("tcp://127.0.0.1:0", Hand::default(), |builder| builder.connections(2)).await;
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(served.uri.trim_start_matches("tcp://")).await.unwrap());
    }
    // Whether or not they are accepted by now, they come before it.
    let first = Channel::connect(&served.uri).await.unwrap();
    assert_eq!(call(&first, "Hand.echo", "x").await.unwrap(), b"x");
    let mut told = Vec::new();
    silent[0].read_to_end(&mut told).await.unwrap();
    assert!(String::from_utf8_lossy(&told).contains("`connections`"), "{told:?}");
    // It has said HELLO, and does not give way itself.
    let second = Channel::connect(&served.uri).await.unwrap();
    assert_eq!(call(&second, "Hand.echo", "x").await.unwrap(), b"x");
    assert_eq!(call(&first, "Hand.echo", "x").await.unwrap(), b"x");
}

#[tokio::test]
async fn many_who_break_the_protocol_cost_a_line_a_second() {
    let capture = Capture::default();
    let _logging = tracing::subscriber::set_default(capture.clone());
    let served = serve("tcp://127.0.0.1:0").await;
    let lines = || capture.text().matches("a peer broke the protocol").count();
    let (began, mut strangers) = (Instant::now(), 0);
    while strangers < 40 || lines() == 0 {
        // Where that line is written is not known to be listened to if another test has just passed there (see `secrets`).
        drop(tracing::Dispatch::new(capture.clone()));
        answer_to(&served.uri, b"GET / HTTP/1.1\r\n\r\n").await;
        strangers += 1;
        assert!(began.elapsed() < Duration::from_secs(20), "nobody is told");
    }
    let (lines, most) = (lines(), 1 + began.elapsed().as_secs() as usize);
    assert!(lines <= most, "{lines} lines, where {most} are allowed, for {strangers} strangers");
}
