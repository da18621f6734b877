//! What stalls and floods: strangers who never finish a handshake, or never begin one.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use traitwire::tls::{ClientTls, ServerTls, dev};
use traitwire::{Channel, limits};

use super::super::support::call;
use super::serving::{Served, address, serve, serve_with};

#[tokio::test]
async fn strangers_who_never_go_on_give_way_and_an_honest_client_notices_nothing() {
    let ca = dev::Ca::new().unwrap();
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    let Served { uri, mut failed, .. } = serve_with(tls, |builder| builder.handshakes(4)).await;
    let mut strangers = Vec::new();
    // Silent ones, and some that begin.
    for at in 0..20 {
        let mut stranger = TcpStream::connect(address(&uri)).await.unwrap();
        if at % 2 == 0 {
            stranger.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1]).await.unwrap();
        }
        strangers.push(stranger);
    }
    let client = Channel::builder().tls(ClientTls::new().roots(ca.roots()));
    let channel = tokio::time::timeout(Duration::from_secs(5), client.connect(&uri)).await.unwrap().unwrap();
    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
    // Twenty strangers and the client, where four have a place.
    for _ in 0..17 {
        let told = failed.recv().await.unwrap();
        assert!(told.contains("too many handshakes at a time (`handshakes`)"), "{told}");
    }
    for stranger in &mut strangers[..17] {
        // Closed, or reset where something it had said was never read.
        assert!(!matches!(stranger.read_u8().await, Ok(byte) if byte != 0x15));
    }
}

#[tokio::test]
async fn a_handshake_that_trickles_in_has_no_more_time_than_one_that_does_not() {
    let ca = dev::Ca::new().unwrap();
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    let limit = Duration::from_millis(100);
    let Served { uri, mut failed, .. } = serve_with(tls, |builder| builder.handshake_timeout(limit)).await;
    let mut stranger = TcpStream::connect(address(&uri)).await.unwrap();
    let trickling = async {
        for byte in [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3].into_iter().cycle() {
            if stranger.write_u8(byte).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        biased;
        told = failed.recv() => {
            let told = told.unwrap();
            assert!(told.contains("no handshake within 100ms (`handshake_timeout`)"), "{told}");
        }
        () = trickling => panic!("it was closed and nobody was told"),
    }
}

#[tokio::test]
async fn a_client_gives_a_silent_server_its_handshake_timeout_and_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("tls://{}", silent.local_addr().unwrap());
    let builder = Channel::builder().handshake_timeout(Duration::from_millis(50));
    let error =
        builder.tls(ClientTls::new().roots(dev::Ca::new().unwrap().roots())).connect(&uri).await.unwrap_err();
    assert!(error.message().contains("no connection within 50ms (`handshake_timeout`)"), "{error}");
    assert!(error.message().contains("shaking hands with 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn what_is_no_handshake_is_refused_at_once() {
    let ca = dev::Ca::new().unwrap();
    let (uri, mut failed) = serve(ServerTls::new(ca.issue(["127.0.0.1"]).unwrap())).await;
    let cases: [(&[u8], &str); 5] = [
        (b"GET / HTTP/1.1\r\n\r\n", "the client does not speak TLS"),
        // A record longer than any, a ClientHello longer than any, and one that is none.
        (&[0x16, 3, 1, 0xff, 0xff, 1, 0xff, 0xff, 0xff], "the client does not speak TLS, or breaks it"),
        (&[0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], "the client does not speak TLS, or breaks it"),
        (&[0x16, 3, 1, 0, 4, 9, 0, 0, 0], "the client breaks TLS"),
        (b"", "the client closed the connection during the handshake"),
    ];
    for (bytes, words) in cases {
        let mut stranger = TcpStream::connect(address(&uri)).await.unwrap();
        stranger.write_all(bytes).await.unwrap();
        if bytes.is_empty() {
            stranger.shutdown().await.unwrap();
        }
        let told = failed.recv().await.unwrap();
        assert!(told.contains(words), "{bytes:?}: {told}");
    }
    let client = Channel::builder().tls(ClientTls::new().roots(ca.roots()));
    call(&client.connect(&uri).await.unwrap(), "Hand.echo", "x").await.unwrap();
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_handshakes() {
    let ca = dev::Ca::new().unwrap();
    let tls = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    let Served { uri, handle, done, .. } = serve_with(tls, |builder| builder.handshakes(1)).await;
    let mut stranger = TcpStream::connect(address(&uri)).await.unwrap();
    // A second one pushes the first one out: then the server has both.
    let mut second = TcpStream::connect(address(&uri)).await.unwrap();
    assert_eq!(stranger.read(&mut [0; 8]).await.unwrap_or(0), 0);
    handle.shutdown();
    assert_eq!(done.await.unwrap().cut, 0);
    // Long before its own time would be over.
    let closed = tokio::time::timeout(limits::HANDSHAKE / 2, second.read(&mut [0; 8])).await;
    assert_eq!(closed.expect("the shutdown closes it").unwrap_or(0), 0);
}
