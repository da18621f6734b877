//! Models of the wake-up code that threads share: loom tries every order in which they can run. The code is the driver's
//! own, compiled with loom's atomics in place of the standard ones.

mod sync;

/// What the driver's files name of the rest of the crate.
mod proto {
    /// A call with a stream.
    #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
    pub(crate) struct CallRef(pub(crate) u32);
}

#[path = "../../rpc-runtime/src/driver/stop.rs"]
mod stop;
#[path = "../../rpc-runtime/src/driver/wakers.rs"]
mod wakers;

use std::future::poll_fn;
use std::task::{Context, Poll};

use loom::future::block_on;
use loom::sync::{Arc, Mutex};
use loom::thread;

use self::proto::CallRef;
use self::stop::StopSignal;
use self::wakers::{Known, StreamWakers};

const CALL: CallRef = CallRef(1);

#[test]
fn a_stop_signal_is_never_missed() {
    loom::model(|| {
        let stop = Arc::new(StopSignal::default());
        let setter = thread::spawn({
            let stop = Arc::clone(&stop);
            move || stop.set()
        });
        block_on(poll_fn(|cx| if stop.is_set(cx) { Poll::Ready(()) } else { Poll::Pending }));
        setter.join().unwrap();
    });
}

/// A connection's core, as far as one stream goes.
#[derive(Default)]
struct Core {
    wakers: StreamWakers,
    items: usize,
    room: usize,
    is_over: bool,
}

/// Waits until `ready` says so, as `Shared::poll_take` and `poll_push` do: the waker is cloned outside of the lock.
fn wait(
    core: &Mutex<Core>,
    cx: &Context<'_>,
    ready: impl Fn(&mut Core) -> bool,
    leave: impl Fn(&mut StreamWakers, &Context<'_>, Option<std::task::Waker>) -> Known,
) -> Poll<()> {
    let mut clone = None;
    loop {
        let Ok(mut core) = core.lock() else { panic!("no thread panics while it holds the lock") };
        if ready(&mut core) {
            return Poll::Ready(());
        }
        match leave(&mut core.wakers, cx, clone.take()) {
            Known::Yes(_) => return Poll::Pending,
            Known::No => {}
        }
        drop(core);
        clone = Some(cx.waker().clone());
    }
}

#[test]
fn a_reader_hears_of_each_item_and_of_the_end() {
    loom::model(|| {
        let core = Arc::new(Mutex::new(Core::default()));
        let connection = thread::spawn({
            let core = Arc::clone(&core);
            move || {
                let waker = {
                    let mut core = core.lock().unwrap();
                    core.items += 1;
                    core.wakers.take_reader(CALL)
                };
                waker.into_iter().for_each(std::task::Waker::wake);
                let wakers: Vec<_> = {
                    let mut core = core.lock().unwrap();
                    core.is_over = true;
                    core.wakers.forget(CALL).collect()
                };
                wakers.into_iter().for_each(std::task::Waker::wake);
            }
        });
        let read = |wakers: &mut StreamWakers, cx: &Context<'_>, clone| wakers.read(CALL, cx.waker(), clone);
        block_on(poll_fn(|cx| {
            wait(&core, cx, |core| std::mem::take(&mut core.items) > 0 || core.is_over, read)
        }));
        block_on(poll_fn(|cx| wait(&core, cx, |core| core.is_over, read)));
        connection.join().unwrap();
    });
}

#[test]
fn a_writer_hears_of_room_and_a_reader_beside_it_of_items() {
    loom::model(|| {
        let core = Arc::new(Mutex::new(Core::default()));
        let writer = thread::spawn({
            let core = Arc::clone(&core);
            move || {
                let write = |wakers: &mut StreamWakers, cx: &Context<'_>, clone| {
                    wakers.write(CALL, cx.waker(), clone)
                };
                block_on(poll_fn(|cx| wait(&core, cx, |core| core.room > 0, write)));
                let waker = {
                    let mut core = core.lock().unwrap();
                    core.items += 1;
                    core.wakers.take_reader(CALL)
                };
                waker.into_iter().for_each(std::task::Waker::wake);
            }
        });
        let waker = {
            let mut core = core.lock().unwrap();
            core.room += 1;
            core.wakers.take_writer(CALL)
        };
        waker.into_iter().for_each(std::task::Waker::wake);
        let read = |wakers: &mut StreamWakers, cx: &Context<'_>, clone| wakers.read(CALL, cx.waker(), clone);
        block_on(poll_fn(|cx| wait(&core, cx, |core| core.items > 0, read)));
        writer.join().unwrap();
    });
}
