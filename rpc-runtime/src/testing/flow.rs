//! Owns [`Flow`]: the bytes of one direction of a connection, from the writer's hand to the reader's. Pure: the caller
//! brings the time, what the path is like, and chance.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::io::ReadBuf;

use crate::call::Dice;
use crate::testing::frames::Frames;
use crate::testing::path::Path;

/// Bytes that one direction holds, under way or unread, before its writer waits: a socket's buffers.
const CAPACITY: usize = 64 * 1024;

/// What leaves in one piece where bandwidth is limited, so that the first bytes of a large write come before its last.
const PIECE: usize = 4 * 1024;

/// How often a slow reader reads.
const SIP: Duration = Duration::from_millis(10);

/// One direction.
///
/// Invariant: segments arrive in their order, those that are held last, and an ending behind them.
#[derive(Debug)]
pub(super) struct Flow {
    segments: VecDeque<Segment>,
    /// When the reader hears that nothing follows, and when that the connection is broken.
    close: Option<Arrival>,
    reset: Option<Arrival>,
    unread: usize,
    /// When the line is free for the next byte, and when the last one sent arrives.
    free: Option<Instant>,
    last: Option<Instant>,
    /// When a slow reader reads again.
    next_sip: Option<Instant>,
    /// Bytes that the reader has taken.
    taken: u64,
    pub(super) frames: Frames,
}

#[derive(Debug)]
struct Segment {
    bytes: Vec<u8>,
    at: usize,
    arrival: Arrival,
}

/// When something arrives; `None` while a partition holds it.
type Arrival = Option<Instant>;

/// What is behind the last byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// The writer has closed its end.
    Close,
    /// The connection is broken.
    Reset,
}

/// What a reader meets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Met {
    Bytes,
    End(Ending),
    /// Nothing before this instant.
    Later(Instant),
    /// Nothing until something happens.
    Nothing,
}

/// What a direction is like at the moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) path: Path,
    /// Nothing arrives.
    pub(super) is_held: bool,
}

