//! What a connection holds at the server while nothing happens on it.

use std::time::Duration;

use traitwire_allocations::count;

use crate::load::{Remote, SumsClient, runtime};

const CONNECTIONS: i64 = 64;
/// Bytes that the server may hold for each.
const MOST: i64 = 6 * 1024;

#[test]
fn an_idle_connection_holds_little() {
    count();
    let server = Remote::start();
    runtime().block_on(async {
        let first = connected(&server).await;
        let before = server.thread.live();
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(connected(&server).await);
        }
        // The server's last turn follows the last answer.
        first.add(1, 1).await.unwrap();
        let each = (server.thread.live() - before) / CONNECTIONS;
        println!("{each} bytes a connection");
        assert!(each <= MOST, "{each} bytes a connection");
        assert!(each > 0, "they were counted");
    });
}

async fn connected(server: &Remote) -> SumsClient {
    let client = SumsClient::connect(&server.address).await.unwrap();
    assert_eq!(client.add(40, 2).timeout(Duration::from_secs(30)).await.unwrap(), 42);
    client
}
