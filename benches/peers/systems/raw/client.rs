//! The raw client's connection: callers, one task that writes and one that reads. Knows no address.

use std::mem;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use slab::Slab;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc, oneshot};

use crate::systems::raw::frame;
use crate::systems::{Failure, Item};

/// Batches that a stream's reader may be behind.
const BATCHES: usize = 8;

pub(crate) struct Connection {
    state: Mutex<State>,
    written: Notify,
}

#[derive(Default)]
struct State {
    /// Frames that nobody has written yet.
    out: Vec<u8>,
    pending: Slab<Pending>,
    closed: bool,
}

enum Pending {
    Call(oneshot::Sender<Answer>),
    Stream { to: mpsc::Sender<Vec<Item>>, left: u64 },
}

enum Answer {
    Sum(i64),
    Body(Bytes),
}

impl Connection {
    pub(crate) fn open(
        reading: impl AsyncRead + Send + Unpin + 'static,
        writing: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Arc<Self> {
        let this = Arc::new(Self { state: Mutex::default(), written: Notify::new() });
        tokio::spawn(Arc::clone(&this).write(writing));
        tokio::spawn(Arc::clone(&this).read(reading));
        this
    }

    pub(crate) async fn add(&self, a: i64, b: i64) -> Result<i64, Failure> {
        match self.call(|out, id| frame::put_add(out, id, a, b)).await? {
            Answer::Sum(sum) => Ok(sum),
            Answer::Body(_) => Err("the answer to another question".into()),
        }
    }

    pub(crate) async fn echo(&self, body: &[u8]) -> Result<Bytes, Failure> {
        match self.call(|out, id| frame::put(out, id, frame::ECHO, body)).await? {
            Answer::Body(body) => Ok(body),
            Answer::Sum(_) => Err("the answer to another question".into()),
        }
    }

    async fn call(&self, put: impl FnOnce(&mut Vec<u8>, u32)) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        self.send(Pending::Call(answer), put);
        Ok(answered.await.map_err(|_| "the connection ended")?)
    }

    pub(crate) fn items(&self, count: u64) -> mpsc::Receiver<Vec<Item>> {
        let (to, from) = mpsc::channel(BATCHES);
        let pending = Pending::Stream { to, left: count };
        self.send(pending, |out, id| frame::put(out, id, frame::ITEMS, &count.to_le_bytes()));
        from
    }

    fn send(&self, pending: Pending, put: impl FnOnce(&mut Vec<u8>, u32)) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        let id = state.pending.insert(pending) as u32;
        let is_first = state.out.is_empty();
        put(&mut state.out, id);
        drop(state);
        // Whoever comes second finds the writer told.
        if is_first {
            self.written.notify_one();
        }
    }

    async fn write(self: Arc<Self>, mut socket: impl AsyncWrite + Unpin) {
        let mut out = Vec::new();
        loop {
            self.written.notified().await;
            mem::swap(&mut out, &mut self.state.lock().out);
            if socket.write_all(&out).await.is_err() {
                return self.close();
            }
            out.clear();
        }
    }

    async fn read(self: Arc<Self>, mut socket: impl AsyncRead + Unpin) {
        let mut read = BytesMut::with_capacity(frame::READ);
        loop {
            while let Some(frame) = frame::next(&mut read) {
                match frame.kind {
                    frame::ADD => self.answer(frame.id, Answer::Sum(read.get_i64_le())),
                    frame::ECHO => self.answer(frame.id, Answer::Body(frame::body(&mut read, frame.length))),
                    _ => {
                        let batch = frame::items(&read[..frame.length]);
                        read.advance(frame.length);
                        self.pass(frame.id, batch).await;
                    }
                }
            }
            frame::make_room(&mut read);
            if socket.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return self.close();
            }
        }
    }

    fn answer(&self, id: u32, answer: Answer) {
        let pending = self.state.lock().pending.try_remove(id as usize);
        if let Some(Pending::Call(caller)) = pending {
            // A caller that has gone needs no answer.
            let _ = caller.send(answer);
        }
    }

    async fn pass(&self, id: u32, batch: Vec<Item>) {
        let to = {
            let mut state = self.state.lock();
            let Some(Pending::Stream { to, left }) = state.pending.get_mut(id as usize) else { return };
            let to = to.clone();
            *left -= batch.len() as u64;
            if *left == 0 {
                state.pending.remove(id as usize);
            }
            to
        };
        // Nor does a reader that has gone need its items.
        let _ = to.send(batch).await;
    }

    /// Ends whoever waits: their senders are dropped.
    fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.pending.clear();
    }
}
