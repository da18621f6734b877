//! Servers that break the rules of streams, byte by byte: the client's call ends with an error, and the client lives.

use std::io;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Mutex, mpsc};
use traitwire::transport::{Link, Listener, Transport};
use traitwire::{Channel, Code, Delivery, RpcError, Streaming, rpc_service};

use super::support::socket_path;

#[rpc_service]
trait Pump {
    async fn add(&self, a: u8, b: u8) -> u8;
    fn draw(&self) -> impl Stream<Item = u8>;
    async fn fill(&self, values: Streaming<u8>) -> u8;
}

const HELLO: &str = "c152504301 00000007 0100 00000000 80";
const OPEN: &str = "00000007 0710 00000001 c0";
const ITEM: &str = "00000007 0700 00000001 2a";
const END: &str = "00000007 0800 00000001 c0";
const REPLY: &str = "00000008 0400 00000001 c0 05";
/// An item of 12 bytes, of which 5 are here.
const PART: &str = "0000000f 0701 00000001 0000000c c40a616263";

/// What a server sends for a call that takes items, how many of them are still read, and what is known then.
fn to_a_reader() -> Vec<(&'static str, String, usize, Delivery)> {
    let opened = |rest: &str| format!("{OPEN} {rest}");
    let (unknown, executed) = (Delivery::Unknown, Delivery::Executed);
    vec![
        ("ITEM before OPEN", ITEM.to_owned(), 0, unknown),
        ("END before OPEN", END.to_owned(), 0, unknown),
        ("REPLY to a call with TAKES", REPLY.to_owned(), 0, unknown),
        ("REPLY behind OPEN", opened(REPLY), 0, executed),
        ("OPEN twice", opened(OPEN), 0, executed),
        ("more than the credit of 1,024", opened(&over_credit()), 0, executed),
        ("END inside an item", opened(&format!("{ITEM} {PART} {END}")), 1, executed),
        ("an item that does not add up", opened(&format!("{PART} 00000008 0700 00000001 6465")), 0, executed),
        ("an empty item", opened("00000006 0700 00000001"), 0, executed),
        ("a part with OPEN", "00000007 0711 00000001 c0".to_owned(), 0, unknown),
        ("a flag of another kind", opened("00000007 0740 00000001 2a"), 0, executed),
        ("an item of a call that was never made", opened("00000007 0700 00000003 2a"), 0, executed),
        ("an end of the connection inside an item", opened(&format!("{ITEM} {PART} close")), 1, executed),
        ("an end of the connection between items", opened(&format!("{ITEM} {ITEM} close")), 2, executed),
    ]
}

/// An item of 1,020 bytes, a `bin`: 12 more than there is credit for.
fn over_credit() -> String {
    format!("00000402 0700 00000001 c503f9 {}", "00".repeat(1_017))
}

