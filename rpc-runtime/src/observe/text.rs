//! Owns how a [`CountersSnapshot`] prints: the text format of Prometheus, version 0.0.4. Does not serve it.

use std::fmt;

use crate::observe::counters::CountersSnapshot;

/// One line a number, for a file, a log or an endpoint that is scraped.
///
/// ```text
/// traitwire_calls_started_total 1204
/// traitwire_calls_refused_total{reason="overload"} 3
/// traitwire_call_seconds{method="Calculator.add",quantile="0.99"} 0.001792
/// ```
///
/// What has been 0 all the time is left out where there are many of a kind.
impl fmt::Display for CountersSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, in_flight, .. } = self;
        writeln!(f, "traitwire_connections {connections}\ntraitwire_calls_in_flight {in_flight}")?;
        for (name, count) in [
            ("handshakes_failed", self.handshakes_failed),
            ("calls_started", self.started),
            ("calls_finished", self.finished),
            ("calls_cancelled", self.cancelled),
            ("calls_panicked", self.panicked),
            ("bytes_read", self.bytes_read),
            ("bytes_written", self.bytes_written),
            ("breakers_opened", self.breakers_opened),
        ] {
            writeln!(f, "traitwire_{name}_total {count}")?;
        }
        for (code, count) in &self.failed {
            writeln!(f, "traitwire_calls_failed_total{{code=\"{code}\"}} {count}")?;
        }
        for (name, label, counts) in [
            ("calls_refused", "reason", &self.refused),
            ("calls_held_back", "policy", &self.held_back),
            ("attempts_added", "why", &self.added),
            ("cache_uses", "use", &self.cached),
        ] {
            for (what, count) in counts.iter().filter(|(_, count)| **count > 0) {
                writeln!(f, "traitwire_{name}_total{{{label}=\"{what}\"}} {count}")?;
            }
        }
        for (method, times) in &self.latency {
            for percent in [50.0, 90.0, 99.0, 99.9] {
                let time = times.percentile(percent).unwrap_or_default().as_secs_f64();
                let quantile = percent / 100.0;
                writeln!(f, "traitwire_call_seconds{{method=\"{method}\",quantile=\"{quantile}\"}} {time}")?;
            }
            let (sum, count) = (times.sum().as_secs_f64(), times.count());
            writeln!(f, "traitwire_call_seconds_sum{{method=\"{method}\"}} {sum}")?;
            writeln!(f, "traitwire_call_seconds_count{{method=\"{method}\"}} {count}")?;
        }
        Ok(())
    }
}
