//! The descriptor: what is known of a service without calling it.

use std::time::Duration;

use traitwire::{Client, MethodDescriptor, Service, Stream, Streaming, rpc_service};

/// Keeps the books.
///
/// For *everybody*.
#[rpc_service(name = "acme.books.Ledger")]
pub(crate) trait Ledger {
    /// The balance.
    #[rpc(idempotent, timeout = "2s", elements = 200_000)]
    async fn balance(&self, account: &str, #[rpc(default)] at: Option<Vec<u8>>) -> Result<i64, String>;
    #[rpc(oneway)]
    #[rpc(name = "note-down")]
    async fn note(&self, texts: &[(u8, String)]);
    #[rpc(blocking, timeout = "90m", allow("auditor", "owner"))]
    #[deprecated = "ask for the balance"]
    async fn audit(&self, map: std::collections::BTreeMap<String, [u8; 4]>) -> (u8, Box<str>);
}

struct Book;

impl Ledger for Book {
    async fn balance(&self, account: &str, at: Option<Vec<u8>>) -> Result<i64, String> {
        at.map(|_| 1).ok_or_else(|| account.to_owned())
    }
    async fn note(&self, _: &[(u8, String)]) {}
    async fn audit(&self, _: std::collections::BTreeMap<String, [u8; 4]>) -> (u8, Box<str>) {
        (0, "".into())
    }
}

#[test]
fn a_descriptor_tells_what_the_trait_says() {
    let service = <LedgerClient as Client>::DESCRIPTOR;
    assert_eq!((service.name, service.docs), ("acme.books.Ledger", "Keeps the books.\n\nFor *everybody*."));
    let [balance, note, audit] = service.methods else { panic!("{service:?}") };
    assert_eq!((balance.name, balance.full_name), ("balance", "acme.books.Ledger.balance"));
    assert_eq!((balance.docs, balance.index), ("The balance.", 0));
    assert_eq!(
        (balance.idempotent, balance.oneway, balance.blocking, balance.deprecated),
        (true, false, false, false)
    );
    assert_eq!((balance.timeout, balance.elements), (Some(Duration::from_secs(2)), Some(200_000)));
    assert_eq!(signature(balance), "account: &str, at: Option<Vec<u8>> = default -> Result<i64, String>");
    assert_eq!((note.name, note.full_name, note.index), ("note-down", "acme.books.Ledger.note-down", 1));
    assert_eq!((note.idempotent, note.oneway, note.timeout, note.docs), (false, true, None, ""));
    assert_eq!(signature(note), "texts: &[(u8, String)] -> ()");
    assert_eq!(
        (audit.blocking, audit.deprecated, audit.timeout),
        (true, true, Some(Duration::from_secs(5400)))
    );
    assert_eq!((audit.allow, note.allow), (&["auditor", "owner"][..], &[][..]));
    assert_eq!(signature(audit), "map: std::collections::BTreeMap<String, [u8; 4]> -> (u8, Box<str>)");
}

#[rpc_service]
pub(crate) trait Aging {
    #[cfg_attr(not(test), deprecated)]
    async fn young(&self);
    #[cfg_attr(all(), deprecated = "ask the young one")]
    async fn old(&self);
}

#[test]
fn what_is_deprecated_under_a_condition_is_so_where_that_holds() {
    let methods = <AgingClient as Client>::DESCRIPTOR.methods;
    assert_eq!(methods.iter().map(|method| method.deprecated).collect::<Vec<_>>(), [false, true]);
}

#[rpc_service]
pub(crate) trait Journal {
    #[rpc(timeout = "5s", idle_timeout = "1m", total_timeout = "2h")]
    fn lines(&self, from: u64) -> impl Stream<Item = String>;
    async fn follow(&self, name: &str) -> Result<impl Stream<Item = String> + Send, String>;
    #[rpc(idle_timeout = "250ms")]
    async fn append(&self, lines: Streaming<String>, name: &str) -> u64;
    async fn filter(&self, lines: Streaming<String>) -> impl Stream<Item = String>;
    async fn len(&self) -> u64;
}

#[test]
fn a_descriptor_tells_of_streams() {
    let service = <JournalClient as Client>::DESCRIPTOR;
    let [lines, follow, append, filter, len] = service.methods else { panic!("{service:?}") };
    let streams = service.methods.iter().map(|method| (method.sends, method.takes));
    assert_eq!(
        streams.collect::<Vec<_>>(),
        [(false, true), (false, true), (true, false), (true, true), (false, false)]
    );
    let times = |method: &MethodDescriptor| (method.timeout, method.idle_timeout, method.total_timeout);
    let seconds = |number| Some(Duration::from_secs(number));
    assert_eq!(times(lines), (seconds(5), seconds(60), seconds(7200)));
    assert_eq!(times(append), (None, Some(Duration::from_millis(250)), None));
    assert_eq!([times(follow), times(filter), times(len)], [(None, None, None); 3]);
    assert_eq!(signature(lines), "from: u64 -> impl Stream<Item = String>");
    assert_eq!(signature(follow), "name: &str -> Result<impl Stream<Item = String> + Send, String>");
    assert_eq!(signature(append), "lines: Streaming<String>, name: &str -> u64");
}

fn signature(method: &MethodDescriptor) -> String {
    let arguments = method.arguments.iter().map(|argument| {
        format!("{}: {}{}", argument.name, argument.ty, if argument.default { " = default" } else { "" })
    });
    format!("{} -> {}", arguments.collect::<Vec<_>>().join(", "), method.returns)
}

#[test]
fn client_and_server_share_one_descriptor() {
    let of_server = LedgerServer::new(Book).descriptor();
    assert!(std::ptr::eq(of_server, <LedgerClient as Client>::DESCRIPTOR));
}

#[tokio::test]
async fn calls_carry_it() {
    let client = LedgerClient::loopback(Book);
    assert_eq!(client.balance("a", Some(vec![])).await.unwrap(), 1);
    client.note(&[(1, "x".into())]).await.unwrap();
}
