//! Owns [`Home`], the place in memory that a handler's future lives in, and the empty ones that a thread keeps for the next
//! futures of the same type. Does not know what a future does.
//!
//! Most handlers are done when they have been polled once, so a box for each would be allocated and freed right away.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::call::CallResult;
use crate::limits;

thread_local! {
    static EMPTY: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// A place that nobody lives in, and whom it suits.
type Kept = (TypeId, Pin<Box<dyn Place>>);

/// A future in a place of its own, which is kept for the next one of its type when this is dropped.
pub(super) struct Home {
    of: TypeId,
    /// None only while it is dropped, or if it is too large to be kept.
    place: Option<Pin<Box<dyn Place>>>,
}

/// Where a future of one type can live, again and again.
trait Place: Send {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult>;

    /// Lets a future in: what `arrival`, an `Option` of the right type, holds.
    fn enter(self: Pin<&mut Self>, arrival: &mut dyn Any);

    /// Drops who lives here.
    fn leave(self: Pin<&mut Self>);

    fn size(&self) -> usize;
}

impl<F: Future<Output = CallResult> + Send + 'static> Place for Option<F> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CallResult> {
        self.as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx))
    }

    fn enter(mut self: Pin<&mut Self>, arrival: &mut dyn Any) {
        if let Some(future) = arrival.downcast_mut::<Self>() {
            self.set(future.take());
        }
    }

    fn leave(mut self: Pin<&mut Self>) {
        self.set(None);
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

impl Home {
    pub(super) fn new<F: Future<Output = CallResult> + Send + 'static>(future: F) -> Self {
        let of = TypeId::of::<F>();
        let place = match take(of) {
            Some(mut place) => {
                place.as_mut().enter(&mut Some(future));
                place
            }
            None => Box::pin(Some(future)),
        };
        Self { of, place: Some(place) }
    }

    /// Polls the future; what it returns is the last that it does.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CallResult> {
        self.place.as_mut().map_or(Poll::Pending, |place| place.as_mut().poll(cx))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(mut place) = self.place.take() {
            place.as_mut().leave();
            put(self.of, place);
        }
    }
}

fn take(of: TypeId) -> Option<Pin<Box<dyn Place>>> {
    // A thread that ends has none any more.
    let found = EMPTY.try_with(|empty| {
        let mut empty = empty.borrow_mut();
        let at = empty.iter().rposition(|(suits, _)| *suits == of)?;
        Some(empty.swap_remove(at).1)
    });
    found.ok().flatten()
}

fn put(of: TypeId, place: Pin<Box<dyn Place>>) {
    if place.size() > limits::HOME {
        return;
    }
    let _ = EMPTY.try_with(|empty| {
        let mut empty = empty.borrow_mut();
        if empty.len() >= limits::HOMES {
            // One of a method that is not called any more goes some time.
            empty.swap_remove(0);
        }
        empty.push((of, place));
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Waker;

    use super::*;
    use crate::call::{Code, Delivery, RpcError};

    fn error(text: &'static str) -> CallResult {
        Err(RpcError::new(Code::INTERNAL, Delivery::Executed, text))
    }

    async fn answers(text: &'static str, _held: Arc<()>) -> CallResult {
        error(text)
    }

    fn polled(home: &mut Home) -> String {
        match home.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => error.message().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_place_is_used_again_by_futures_of_its_type_alone() {
        let held = Arc::new(());
        let mut first = Home::new(answers("first", held.clone()));
        assert_eq!(polled(&mut first), "first");
        let waits = Home::new(async {
            std::future::pending::<()>().await;
            error("never")
        });
        drop(first);
        drop(waits);
        let kept = || EMPTY.with_borrow(Vec::len);
        assert_eq!((kept(), Arc::strong_count(&held)), (2, 1), "both are empty");
        let mut second = Home::new(answers("second", held.clone()));
        assert_eq!((kept(), polled(&mut second).as_str()), (1, "second"));
        let unpolled = Home::new(answers("unpolled", held.clone()));
        drop((second, unpolled));
        assert_eq!((kept(), Arc::strong_count(&held)), (3, 1));
        let large = [0_u8; limits::HOME];
        drop(Home::new(async move { error(if large[0] == 0 { "large" } else { "" }) }));
        assert_eq!(kept(), 3);
        for _ in 0..2 {
            let many: Vec<_> = (0..limits::HOMES).map(|_| Home::new(answers("many", held.clone()))).collect();
            drop(many);
        }
        assert_eq!(kept(), limits::HOMES);
    }

    #[test]
    fn a_future_that_panics_while_it_is_dropped_takes_its_place_along() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("on purpose");
            }
        }
        let bomb = Bomb;
        let home = Home::new(async move {
            let _bomb = bomb;
            error("")
        });
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(home)));
        assert!(dropped.is_err() && EMPTY.with_borrow(Vec::is_empty));
    }
}
