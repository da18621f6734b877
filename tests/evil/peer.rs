//! Owns [`Peer`]: one end of a raw socket that says what it is told, and reads what it is told in frames. Knows no rule of
//! the protocol but how a frame is taken apart.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rmpv::Value;

use crate::bytes::{self, PREFACE};

/// How long a peer waits for what is to come at once, or at a frame's ten seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A frame that came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) id: u32,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    /// The MessagePack values in its body.
    pub(crate) fn values(&self) -> Vec<Value> {
        let mut rest = &self.body[..];
        std::iter::from_fn(|| rmpv::decode::read_value(&mut rest).ok()).collect()
    }

    /// The words in its body.
    pub(crate) fn words(&self) -> String {
        self.values().iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// A hostile peer.
#[derive(Debug)]
pub(crate) struct Peer {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Peer {
    /// Connects, and says nothing.
    pub(crate) fn stranger(address: &str) -> Self {
        Self::of(TcpStream::connect(address).unwrap())
    }

    /// The same of a socket that is there.
    pub(crate) fn of(socket: TcpStream) -> Self {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { socket, unread: Vec::new() }
    }

    /// Connects, and shakes hands.
    pub(crate) fn shaken(address: &str) -> Self {
        let mut peer = Self::stranger(address);
        peer.say(&bytes::greeting());
        peer.hear_greeting();
        peer
    }

    /// Reads the other side's preface and HELLO.
    pub(crate) fn hear_greeting(&mut self) {
        assert_eq!(self.hear_bytes(5).as_deref(), Some(&PREFACE[..]), "the preface");
        assert_eq!(self.hear().unwrap().kind, bytes::HELLO);
    }

    /// Says this, as far as anybody takes it; says whether all of it was taken.
    pub(crate) fn say(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Says nothing more.
    pub(crate) fn shut(&mut self) {
        // It may be gone already.
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// The next frame; `None` at the end.
    ///
    /// Panics if nothing comes for [`PATIENCE`].
    pub(crate) fn hear(&mut self) -> Option<Frame> {
        let length = self.hear_bytes(4)?;
        let length = u32::from_be_bytes(length[..].try_into().unwrap()) as usize;
        let rest = self.hear_bytes(length)?;
        let id = u32::from_be_bytes(rest[2..6].try_into().unwrap());
        Some(Frame { kind: rest[0], flags: rest[1], id, body: rest[6..].to_vec() })
    }

    /// The next frame of this kind, whatever comes before it.
    pub(crate) fn hear_kind(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.hear()?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Nothing more comes.
    pub(crate) fn hear_end(&mut self) {
        if let Some(frame) = self.hear() {
            panic!("{frame:?} where the end was due");
        }
    }

    /// Exactly so many bytes; `None` if the end comes first.
    pub(crate) fn hear_bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        let mut buffer = [0; 64 * 1024];
        while self.unread.len() < count {
            match self.socket.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => self.unread.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("nothing came within {PATIENCE:?}; {:?} is unread", self.unread)
                }
                // What it had said and nobody read makes the kernel reset the connection.
                Err(_) => return None,
            }
        }
        let rest = self.unread.split_off(count);
        Some(std::mem::replace(&mut self.unread, rest))
    }

    /// A second hand on the same socket, for one who reads while this one writes.
    pub(crate) fn ear(&self) -> Self {
        Self { socket: self.socket.try_clone().unwrap(), unread: Vec::new() }
    }
}
