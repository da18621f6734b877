//! Owns the text of a node's leases on disk: a line for each. Does not read or write files.

use std::fmt::Write;
use std::time::Duration;

use crate::registry::table::Lease;

const HEADLINE: &str = "# traitwire registry, version 1";

/// The text of these leases.
pub(super) fn text<'a>(leases: impl Iterator<Item = (u64, &'a Lease)>) -> String {
    let mut text = format!("{HEADLINE}\n");
    for (number, Lease { services, endpoint, ttl }) in leases {
        // Names have no spaces or commas in them (`table`), and the text of an endpoint has no spaces.
        let _ = writeln!(text, "{number:x} {} {} {endpoint}", ttl.as_millis(), services.join(","));
    }
    text
}

/// The leases of a text, or the line that is none.
pub(super) fn leases(text: &str) -> Result<Vec<(u64, Lease)>, String> {
    let mut lines = text.lines();
    if lines.next() != Some(HEADLINE) {
        return Err(format!("it does not begin with `{HEADLINE}`"));
    }
    let read = |(at, line): (usize, &str)| lease(line).ok_or_else(|| format!("line {} is no lease", at + 2));
    lines.enumerate().map(read).collect()
}

fn lease(line: &str) -> Option<(u64, Lease)> {
    let mut words = line.split(' ');
    let number = u64::from_str_radix(words.next()?, 16).ok()?;
    let ttl = Duration::from_millis(words.next()?.parse().ok()?);
    let services = words.next()?.split(',').map(str::to_owned).collect();
    let endpoint = words.next()?.parse().ok()?;
    words.next().is_none().then_some((number, Lease { services, endpoint, ttl }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::Endpoint;
    use crate::registry::table;

    #[test]
    fn text_and_back_is_the_same_and_a_line_that_is_none_is_named() {
        let endpoint = Endpoint::new("unix:///a,b c".replace(' ', "?").as_str()).unwrap().with_zone("x y\n");
        let services = vec!["A".to_owned(), "B.v2".to_owned()];
        let lease = Lease { services, endpoint, ttl: Duration::from_secs(10) };
        let saved = text([(7, &lease), (u64::MAX, &lease)].into_iter());
        assert!(saved.len() as u64 <= 2 * lease.most_bytes() + table::HEADLINE_BYTES);
        assert_eq!(leases(&saved).unwrap(), [(7, lease.clone()), (u64::MAX, lease)]);
        assert_eq!(leases(&format!("{saved}7 10")).unwrap_err(), "line 4 is no lease");
        assert!(leases("").unwrap_err().contains("does not begin"));
    }
}
