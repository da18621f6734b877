//! Owns [`Queue`]: the calls of this side that wait to be sent, and whose turn it is. Does not know when there is room.

use std::collections::BTreeMap;

/// Calls that wait, by their turns, and apart from them those with a stream: they have fewer places, and calls without
/// one do not wait behind them.
#[derive(Debug, Default)]
pub(super) struct Queue {
    calls: BTreeMap<u64, usize>,
    streams: BTreeMap<u64, usize>,
    turns: u64,
}

impl Queue {
    /// The turn of the next call.
    pub(super) const fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    pub(super) fn push(&mut self, turn: u64, streaming: bool, key: usize) {
        self.line(streaming).insert(turn, key);
    }

    pub(super) fn remove(&mut self, turn: u64, streaming: bool) {
        self.line(streaming).remove(&turn);
    }

    /// Takes the call whose turn it is; one with a stream only if those have a place.
    pub(super) fn pop(&mut self, streams_too: bool) -> Option<usize> {
        let turn = |line: &BTreeMap<u64, usize>| line.first_key_value().map(|(&turn, _)| turn);
        let stream = if streams_too { turn(&self.streams) } else { None };
        match (turn(&self.calls), stream) {
            (None, None) => None,
            (Some(call), stream) if stream.is_none_or(|stream| call < stream) => self.calls.remove(&call),
            (_, stream) => self.streams.remove(&stream?),
        }
    }

    /// Whether calls of this sort wait already.
    pub(super) fn has(&self, streaming: bool) -> bool {
        if streaming { !self.streams.is_empty() } else { !self.calls.is_empty() }
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len() + self.streams.len()
    }

    pub(super) fn clear(&mut self) {
        self.calls.clear();
        self.streams.clear();
    }

    const fn line(&mut self, streaming: bool) -> &mut BTreeMap<u64, usize> {
        if streaming { &mut self.streams } else { &mut self.calls }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_in_their_turn_and_do_not_wait_for_the_places_of_streams() {
        let mut queue = Queue::default();
        for (key, streaming) in [true, false, true, false].into_iter().enumerate() {
            let turn = queue.turn();
            queue.push(turn, streaming, key);
        }
        assert_eq!((queue.len(), queue.has(true), queue.has(false)), (4, true, true));
        assert_eq!(queue.pop(false), Some(1));
        assert_eq!(
            [queue.pop(true), queue.pop(true), queue.pop(true), queue.pop(true)],
            [Some(0), Some(2), Some(3), None]
        );
    }
}
