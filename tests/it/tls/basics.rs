//! Encryption, names and identities between two honest sides, and what they say when one of them speaks no TLS.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use traitwire::tls::{CertifiedKey, ClientTls, ServerTls, Tls, dev};
use traitwire::transport::Memory;
use traitwire::{Channel, Code, Delivery, Server};

use super::super::support::{Hand, call};
use super::serving::{folder, serve, within_a_second};

async fn who(channel: &Channel) -> String {
    String::from_utf8(call(channel, "Hand.context", "").await.unwrap()).unwrap()
}

#[tokio::test]
async fn calls_of_every_size_are_answered_and_nobody_has_to_show_a_certificate() {
    let ca = dev::Ca::new().unwrap();
    let (uri, _) = serve(ServerTls::new(ca.issue(["localhost", "127.0.0.1"]).unwrap())).await;
    let channel = Channel::builder().tls(ClientTls::new().roots(ca.roots())).connect(&uri).await.unwrap();
    for size in [0, 10, 16_384, 70_000, 3_000_000] {
        let payload = vec![7; size];
        assert!(call(&channel, "Hand.echo", &payload).await.unwrap() == payload, "{size}");
    }
    assert_eq!(who(&channel).await, "nobody");
}

#[tokio::test]
async fn it_goes_over_other_transports_than_tcp() {
    let ca = dev::Ca::new().unwrap();
    let tls = Tls::server(ServerTls::new(ca.issue(["orders.internal"]).unwrap())).over(Memory);
    let server =
        Server::builder().service(Hand::default()).transport(tls).bind("tls://it-over").await.unwrap();
    assert_eq!(server.addresses(), ["tls://it-over"]);
    tokio::spawn(server.serve());
    let client = ClientTls::new().roots(ca.roots());
    let connect =
        |client| Channel::builder().transport(Tls::client(client).over(Memory)).connect("tls://it-over");
    let channel = connect(client.clone().server_name("orders.internal")).await.unwrap();
    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
    // The name that is proved is the one in the address, whatever it goes over.
    let error = connect(client).await.unwrap_err();
    assert!(error.message().contains("it is not for"), "{error}");
}

#[tokio::test]
async fn a_client_proves_who_it_is_to_handlers_and_layers() {
    let ca = dev::Ca::new().unwrap();
    let shown = ca.issue(["spiffe://shop/billing", "billing.internal"]).unwrap();
    let server = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    for tls in [server.clone().require_clients(ca.roots()), server.ask_clients(ca.roots())] {
        let (uri, _) = serve(tls).await;
        let client = ClientTls::new().roots(ca.roots()).certificate(shown.clone());
        let channel = Channel::builder().tls(client).connect(&uri).await.unwrap();
        assert_eq!(who(&channel).await, "spiffe://shop/billing, billing.internal (CN=spiffe://shop/billing)");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_taken_where_one_is_only_asked_for() {
    let ca = dev::Ca::new().unwrap();
    let server = ServerTls::new(ca.issue(["127.0.0.1"]).unwrap());
    let client = ClientTls::new().roots(ca.roots());
    let (uri, _) = serve(server.clone().ask_clients(ca.roots())).await;
    let channel = Channel::builder().tls(client.clone()).connect(&uri).await.unwrap();
    assert_eq!(who(&channel).await, "nobody");

    let (uri, mut failed) = serve(server.require_clients(ca.roots())).await;
    let error = Channel::builder().tls(client).connect(&uri).await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent));
    assert!(
        error
            .message()
            .contains("the server asks for a certificate: give it one with `ClientTls::certificate`"),
        "{error}"
    );
    let told = failed.recv().await.unwrap();
    assert!(told.contains("the client shows no certificate, and has to"), "{told}");
}

