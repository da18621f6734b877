//! Transports of users, and what the built-in ones do with their addresses.

use std::io;

use traitwire::transport::{Link, Listener, Memory, Transport};
use traitwire::{Channel, Server};

use super::support::{Hand, call, socket_path};

/// Memory under another scheme, which turns some callers away.
struct Choosy;

#[async_trait::async_trait]
impl Transport for Choosy {
    fn scheme(&self) -> &'static str {
        "choosy"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        match address.strip_prefix("please/") {
            Some(address) => Memory.connect(address).await,
            None => Err(io::Error::new(io::ErrorKind::PermissionDenied, "say please")),
        }
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        Memory.bind(address).await
    }
}

#[tokio::test]
async fn a_transport_of_the_user_is_chosen_by_its_scheme() {
    let server =
        Server::builder().service(Hand::default()).transport(Choosy).bind("choosy://place").await.unwrap();
    assert_eq!(server.addresses(), ["choosy://place"]);
    tokio::spawn(server.serve());
    let builder = Channel::builder().transport(Choosy);
    let channel = builder.clone().connect("choosy://please/place").await.unwrap();
    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
    let error = builder.connect("choosy://place").await.unwrap_err();
    assert!(error.message().contains("say please"), "{error}");
    let error = Channel::connect("choosy://please/place").await.unwrap_err();
    assert!(error.message().contains("known are `tcp://`"), "{error}");
}

/// TCP behind a buffer: what is written arrives only when it is flushed.
struct Buffered;

#[async_trait::async_trait]
impl Transport for Buffered {
    fn scheme(&self) -> &'static str {
        "buffered"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        Ok(Link::new(tokio::io::BufStream::with_capacity(1 << 20, 1 << 20, stream), address))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        traitwire::transport::Tcp.bind(address).await
    }
}

#[tokio::test]
async fn a_transport_that_buffers_is_flushed_after_messages_of_every_size() {
    let server =
        Server::builder().service(Hand::default()).transport(Buffered).bind("buffered://127.0.0.1:0");
    let server = server.await.unwrap();
    let uri = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    let channel = Channel::builder().transport(Buffered).connect(&uri).await.unwrap();
    for size in [10, 70_000, 100_000, 300_000, 3_000_000] {
        let payload = vec![7; size];
        assert!(call(&channel, "Hand.echo", &payload).await.unwrap() == payload, "{size}");
    }
}

#[tokio::test]
async fn a_server_that_ends_leaves_the_socket_of_its_successor() {
    let path = socket_path("successor-file");
    let uri = format!("unix://{path}");
    let first = Server::builder().service(Hand::default()).bind(&uri).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = Server::builder().service(Hand::default()).bind(&uri).await.unwrap();
    drop(first);
    assert!(std::path::Path::new(&path).exists());
    drop(second);
    assert!(!std::path::Path::new(&path).exists());
}

#[tokio::test]
async fn addresses_that_cannot_be_bound_say_why() {
    let file = format!("{}.txt", socket_path("no-socket"));
    std::fs::write(&file, "precious").unwrap();
    for (uri, words) in [
        ("unix://", "a path is missing"),
        (&*format!("unix://{file}"), "is no socket"),
        ("tcp://127.0.0.1", "has no port"),
    ] {
        let error = Server::builder().service(Hand::default()).bind(uri).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn a_socket_file_is_taken_over_only_if_nobody_listens_there() {
    let path = socket_path("takeover");
    let uri = format!("unix://{path}");
    // Left over from a process that is gone.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = Server::builder().service(Hand::default()).bind(&uri).await.unwrap();
    tokio::spawn(server.serve());
    let channel = Channel::connect(&uri).await.unwrap();
    assert_eq!(call(&channel, "Hand.echo", "x").await.unwrap(), b"x");
    let error = Server::builder().service(Hand::default()).bind(&uri).await.unwrap_err();
    assert!(error.to_string().contains(&path), "{error}");
    assert_eq!(call(&channel, "Hand.echo", "still there").await.unwrap(), b"still there");

    let file = format!("{path}.txt");
    std::fs::write(&file, "precious").unwrap();
    assert!(Server::builder().service(Hand::default()).bind(&format!("unix://{file}")).await.is_err());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    std::fs::remove_file(&file).unwrap();
}
