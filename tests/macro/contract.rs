//! The descriptor: what is known of a service without calling it.

use std::time::Duration;

use traitwire::{Client, MethodDescriptor, Service, rpc_service};

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
    #[rpc(blocking, timeout = "90m")]
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
    assert_eq!(signature(audit), "map: std::collections::BTreeMap<String, [u8; 4]> -> (u8, Box<str>)");
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
