//! Owns [`CallId`] and [`CallKey`], the names of a call, and [`IdTable`], which finds an open call by its id. Does
//! not give ids out.

use std::collections::BTreeMap;
use std::fmt;

/// A call's number on its connection.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallId(pub(super) u32);

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A call of this side, as its application names it. A key is free again when its call has ended.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CallKey(pub(super) usize);

impl CallKey {
    /// A small number, for tables beside the machine's own.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Open calls by id: an array whose places are found by the id's low bits.
///
/// An id whose place is taken goes to an ordered map. The ids of an honest peer rise by two and are at most as
/// many as the array, so that happens only beside calls that outlive hundreds of others; a peer that
/// chooses its ids to collide pays its own look-ups with a logarithm, and nobody else's.
///
/// `len <= places.len()`: the array doubles before it is full.
#[derive(Debug)]
pub(super) struct IdTable<T> {
    places: Vec<Option<(u32, T)>>,
    overflow: BTreeMap<u32, T>,
    len: usize,
}

impl<T> IdTable<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), overflow: BTreeMap::new(), len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, id: u32, value: T) {
        if self.len >= self.places.len() {
            self.grow();
        }
        self.len += 1;
        self.place(id, value);
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        let at = self.at(id)?;
        match &mut self.places[at] {
            Some((have, value)) if *have == id => Some(value),
            _ => self.overflow.get_mut(&id),
        }
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<T> {
        let at = self.at(id)?;
        let found = match self.places[at].take_if(|(have, _)| *have == id) {
            Some((_, value)) => Some(value),
            None => self.overflow.remove(&id),
        };
        self.len -= usize::from(found.is_some());
        found
    }

    /// All entries, in an order that depends on nothing but the ids that were put in and out.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        let placed = self.places.iter_mut().flatten().map(|(id, value)| (*id, value));
        placed.chain(self.overflow.iter_mut().map(|(id, value)| (*id, value)))
    }

    /// Takes all entries out and frees the memory.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u32, T)> + use<T> {
        let all = std::mem::replace(self, Self::new());
        all.places.into_iter().flatten().chain(all.overflow)
    }

    fn at(&self, id: u32) -> Option<usize> {
        // Ids of one side have the same parity: its bit would leave half of the places empty.
        (!self.places.is_empty()).then(|| (id / 2) as usize & (self.places.len() - 1))
    }

    #[inline]
    fn place(&mut self, id: u32, value: T) {
        match self.at(id) {
            Some(at) if self.places[at].is_none() => self.places[at] = Some((id, value)),
            _ => drop(self.overflow.insert(id, value)),
        }
    }

    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(SMALLEST);
        let mut empty = Vec::with_capacity(size);
        empty.resize_with(size, || None);
        let before = std::mem::replace(&mut self.places, empty);
        let overflow = std::mem::take(&mut self.overflow);
        for (id, value) in before.into_iter().flatten().chain(overflow) {
            self.place(id, value);
        }
    }
}

/// Places of a table that has its first entry; a power of two, as every size is.
const SMALLEST: usize = 4;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in prop::collection::vec((0u8..3, 0u32..400), 0..300)) {
            let mut table = IdTable::new();
            let mut model = BTreeMap::new();
            for (what, id) in steps {
                // Multiples of 64 collide in every table of this size.
                let id = if id % 3 == 0 { id * 64 } else { id * 2 };
                match what {
                    0 if !model.contains_key(&id) => {
                        table.insert(id, id);
                        model.insert(id, id);
                    }
                    1 => prop_assert_eq!(table.remove(id), model.remove(&id)),
                    _ => prop_assert_eq!(table.get_mut(id).copied(), model.get(&id).copied()),
                }
                prop_assert_eq!(table.len(), model.len());
                prop_assert_eq!(table.iter_mut().map(|(id, _)| id).collect::<std::collections::BTreeSet<_>>(),
                    model.keys().copied().collect());
            }
            prop_assert_eq!(table.drain().count(), model.len());
            prop_assert_eq!(table.len(), 0);
        }
    }
}
