//! Owns what the load that servers report of themselves makes of their weights. Does not ask them.

/// How dear a share of failing calls is beside a share of what the server has: one for one. (gRFC A58's penalty, 1.)
const ERROR_PENALTY: f64 = 1.0;
/// The weight of the mean, and how far from it weights may be: a server that says nonsense takes at most so many shares of others.
const MEAN: f64 = 100.0;
const MOST: f64 = 10_000.0;

/// How much a server takes that ends so many calls a second, so many of them with errors, with this part of what it has: the calls
/// that it would end with all of it. (gRFC A58.) `None` if that says nothing: it is idle, or talks nonsense.
pub(crate) fn capacity(calls: f64, errors: f64, utilization: f64) -> Option<f32> {
    let used = utilization + ERROR_PENALTY * errors.max(0.0) / calls;
    let capacity = calls / used;
    (calls > 0.0 && utilization > 0.0 && capacity.is_finite()).then_some(capacity as f32)
}

/// The weights of servers with these capacities. Those of which nothing is known take as much as the others do on average.
pub(super) fn weights(capacities: &[Option<f32>]) -> Vec<u32> {
    let known = || capacities.iter().flatten().map(|capacity| f64::from(*capacity));
    let mean = known().sum::<f64>() / known().count().max(1) as f64;
    let weight = |capacity: &Option<f32>| match capacity {
        Some(capacity) => (f64::from(*capacity) / mean * MEAN).round().clamp(1.0, MOST) as u32,
        None => MEAN as u32,
    };
    capacities.iter().map(weight).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_needs_less_for_a_call_takes_more_of_them() {
        assert_eq!(capacity(100.0, 0.0, 0.5), Some(200.0));
        assert_eq!(capacity(100.0, 50.0, 0.5), Some(100.0), "half of its calls fail");
        for nothing in
            [(0.0, 0.0, 0.0), (0.0, 0.0, 0.5), (10.0, 0.0, 0.0), (10.0, 0.0, f64::NAN), (f64::NAN, 0.0, 1.0)]
        {
            assert_eq!(capacity(nothing.0, nothing.1, nothing.2), None, "{nothing:?}");
        }
        assert_eq!(weights(&[Some(200.0), Some(100.0), None]), [133, 67, 100]);
        assert_eq!(weights(&[None, None]), [100, 100]);
        assert_eq!(weights(&[Some(1e30), Some(1.0), Some(1e-30)]), [300, 1, 1]);
    }
}