impl Flow {
    pub(super) const fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            close: None,
            reset: None,
            unread: 0,
            free: None,
            last: None,
            next_sip: None,
            taken: 0,
            frames: Frames::new(),
        }
    }

    /// How many bytes the writer may give.
    pub(super) const fn room(&self) -> usize {
        CAPACITY.saturating_sub(self.unread)
    }

    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    pub(super) const fn has_unread(&self) -> bool {
        self.unread > 0
    }

    /// Takes bytes, for which there is room, from the writer; says how many packets of them are lost at first.
    pub(super) fn push(&mut self, bytes: &[u8], now: Instant, weather: Weather, dice: &mut Dice) -> u64 {
        let mut all_lost = 0;
        self.unread += bytes.len();
        for piece in bytes.chunks(PIECE) {
            let leaves = self.free.map_or(now, |free| free.max(now)) + weather.path.leaving(piece.len());
            self.free = Some(leaves);
            let (under_way, lost) = weather.path.under_way(piece.len(), dice);
            all_lost += lost;
            let arrival = self.arrival(leaves + under_way, weather);
            match self.segments.back_mut().filter(|back| back.arrival == arrival) {
                Some(back) => back.bytes.extend_from_slice(piece),
                None => self.segments.push_back(Segment { bytes: piece.to_vec(), at: 0, arrival }),
            }
        }
        all_lost
    }

    /// Nothing comes behind what has been given.
    pub(super) fn finish(&mut self, ending: Ending, now: Instant, weather: Weather, dice: &mut Dice) {
        if self.reset.is_some() || (ending == Ending::Close && self.close.is_some()) {
            return;
        }
        let leaves = self.free.map_or(now, |free| free.max(now));
        let (under_way, _) = weather.path.under_way(1, dice);
        let arrival = Some(self.arrival(leaves + under_way, weather));
        match ending {
            Ending::Close => self.close = arrival,
            Ending::Reset => self.reset = arrival,
        }
    }

    /// Breaks it now: what has not arrived is lost.
    pub(super) fn break_off(&mut self, now: Instant) {
        self.segments.retain(|segment| segment.arrival.is_some_and(|at| at <= now));
        self.unread = self.segments.iter().map(|segment| segment.bytes.len() - segment.at).sum();
        self.reset = Some(Some(now));
    }

    fn arrival(&mut self, at: Instant, weather: Weather) -> Arrival {
        let is_held = weather.is_held || self.segments.back().is_some_and(|back| back.arrival.is_none());
        if is_held {
            return None;
        }
        let at = self.last.map_or(at, |last| last.max(at));
        self.last = Some(at);
        Some(at)
    }

    /// Holds what has not arrived; says how many segments and ends that are.
    pub(super) fn hold(&mut self, now: Instant) -> u64 {
        let under_way = |arrival: &Arrival| arrival.is_some_and(|at| at > now);
        let mut held = 0;
        for segment in self.segments.iter_mut().filter(|segment| under_way(&segment.arrival)) {
            segment.arrival = None;
            held += 1;
        }
        for arrival in self.close.iter_mut().chain(&mut self.reset).filter(|arrival| under_way(arrival)) {
            *arrival = None;
            held += 1;
        }
        held
    }

    /// Lets go what was held: it is under way from now on.
    pub(super) fn release(&mut self, now: Instant, path: &Path, dice: &mut Dice) {
        let mut last = self.last.filter(|last| *last > now).unwrap_or(now);
        if self.segments.iter().any(|segment| segment.arrival.is_none()) {
            // What was under way when it was held has set it: it counts no more.
            last = now;
        }
        for segment in self.segments.iter_mut().filter(|segment| segment.arrival.is_none()) {
            last = last.max(now + path.under_way(segment.bytes.len(), dice).0);
            segment.arrival = Some(last);
        }
        for arrival in self.close.iter_mut().chain(&mut self.reset).filter(|arrival| arrival.is_none()) {
            last = last.max(now + path.under_way(1, dice).0);
            *arrival = Some(last);
        }
        self.last = Some(last);
    }

    /// Gives the reader what has arrived; `rate` is how many bytes a second a slow one reads.
    pub(super) fn take(&mut self, now: Instant, rate: Option<u64>, buffer: &mut ReadBuf<'_>) -> Met {
        if let Some(next) = self.next_sip.filter(|next| rate.is_some() && now < *next) {
            return Met::Later(next);
        }
        let mut most = rate.map_or(usize::MAX, |rate| (rate as f64 * SIP.as_secs_f64()).ceil() as usize);
        if most == 0 {
            return Met::Nothing;
        }
        let before = buffer.filled().len();
        while let Some(front) = self.segments.front_mut().filter(|front| has_come(front.arrival, now)) {
            let some = buffer.remaining().min(front.bytes.len() - front.at).min(most);
            if some == 0 {
                break;
            }
            buffer.put_slice(&front.bytes[front.at..front.at + some]);
            front.at += some;
            most -= some;
            if front.at == front.bytes.len() {
                self.segments.pop_front();
            }
        }
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.unread -= read;
            self.taken += read as u64;
            self.next_sip = rate.map(|rate| now + Duration::from_secs_f64(read as f64 / rate as f64));
            return Met::Bytes;
        }
        if let Some(front) = self.segments.front() {
            return front.arrival.map_or(Met::Nothing, Met::Later);
        }
        if self.is_reset(now) {
            return Met::End(Ending::Reset);
        }
        match self.close.or(self.reset) {
            Some(Some(at)) if at <= now => Met::End(Ending::Close),
            Some(Some(at)) => Met::Later(at),
            Some(None) | None => Met::Nothing,
        }
    }

    /// Whether its reader has been told that the connection is broken.
    pub(super) fn is_reset(&self, now: Instant) -> bool {
        self.reset.is_some_and(|arrival| has_come(arrival, now))
    }

    /// Whether its writer has closed it.
    pub(super) const fn is_closed(&self) -> bool {
        self.close.is_some()
    }

    /// Whether its reader has been told that the connection is broken, or will be.
    pub(super) const fn breaks(&self) -> bool {
        self.reset.is_some()
    }
}

