//! Hostile peers: an evil client against a `conformance-server` process, and an evil server against a
//! `conformance-client` process, over raw sockets. They write their bytes by hand, from docs/PROTOCOL.md alone.
//!
//! Each case is a row of a table: its name, the fault that it is, what is sent, and the stated effect. Beside each the same
//! things are held: an honest client loses no call and waits for none, the process under attack stays within its memory,
//! and its counters tell what happened and go back to where they were.
//!
//! The programs are those of the same build; `TRAITWIRE_EVIL_BIN=target/release` takes them from there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "what an attack cost is for whoever asks with `--nocapture`")]

mod bodies;
mod bytes;
mod case;
mod client;
mod connections;
mod floods;
mod frames;
mod handshake;
mod honest;
mod ids;
mod in_time;
mod items;
mod parts;
mod peer;
mod server;
mod slow;

/// A row that is there twice, or a fault that no list has, is a slip of the pen.
#[test]
fn rows_have_names_of_their_own_and_faults_that_are_listed() {
    let tables = [
        bodies::table(),
        connections::table(),
        floods::table(),
        frames::table(),
        handshake::table(),
        handshake::slow(),
        ids::table(),
        in_time::table(),
        items::table(),
        parts::table(),
        slow::table(),
    ];
    let mut names = std::collections::BTreeSet::new();
    let rows = tables.iter().flatten();
    for row in rows {
        assert!(names.insert(row.name), "{} is there twice", row.name);
        let (list, number) = row.fault.split_at(1);
        let most = match list {
            "W" => 21,
            "A" => 14,
            "P" => 28,
            _ => 0,
        };
        assert!((1..=most).contains(&number.parse::<u32>().unwrap()), "{}: {}", row.name, row.fault);
    }
    assert!(names.len() >= 200, "{}", names.len());
}
