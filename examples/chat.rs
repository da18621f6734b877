//! A room in which several clients talk: a stream in and a stream out for each, at the same time.
//!
//! Run it with `cargo run --example chat`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use futures::{Stream, StreamExt, stream};
use tokio::sync::{broadcast, mpsc};
use traitwire::{Server, Streaming, rpc_service};

/// A room.
#[rpc_service]
pub trait Room {
    /// Says `lines` to everybody, and hears what everybody says, until there are no further lines.
    fn join(&self, name: String, lines: Streaming<String>) -> impl Stream<Item = String>;
}

struct Hall {
    said: broadcast::Sender<String>,
}

impl Room for Hall {
    fn join(&self, name: String, lines: Streaming<String>) -> impl Stream<Item = String> {
        let heard = stream::unfold(self.said.subscribe(), |mut heard| async {
            // Somebody who listens too slowly misses lines, and leaves.
            heard.recv().await.ok().map(|line| (line, heard))
        });
        let _ = self.said.send(format!("* {name} comes in"));
        let speaker = name.clone();
        let speaking = lines.for_each(move |line| {
            if let Ok(line) = line {
                let _ = self.said.send(format!("{speaker}: {line}"));
            }
            std::future::ready(())
        });
        // Whoever ends his lines leaves, and so does whoever is lost: then this is dropped.
        heard.take_until(speaking)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (said, _) = broadcast::channel(64);
    let server = Server::builder().service(RoomServer::new(Hall { said })).bind("tcp://127.0.0.1:0").await?;
    let address = server.addresses()[0].clone();
    tokio::spawn(server.serve());

    let mut guests = Vec::new();
    for name in ["Ada", "Grace", "Edsger"] {
        let room = RoomClient::connect(&address).await?;
        let (say, lines) = mpsc::unbounded_channel();
        let lines = stream::unfold(lines, |mut lines| async { Some((lines.recv().await?, lines)) });
        let mut hears = room.join(name.to_owned(), lines);
        // A guest is in when he hears that he is.
        hears.next().await.transpose()?;
        guests.push((name, say, hears));
    }
    for (name, say, _) in &guests {
        say.send(format!("good day, this is {name}"))?;
    }
    for (name, say, hears) in &mut guests {
        println!("{name} hears:");
        let mut greetings = 0;
        while greetings < 3 {
            let Some(line) = hears.next().await.transpose()? else { break };
            greetings += usize::from(line.contains("good day"));
            println!("   {line}");
        }
        say.send("goodbye".to_owned())?;
    }
    for (name, say, hears) in guests {
        drop(say);
        println!(
            "{name} leaves, and heard {} lines more",
            hears.filter(|l| std::future::ready(l.is_ok())).count().await
        );
    }
    Ok(())
}