#[tokio::test]
async fn the_name_of_a_server_is_the_host_of_the_address_or_what_the_client_says() {
    let ca = dev::Ca::new().unwrap();
    let (uri, _) =
        serve(ServerTls::new(ca.issue(["orders.internal", "spiffe://shop/orders"]).unwrap())).await;
    let client = ClientTls::new().roots(ca.roots());
    let connect = |tls: ClientTls| Channel::builder().tls(tls).connect(&uri);
    let error = connect(client.clone()).await.unwrap_err();
    assert!(error.message().contains("it is not for `127.0.0.1`, but for orders.internal, "), "{error}");
    assert!(error.message().contains("orders.internal"), "{error}");
    connect(client.clone().server_name("orders.internal")).await.unwrap();
    connect(client.clone().only_servers(["spiffe://shop/orders"])).await.unwrap();
    let error = connect(client.clone().server_name("not a name")).await.unwrap_err();
    assert!(error.message().contains("`not a name` is neither a host name nor an IP address"), "{error}");
    let error = connect(client.only_servers(["spiffe://shop/billing"])).await.unwrap_err();
    assert!(error.message().contains("none of its names is among those that are taken"), "{error}");
}

#[tokio::test]
async fn a_plain_client_and_a_tls_server_tell_each_other_apart_within_a_second() {
    let ca = dev::Ca::new().unwrap();
    let (uri, mut failed) = serve(ServerTls::new(ca.issue(["127.0.0.1"]).unwrap())).await;
    let plain = uri.replace("tls://", "tcp://");
    let told = within_a_second(async || {
        let channel = Channel::connect(&plain).await.unwrap();
        let error = call(&channel, "Hand.echo", "x").await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent), "{error}");
        assert!(
            error.message().contains(
                "the peer does not speak traitwire, but TLS: a client has to connect with `tls://`"
            ),
            "{error}"
        );
        failed.recv().await.unwrap()
    })
    .await;
    assert!(told.contains("the client does not speak TLS: it has to connect with `tls://`"), "{told}");
}

#[tokio::test]
async fn a_tls_client_and_a_plain_server_tell_each_other_apart_within_a_second() {
    let server = Server::builder().service(Hand::default()).bind("tcp://127.0.0.1:0").await.unwrap();
    let uri = server.addresses()[0].replace("tcp://", "tls://");
    tokio::spawn(server.serve());
    let ca = dev::Ca::new().unwrap();
    let builder = Channel::builder().tls(ClientTls::new().roots(ca.roots()));
    let error = within_a_second(async || builder.clone().connect(&uri).await.unwrap_err()).await;
    assert!(
        error.message().contains("the server does not speak TLS: connect to it with `tcp://`"),
        "{error}"
    );
    // What the server says to a client like this one, which begins a TLS handshake.
    let mut stream = TcpStream::connect(uri.trim_start_matches("tls://")).await.unwrap();
    stream.write_all(&[0x16, 3, 1, 0, 200, 1]).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    let said = String::from_utf8_lossy(&said);
    assert!(said.contains("a server to be bound to it"), "{said}");
}

#[tokio::test]
async fn a_server_without_a_certificate_cannot_be_bound() {
    let bind = |builder: traitwire::ServerBuilder| builder.service(Hand::default()).bind("tls://127.0.0.1:0");
    let error = bind(Server::builder()).await.unwrap_err().to_string();
    assert!(error.contains("give it one with `Server::builder().tls("), "{error}");
    let (ca, folder) = (dev::Ca::new().unwrap(), folder("no-certificate"));
    ca.issue_to(&folder, "first", ["a"]).unwrap();
    ca.issue_to(&folder, "second", ["a"]).unwrap();
    let mixed = CertifiedKey::files(folder.join("first.pem"), folder.join("second.key"));
    let error = bind(Server::builder().tls(ServerTls::new(mixed))).await.unwrap_err().to_string();
    assert!(error.contains("second.key` is not the one that the certificate of `"), "{error}");
    let missing = CertifiedKey::files(folder.join("none.pem"), folder.join("second.key"));
    let error = bind(Server::builder().tls(ServerTls::new(missing))).await.unwrap_err().to_string();
    assert!(error.contains("cannot read `") && error.contains("none.pem"), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}
