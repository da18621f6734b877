//! Owns [`Reused`]: a value in a box that serves the next value of its type when this one is done with. Does not know what is
//! in it.
//!
//! A request and a response go through many hands. In a box each of them costs a word; by value it would be hundreds of bytes,
//! a quarter of what a small call costs. Boxes wait in a list for each thread, so that none is allocated for a call.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::thread::LocalKey;

use crate::limits;

/// Boxes of one thread that nothing is in.
pub(crate) type List<T> = RefCell<Vec<Box<T>>>;

/// What can be put into a box again and again.
pub(crate) trait Contents: Default + 'static {
    /// The boxes that wait.
    fn list() -> &'static LocalKey<List<Self>>;

    /// Makes it as it was at first: drops what it holds.
    fn clear(&mut self);
}

/// A value in a box, which goes back to its thread's list when this is dropped.
pub(crate) struct Reused<T: Contents>(Option<Box<T>>);

impl<T: Contents> Reused<T> {
    /// One as it was at first.
    #[inline]
    pub(crate) fn new() -> Self {
        // A thread that ends has none any more.
        let waiting = T::list().try_with(|list| list.borrow_mut().pop()).ok().flatten();
        Self(Some(waiting.unwrap_or_default()))
    }
}

impl<T: Contents> Reused<T> {
    /// Gives the box back, whose owner has made the contents what they were at first: for those who have taken out what was in
    /// it, and know that nothing is left.
    #[inline]
    pub(crate) fn give_back(mut self) {
        if let Some(contents) = self.0.take() {
            put(contents);
        }
    }
}

#[inline]
fn put<T: Contents>(contents: Box<T>) {
    // A thread that ends keeps none.
    let _ = T::list().try_with(|list| {
        let mut list = list.borrow_mut();
        if list.len() < limits::BOXES {
            list.push(contents);
        }
    });
}

impl<T: Contents> Deref for Reused<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.0.as_deref().expect("only `drop` takes it out")
    }
}

impl<T: Contents> DerefMut for Reused<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_deref_mut().expect("only `drop` takes it out")
    }
}

impl<T: Contents> Drop for Reused<T> {
    fn drop(&mut self) {
        let Some(mut contents) = self.0.take() else { return };
        // What it holds may be somebody else's, and make requests when it is dropped: not while the list is borrowed.
        contents.clear();
        put(contents);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[derive(Default)]
    struct Held {
        by: Option<Rc<()>>,
    }

    thread_local! {
        static LIST: List<Held> = const { RefCell::new(Vec::new()) };
    }

    impl Contents for Held {
        fn list() -> &'static LocalKey<List<Self>> {
            &LIST
        }

        fn clear(&mut self) {
            self.by = None;
        }
    }

    #[test]
    fn a_box_is_empty_when_it_is_used_again_and_a_list_is_bounded() {
        let held = Rc::new(());
        let mut one = Reused::<Held>::new();
        one.by = Some(held.clone());
        let before = std::ptr::from_ref(&*one);
        drop(one);
        assert_eq!(Rc::strong_count(&held), 1, "it holds nothing");
        let again = Reused::<Held>::new();
        assert_eq!(std::ptr::from_ref(&*again), before);
        assert!(again.by.is_none());
        drop((0..2 * limits::BOXES).map(|_| Reused::<Held>::new()).collect::<Vec<_>>());
        assert_eq!(LIST.with_borrow(Vec::len), limits::BOXES);
    }
}
