//! The raw server's connection: every call that a read brought is answered at once, and all answers go out in one write.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::systems::raw::frame;

/// The size at which a batch of items goes out.
const BATCH: usize = 48 * 1024;

/// Serves a connection until it ends.
pub(crate) async fn answer(mut socket: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let (mut read, mut out, mut batch) = (BytesMut::with_capacity(frame::READ), Vec::new(), Vec::new());
    loop {
        while let Some(call) = frame::next(&mut read) {
            match call.kind {
                frame::ADD => {
                    let sum = read.get_i64_le() + read.get_i64_le();
                    frame::put(&mut out, call.id, frame::ADD, &sum.to_le_bytes());
                }
                frame::ECHO => {
                    frame::put(&mut out, call.id, frame::ECHO, &read[..call.length]);
                    read.advance(call.length);
                }
                _ => {
                    let count = read.get_u64_le();
                    for id in 0..count {
                        frame::put_item(&mut batch, id);
                        if batch.len() > BATCH || id + 1 == count {
                            frame::put(&mut out, call.id, frame::ITEMS, &batch);
                            socket.write_all(&out).await?;
                            out.clear();
                            batch.clear();
                        }
                    }
                }
            }
        }
        if !out.is_empty() {
            socket.write_all(&out).await?;
            out.clear();
        }
        frame::make_room(&mut read);
        if socket.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    }
}