fn has_come(arrival: Arrival, now: Instant) -> bool {
    arrival.is_some_and(|at| at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::now;
    use crate::testing::path::Latency;

    const MILLI: Duration = Duration::from_millis(1);

    fn weather(path: Path) -> Weather {
        Weather { path, is_held: false }
    }

    fn read(flow: &mut Flow, now: Instant, rate: Option<u64>) -> (Met, usize) {
        let mut bytes = [0; 2 * CAPACITY];
        let mut buffer = ReadBuf::new(&mut bytes);
        let met = flow.take(now, rate, &mut buffer);
        (met, buffer.filled().len())
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_come_in_order_and_never_early() {
        let (start, mut dice, mut flow) = (now(), Dice::new(9), Flow::new());
        let path = Path::new().latency(Latency::uniform(MILLI, 40 * MILLI)).bandwidth(100_000);
        for number in 0..200_u8 {
            flow.push(&[number; 100], start + u32::from(number) * MILLI, weather(path), &mut dice);
        }
        flow.finish(Ending::Close, start + 200 * MILLI, weather(path), &mut dice);
        let (mut got, mut at) = (Vec::new(), start);
        let ended = loop {
            let mut bytes = [0; 64];
            let mut buffer = ReadBuf::new(&mut bytes);
            match flow.take(at, None, &mut buffer) {
                Met::Bytes => got.extend_from_slice(buffer.filled()),
                Met::Later(later) => at = later,
                other => break other,
            }
            for (index, number) in got.iter().enumerate().skip(got.len().saturating_sub(64)) {
                assert_eq!(usize::from(*number), index / 100, "in order");
                assert!(at >= start + (u32::from(*number) + 1) * MILLI, "not early");
            }
        };
        assert_eq!((got.len(), ended), (20_000, Met::End(Ending::Close)));
        // Twenty kilobytes at a hundred a second.
        assert!(at >= start + 200 * MILLI, "{:?}", at - start);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_comes_after_its_release_and_what_has_come_stays() {
        let (start, mut dice, mut flow) = (now(), Dice::new(9), Flow::new());
        let path = Path::new();
        flow.push(b"one", start, weather(path), &mut dice);
        flow.push(b"two", start + MILLI, weather(path), &mut dice);
        assert_eq!(flow.hold(start + MILLI), 1);
        flow.push(b"three", start + 2 * MILLI, Weather { path, is_held: true }, &mut dice);
        flow.finish(Ending::Close, start + 2 * MILLI, Weather { path, is_held: true }, &mut dice);
        assert_eq!(read(&mut flow, start + 9_000 * MILLI, None), (Met::Bytes, 3));
        assert_eq!(read(&mut flow, start + 9_000 * MILLI, None), (Met::Nothing, 0));
        let healed = start + 10_000 * MILLI;
        flow.release(healed, &path, &mut dice);
        assert_eq!(read(&mut flow, healed, None), (Met::Later(healed + MILLI), 0));
        assert_eq!(read(&mut flow, healed + MILLI, None), (Met::Bytes, 8));
        assert_eq!(read(&mut flow, healed + MILLI, None), (Met::End(Ending::Close), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_reads_slowly_and_its_writer_waits() {
        let (start, mut dice, mut flow) = (now(), Dice::new(9), Flow::new());
        flow.push(&[0; CAPACITY], start, weather(Path::new()), &mut dice);
        assert_eq!(flow.room(), 0);
        let (mut at, mut got) = (start + MILLI, 0);
        while at < start + 1_001 * MILLI {
            match read(&mut flow, at, Some(10_000)) {
                (Met::Later(later), 0) => at = later,
                (_, some) => got += some,
            }
        }
        assert!((9_900..=10_100).contains(&got), "{got} bytes in a second");
        assert_eq!((flow.room(), read(&mut flow, at, Some(0)).1), (got, 0));
        assert_eq!(read(&mut flow, at, None), (Met::Bytes, CAPACITY - got));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_not_arrived_is_lost_when_it_breaks() {
        let (start, mut dice, mut flow) = (now(), Dice::new(9), Flow::new());
        flow.push(b"one", start, weather(Path::new()), &mut dice);
        flow.push(b"two", start + MILLI, weather(Path::new()), &mut dice);
        flow.break_off(start + MILLI);
        assert_eq!(read(&mut flow, start + MILLI, None), (Met::Bytes, 3));
        assert_eq!(read(&mut flow, start + MILLI, None), (Met::End(Ending::Reset), 0));
        assert!(flow.is_reset(start + MILLI) && !flow.has_unread());
    }
}
