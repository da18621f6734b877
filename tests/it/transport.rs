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
