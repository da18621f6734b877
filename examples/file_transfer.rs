//! Files up and down, with a progress bar, a digest, and an upload that is given up half way and leaves nothing behind.
//!
//! Run it with `cargo run --example file_transfer`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use futures::{Stream, StreamExt, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use traitwire::{Server, Streaming, rpc_service};

/// What the server knows of a file.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub struct Receipt {
    /// Its bytes.
    pub size: u64,
    /// Their digest.
    pub digest: u64,
}

/// Why there is no file.
#[derive(Debug, Deserialize, Serialize)]
pub struct NotFound;

/// Why a file is not kept.
#[derive(Debug, Deserialize, Serialize)]
pub struct Cut(String);

/// A place for files.
#[rpc_service]
pub trait Files {
    /// Keeps a file. One that is not sent to its end is not kept.
    async fn put(&self, name: &str, chunks: Streaming<Vec<u8>>) -> Result<Receipt, Cut>;
    /// A file, in chunks.
    async fn get(&self, name: &str) -> Result<impl Stream<Item = Vec<u8>>, NotFound>;
}

#[derive(Default)]
struct Shelf(Mutex<HashMap<String, Vec<u8>>>);

const CHUNK: usize = 64 * 1024;

impl Files for Shelf {
    async fn put(&self, name: &str, mut chunks: Streaming<Vec<u8>>) -> Result<Receipt, Cut> {
        let mut file = Vec::new();
        // `None` is the end, and an error is none: a caller that gives up stops this handler here, or shows as an error.
        while let Some(chunk) = chunks.next().await {
            file.extend(chunk.map_err(|error| Cut(error.to_string()))?);
        }
        let receipt = Receipt { size: file.len() as u64, digest: digest(&file) };
        self.0.lock().insert(name.to_owned(), file);
        Ok(receipt)
    }

    async fn get(&self, name: &str) -> Result<impl Stream<Item = Vec<u8>>, NotFound> {
        let file = self.0.lock().get(name).cloned().ok_or(NotFound)?;
        let chunks: Vec<_> = file.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        Ok(stream::iter(chunks))
    }
}

fn digest(bytes: &[u8]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(bytes)
}

/// Four times in all.
fn bar(what: &str, done: usize, all: usize) {
    if done.is_multiple_of(all / 4) {
        println!("{what} [{:<20}] {:3} %", "#".repeat(20 * done / all), 100 * done / all);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server =
        Server::builder().service(FilesServer::new(Shelf::default())).bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());
    let files = FilesClient::connect(&address).await?;

    let file: Vec<u8> = (0..4 << 20).map(|n: u32| n.to_le_bytes()[n as usize % 4]).collect();
    let chunks: Vec<_> = file.chunks(CHUNK).map(<[u8]>::to_vec).collect();
    let sending = stream::iter(chunks.clone()).enumerate().map(|(nth, chunk)| {
        bar("up  ", nth + 1, 64);
        chunk
    });
    let receipt = files.put("big", sending).await.map_err(|error| format!("{error:?}"))?;
    println!("kept: {} bytes, digest right: {}", receipt.size, receipt.digest == digest(&file));

    let mut back = Vec::new();
    let mut coming = files.get("big").await.map_err(|_| "it was kept a moment ago")?;
    while let Some(chunk) = coming.next().await.transpose()? {
        back.extend(chunk);
        bar("down", coming.received().items as usize, 64);
    }
    println!("back: {}", if back == file { "the same bytes" } else { "other bytes" });

    let half = stream::iter(chunks.into_iter().take(32)).chain(stream::pending());
    let given_up = tokio::time::timeout(std::time::Duration::from_millis(200), files.put("half", half)).await;
    println!("half an upload: {}", if given_up.is_err() { "given up" } else { "finished?" });
    println!("and what is kept of it: {}", files.get("half").await.map_or("nothing", |_| "something?"));
    Ok(())
}
