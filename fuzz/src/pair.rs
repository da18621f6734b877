//! Two honest machines, without streams or with them: ten bytes of limits for each, one that says how it ends, then four
//! bytes for each move.

use crate::model::{Move, World, limits};
use crate::river::River;
use crate::steps::{Step, currents};

/// Long scenarios show nothing that short ones do not.
const MOVES: usize = 400;

pub fn pair(data: &[u8]) {
    let Some((&client, rest)) = data.split_first_chunk() else { return };
    let Some((&server, rest)) = rest.split_first_chunk() else { return };
    let Some((&end, rest)) = rest.split_first() else { return };
    let mut world = World::new([limits(client), limits(server)]);
    for &[kind, a0, a1, b] in rest.as_chunks().0.iter().take(MOVES) {
        world.make(&Move::of(kind, u16::from_le_bytes([a0, a1]), b));
    }
    world.finish(usize::from(end % 2));
}

pub fn streams(data: &[u8]) {
    let Some((&client, rest)) = data.split_first_chunk() else { return };
    let Some((&server, rest)) = rest.split_first_chunk() else { return };
    let Some((&end, rest)) = rest.split_first() else { return };
    let mut river = River::new([currents(client), currents(server)]);
    for &[kind, a0, a1, b] in rest.as_chunks().0.iter().take(MOVES) {
        river.make(&Step::of(kind, u16::from_le_bytes([a0, a1]), b));
    }
    river.finish(usize::from(end % 2));
}
