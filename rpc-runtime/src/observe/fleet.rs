//! Owns [`FleetSnapshot`]: what a channel knew of its endpoints at one moment, and the means over all of them. Does not measure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a balanced channel knew of its endpoints at one moment: [`Channel::fleet`](crate::Channel::fleet).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FleetSnapshot {
    /// Each endpoint that gets calls.
    pub endpoints: Vec<EndpointSnapshot>,
    /// So many are in doubt that none is left out for it.
    pub in_panic: bool,
}

/// What a channel knew of one endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EndpointSnapshot {
    /// Its address.
    pub address: Arc<str>,
    /// Its weight.
    pub weight: u32,
    /// Its zone.
    pub zone: Option<Arc<str>>,
    /// Whether calls go there.
    pub state: EndpointState,
    /// How many connections there are to it, being made or made; 0 unless the first one is.
    pub connections: usize,
    /// Calls of this channel that are under way there.
    pub in_flight: u32,
    /// How long answers take lately, as a peak EWMA with τ = 10 s; zero if nothing is known.
    pub response_time: Duration,
    /// What part of the calls fails lately, from 0 to 1.
    pub error_rate: f32,
    /// What a call would cost there, as P2C by response time and load compares it.
    pub cost: f32,
}

/// Whether calls go to an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum EndpointState {
    /// Connected.
    Ready,
    /// Not connected yet; the next call that picks it connects it.
    Idle,
    /// Its connection is being made, or was lost a moment ago.
    Connecting,
    /// It cannot be reached, and the next attempt is to come.
    Away,
    /// It does worse than the others, and is left out for a while.
    Ejected,
    /// Its circuit breaker is open.
    Tripped,
    /// It says itself that it does not serve.
    NotServing,
}

impl EndpointState {
    /// The state in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Away => "away",
            Self::Ejected => "ejected",
            Self::Tripped => "tripped",
            Self::NotServing => "not_serving",
        }
    }

    /// Whether it is fit for calls.
    pub const fn is_fit(self) -> bool {
        matches!(self, Self::Ready | Self::Idle)
    }
}

impl fmt::Display for EndpointState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The means over a fleet. They say how it does as a whole, for graphs and alarms; picks compare endpoints, and do not use them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FleetMeans {
    /// Calls under way at an endpoint.
    pub load: f64,
    /// The response time of those of which one is known.
    pub response_time: Duration,
    /// The part of calls that fails.
    pub error_rate: f64,
    /// The part of endpoints that is not fit for calls.
    pub fault_rate: f64,
}

impl FleetSnapshot {
    /// The means over all endpoints; zeros without any.
    pub fn means(&self) -> FleetMeans {
        let count = self.endpoints.len();
        let mean = |of: &dyn Fn(&EndpointSnapshot) -> f64| {
            self.endpoints.iter().map(of).sum::<f64>() / count.max(1) as f64
        };
        let known = self.endpoints.iter().filter(|one| !one.response_time.is_zero());
        let known = u32::try_from(known.count()).unwrap_or(u32::MAX).max(1);
        FleetMeans {
            load: mean(&|one| one.in_flight.into()),
            response_time: self.endpoints.iter().map(|one| one.response_time).sum::<Duration>() / known,
            error_rate: mean(&|one| one.error_rate.into()),
            fault_rate: mean(&|one| if one.state.is_fit() { 0.0 } else { 1.0 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_over_all_and_times_over_those_that_are_known() {
        let one = |state, in_flight, millis, error_rate| EndpointSnapshot {
            address: Arc::from("a"),
            weight: 100,
            zone: None,
            state,
            connections: 1,
            in_flight,
            response_time: Duration::from_millis(millis),
            error_rate,
            cost: 0.0,
        };
        let endpoints = vec![
            one(EndpointState::Ready, 3, 10, 0.5),
            one(EndpointState::Idle, 0, 0, 0.0),
            one(EndpointState::Ejected, 0, 30, 1.0),
            one(EndpointState::Away, 1, 0, 0.0),
        ];
        let means = FleetSnapshot { endpoints, in_panic: false }.means();
        let expected = FleetMeans {
            load: 1.0,
            response_time: Duration::from_millis(20),
            error_rate: 0.375,
            fault_rate: 0.5,
        };
        assert_eq!(means, expected);
        assert_eq!(FleetSnapshot { endpoints: vec![], in_panic: false }.means(), FleetMeans::default());
    }
}
