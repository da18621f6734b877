//! Owns the hash that keys and endpoints are placed by, and [`highest`], rendezvous hashing. Does not know what is hashed.

use crate::call::split_mix;

/// A hash that is the same in each process and for ever, so that clients agree on it: FNV-1a, whose low bits alone are good,
/// finished by the mixture of SplitMix64. Not for secrets: who chooses keys can choose where they go.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    split_mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Two hashes made one.
pub(crate) const fn join(one: u64, other: u64) -> u64 {
    split_mix(one ^ other.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// How much an endpoint of this weight wants a key: the highest score has it. `-w ÷ ln u` for an even `u` gives each endpoint its
/// part of the keys by weight, and where one comes or goes only its own keys move. (Thaler and Ravishankar, *A Name-Based
/// Mapping Scheme for Rendezvous*, 1996; the weights are Schindelhauer and Schomaker's, 2005.)
pub(crate) fn score(id: u64, key: u64, weight: u32) -> f64 {
    // 52 bits and a half, so that it is never 0 or 1.
    let unit = ((join(id, key) >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    -f64::from(weight) / unit.ln()
}

/// The subset of a large fleet that one client has to do with: those so many that want it most. Clients with other seeds have
/// others, evenly, and a change of the fleet changes a subset as little as it can. (gRFC A68.)
pub(crate) fn highest<T>(mut all: Vec<T>, count: usize, seed: u64, id: impl Fn(&T) -> u64) -> Vec<T> {
    if all.len() > count {
        all.sort_by_key(|one| (join(id(one), seed), id(one)));
        all.truncate(count);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn it_stays_what_it_is() {
        // Clients of different versions are to agree: these numbers must not change.
        assert_eq!(hash(b""), 17_665_956_581_633_026_203);
        assert_eq!(hash(b"tcp://10.0.0.7:7000"), hash(b"tcp://10.0.0.7:7000"));
        assert_ne!(hash(b"tcp://10.0.0.7:7000"), hash(b"tcp://10.0.0.7:7001"));
    }

    #[test]
    fn subsets_spread_clients_evenly_and_hardly_move() {
        let fleet: Vec<u64> = (0..100_u64).map(|one| hash(&one.to_be_bytes())).collect();
        let mut clients_of = BTreeMap::<u64, u32>::new();
        let mut moved = 0;
        for client in 0..2_000 {
            let subset = highest(fleet.clone(), 20, client, |id| *id);
            subset.iter().for_each(|id| *clients_of.entry(*id).or_default() += 1);
            let without = highest(fleet[1..].to_vec(), 20, client, |id| *id);
            moved += without.iter().filter(|id| !subset.contains(id)).count();
            assert!(without.len() == 20 && subset.len() == 20);
        }
        // 400 clients each, ± 4 σ; one of those that had the lost endpoint gets one other.
        assert!(clients_of.len() == 100 && clients_of.values().all(|count| (328..472).contains(count)));
        assert_eq!(moved as u32, clients_of[&fleet[0]]);
        assert_eq!(highest(vec![1, 2], 5, 0, |id| *id), [1, 2]);
    }
}