/// The same for a call that sends items.
fn to_a_writer() -> Vec<(&'static str, String, usize, Delivery)> {
    let unknown = Delivery::Unknown;
    vec![
        ("OPEN without TAKES", OPEN.to_owned(), 0, unknown),
        ("ITEM without TAKES", ITEM.to_owned(), 0, unknown),
        ("END without TAKES", END.to_owned(), 0, unknown),
        ("a CREDIT of nothing", "00000007 0900 00000001 00".to_owned(), 0, unknown),
        ("too much credit", "0000000b 0900 00000001 ceffffffff".to_owned(), 0, unknown),
    ]
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Says its HELLO, waits for a call, says this, and waits until the client hangs up. Answers what it has read.
async fn converse(mut io: impl AsyncRead + AsyncWrite + Unpin, call: &[u8], says: &str) -> Vec<u8> {
    io.write_all(&bytes(HELLO)).await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(call.len()).any(|window| window == call) {
        assert!(io.read_buf(&mut seen).await.unwrap() > 0, "a call comes");
    }
    let (says, closes) = says.strip_suffix("close").map_or((says, false), |says| (says, true));
    io.write_all(&bytes(says)).await.unwrap();
    if !closes {
        // It may hang up with bytes unread, which some transports call an error.
        let _ = io.read_to_end(&mut seen).await;
    }
    seen
}

/// A listener of each kind.
enum Place {
    Memory(Pipes, Mutex<mpsc::UnboundedReceiver<DuplexStream>>),
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Place {
    async fn converse(&self, call: &[u8], says: &str) -> Vec<u8> {
        match self {
            Self::Memory(_, dialled) => {
                let pipe = dialled.lock().await.recv().await.unwrap();
                converse(pipe, call, says).await
            }
            Self::Tcp(listener) => converse(listener.accept().await.unwrap().0, call, says).await,
            Self::Unix(listener) => converse(listener.accept().await.unwrap().0, call, says).await,
        }
    }
}

async fn places(name: &str) -> [(String, Place); 3] {
    let (pipes, dialled) = mpsc::unbounded_channel();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let path = socket_path(name);
    let unix = UnixListener::bind(&path).unwrap();
    [
        ("pipes://here".to_owned(), Place::Memory(Pipes(pipes), Mutex::new(dialled))),
        (format!("tcp://{}", tcp.local_addr().unwrap()), Place::Tcp(tcp)),
        (format!("unix://{path}"), Place::Unix(unix)),
    ]
}

/// Memory whose other ends go to whoever listens.
#[derive(Clone)]
struct Pipes(mpsc::UnboundedSender<DuplexStream>);

#[async_trait::async_trait]
impl Transport for Pipes {
    fn scheme(&self) -> &'static str {
        "pipes"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        let (near, far) = duplex(64 << 10);
        self.0.send(far).map_err(io::Error::other)?;
        Ok(Link::local(near, address))
    }

    async fn bind(&self, _: &str) -> io::Result<Box<dyn Listener>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A fresh channel each time: after a connection that failed another attempt may have to wait.
fn client(uri: &str, place: &Place) -> PumpClient {
    let builder = Channel::builder().credit(1_024).connect_timeout(LONG);
    let builder = match place {
        Place::Memory(pipes, _) => builder.transport(pipes.clone()),
        Place::Tcp(_) | Place::Unix(_) => builder,
    };
    PumpClient::new(builder.lazy(uri).unwrap())
}

const LONG: Duration = Duration::from_secs(60);

/// The client makes a call on a new connection, and is answered.
async fn lives(client: &PumpClient, place: &Place, what: &str) {
    let answered = tokio::join!(client.add(2, 3).timeout(LONG).wait_for_ready(), async {
        // The connection closes when the client goes; the answer is here by then.
        let conversation = place.converse(b"Pump.add", REPLY);
        let _ = tokio::time::timeout(Duration::from_millis(200), conversation).await;
    });
    assert_eq!(answered.0.unwrap(), 5, "{what}: the client lives and connects anew");
}

fn check(what: &str, error: &RpcError, delivery: Delivery, said: &[u8], closed: bool) {
    assert_eq!(error.delivery(), delivery, "{what}: {error}");
    assert_ne!(error.code(), Code::DEADLINE_EXCEEDED, "{what}: {error}");
    // A connection error is told by GOAWAY before the close.
    let goaway = said.windows(6).any(|window| window == [0x0c, 0, 0, 0, 0, 0]);
    assert!(goaway || closed, "{what}: {error}");
}

#[tokio::test]
async fn a_reader_of_a_buggy_server_gets_an_error_and_lives() {
    for (uri, place) in places("buggy-reader").await {
        for (what, says, items, delivery) in to_a_reader() {
            let client = client(&uri, &place);
            let (read, said) = tokio::join!(
                async {
                    let mut drawn = client.draw().timeout(LONG);
                    let mut read = 0;
                    loop {
                        match drawn.next().await.expect("it does not end as if it were whole") {
                            Ok(value) => assert_eq!(value, 0x2a, "{what}"),
                            Err(error) => break (read, RpcError::from(error)),
                        }
                        read += 1;
                    }
                },
                place.converse(b"Pump.draw", &says)
            );
            assert_eq!(read.0, items, "{what}: {}", read.1);
            check(what, &read.1, delivery, &said, says.ends_with("close"));
            lives(&client, &place, what).await;
        }
    }
}

#[tokio::test]
async fn a_writer_to_a_buggy_server_gets_an_error_and_lives() {
    for (uri, place) in places("buggy-writer").await {
        for (what, says, _, delivery) in to_a_writer() {
            let client = client(&uri, &place);
            let call = client.fill(stream::iter([1]).chain(stream::pending())).timeout(LONG);
            let (result, said) = tokio::join!(call, place.converse(b"Pump.fill", &says));
            check(what, &RpcError::from(result.unwrap_err()), delivery, &said, false);
            lives(&client, &place, what).await;
        }
    }
}
