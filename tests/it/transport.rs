//! Transports of users, and what the built-in ones do with their addresses.

use std::io;
use std::time::Duration;

use traitwire::transport::{Link, Listener, Memory, Transport};
use traitwire::{Caller, Channel, Code, Delivery, Server};

use super::support::{Hand, call, request, socket_path};

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

/// Hangs where its address says.
struct Hangs;

#[async_trait::async_trait]
impl Transport for Hangs {
    fn scheme(&self) -> &'static str {
        "hangs"
    }

    async fn resolve(&self, address: &str) -> io::Result<Vec<String>> {
        if address == "resolving" {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        Ok(if address == "nowhere" {
            Vec::new()
        } else {
            vec![format!("{address}-1"), format!("{address}-2")]
        })
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        match address {
            "connecting-2" => std::future::pending().await,
            "silent-2" => {
                let (own, other) = tokio::io::duplex(1_000);
                tokio::spawn(async move {
                    let _other = other;
                    std::future::pending::<()>().await
                });
                Ok(Link::local(own, address))
            }
            _ => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                Err(io::Error::new(io::ErrorKind::ConnectionRefused, format!("{address} says no")))
            }
        }
    }

    async fn bind(&self, _: &str) -> io::Result<Box<dyn Listener>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_time_runs_out_says_what_it_went_into() {
    let patient = traitwire::CallOptions::new().wait_for_ready();
    for (address, seconds, story) in [
        ("resolving", 1, "1.0s resolving `resolving`"),
        (
            "connecting",
            2,
            "1.2s resolving `connecting`, 250.0ms connecting to connecting-1 (1 of 2), 550.0ms connecting to connecting-2 (2 of 2)",
        ),
        ("silent", 4, "2.6s waiting for the peer's HELLO; before that 1.4s waiting for a connection"),
        (
            "refused",
            2,
            "1.2s resolving `refused`, 250.0ms connecting to refused-1 (1 of 2), 300.0ms connecting to refused-2 (2 of 2), \
             250.0ms waiting out the back-off (no connection: refused-2 says no)",
        ),
        ("nowhere", 2, "800.0ms waiting out the back-off (no connection: `nowhere` resolves to no address)"),
    ] {
        let builder = Channel::builder().transport(Hangs).connect_timeout(Duration::from_secs(60));
        let channel = builder.lazy(&format!("hangs://{address}")).unwrap();
        let options = patient.clone().timeout(Duration::from_secs(seconds));
        let error = channel.call(request("Hand.echo", "x").with_options(&options)).await.unwrap_err();
        assert_eq!((error.code(), error.delivery()), (Code::DEADLINE_EXCEEDED, Delivery::NotSent), "{error}");
        assert!(
            error.message().contains(&format!("its time ran out: {story}")) || address == "nowhere",
            "{error}"
        );
        assert!(error.message().ends_with(story), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_says_where_it_was() {
    let channel = Channel::builder().transport(Hangs).lazy("hangs://connecting").unwrap();
    let error = call(&channel, "Hand.echo", "x").await.unwrap_err();
    assert_eq!((error.code(), error.delivery()), (Code::UNAVAILABLE, Delivery::NotSent), "{error}");
    assert!(
        error.message().starts_with("no connection within 2s (`connect_timeout`): 1.2s resolving"),
        "{error}"
    );
    assert!(error.message().ends_with("550.0ms connecting to connecting-2 (2 of 2)"), "{error}");
}
