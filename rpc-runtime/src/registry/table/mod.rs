//! Owns [`Table`]: leases, and which endpoints each service has through them. Pure: time and the numbers of leases are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::discovery::Endpoint;
use crate::limits;
use crate::registry::service::RegistryError;

/// One registration: an endpoint, and what is to be had there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Lease {
    pub(super) services: Vec<String>,
    pub(super) endpoint: Endpoint,
    pub(super) ttl: Duration,
}

/// Room in a file for what stands before the leases.
pub(super) const HEADLINE_BYTES: u64 = 64;

impl Lease {
    /// The most bytes that it takes in a file, whatever its number and its time (`saved`).
    pub(super) fn most_bytes(&self) -> u64 {
        let services: usize = self.services.iter().map(|service| service.len() + 1).sum();
        // Two numbers of 16 and 20 digits, and what stands between.
        (16 + 20 + 4 + services + self.endpoint.to_string().len()) as u64
    }
}

#[derive(Debug)]
struct Held {
    lease: Lease,
    until: Instant,
    /// What it takes in a file, at most.
    bytes: u64,
}

#[derive(Debug, Default)]
struct Entries {
    /// The lease of each address.
    leases: BTreeMap<String, u64>,
    /// The list for those who watch; made when it is asked for, and again after a change.
    list: Option<Arc<[Endpoint]>>,
}

/// Who is where, and until when that holds.
#[derive(Debug, Default)]
pub(super) struct Table {
    held: BTreeMap<u64, Held>,
    services: BTreeMap<String, Entries>,
    /// Which lease runs out when, the next one first.
    ends: BTreeSet<(Instant, u64)>,
    /// All entries of all services.
    entries: usize,
    /// What all leases take in a file, at most: what is kept must fit what is read.
    bytes: u64,
}

impl Table {
    /// Takes a lease under this number, which no other lease has.
    pub(super) fn register(&mut self, number: u64, lease: Lease, now: Instant) -> Result<(), RegistryError> {
        check(&lease)?;
        self.check_room(&lease)?;
        let address = lease.endpoint.address().to_owned();
        for service in &lease.services {
            // A server that comes back takes its address over. The lease before it ends as a whole, so that its holder hears of it
            // when it renews: if that is another server, it is no longer the one at this address.
            if let Some(before) = self.add(service, &address, number) {
                self.end(before);
            }
        }
        self.hold(number, lease, now);
        Ok(())
    }

    /// True if there is such a lease.
    pub(super) fn renew(&mut self, number: u64, now: Instant) -> bool {
        let Some(held) = self.held.get_mut(&number) else { return false };
        self.ends.remove(&(held.until, number));
        held.until = now + held.lease.ttl;
        self.ends.insert((held.until, number));
        true
    }

    /// True if there was such a lease.
    pub(super) fn end(&mut self, number: u64) -> bool {
        let Some(held) = self.held.remove(&number) else { return false };
        self.ends.remove(&(held.until, number));
        self.bytes -= held.bytes;
        for service in &held.lease.services {
            self.remove(service, held.lease.endpoint.address(), number);
        }
        true
    }

    /// Ends the leases that have run out, and says how many.
    pub(super) fn expire(&mut self, now: Instant) -> usize {
        let mut count = 0;
        while let Some(&(until, number)) = self.ends.first()
            && until <= now
        {
            self.end(number);
            count += 1;
        }
        count
    }

    /// When the next lease runs out.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(until, _)| *until)
    }

    /// Gives every lease so much time from now on, if it has less: they were read from a file, and nobody could renew them.
    pub(super) fn extend(&mut self, grace: Duration, now: Instant) {
        for (number, held) in &mut self.held {
            self.ends.remove(&(held.until, *number));
            held.until = held.until.max(now + grace);
            self.ends.insert((held.until, *number));
        }
    }

    /// The endpoints of a service, in the order of their addresses. The same list is the same memory.
    pub(super) fn list(&mut self, service: &str) -> Arc<[Endpoint]> {
        let Some(entries) = self.services.get_mut(service) else { return Arc::new([]) };
        let held = &self.held;
        let made = || {
            let leases = entries.leases.values().filter_map(|number| held.get(number));
            leases.map(|held| held.lease.endpoint.clone()).collect()
        };
        Arc::clone(entries.list.get_or_insert_with(made))
    }

    /// The services, and how many endpoints each has.
    pub(super) fn services(&self) -> impl Iterator<Item = (&str, usize)> {
        self.services.iter().map(|(name, entries)| (name.as_str(), entries.leases.len()))
    }

    /// The leases, by their numbers.
    pub(super) fn leases(&self) -> impl Iterator<Item = (u64, &Lease)> {
        self.held.iter().map(|(number, held)| (*number, &held.lease))
    }

    pub(super) fn has(&self, number: u64) -> bool {
        self.held.contains_key(&number)
    }

    fn hold(&mut self, number: u64, lease: Lease, now: Instant) {
        let (until, bytes) = (now + lease.ttl, lease.most_bytes());
        self.bytes += bytes;
        self.held.insert(number, Held { lease, until, bytes });
        self.ends.insert((until, number));
    }

    /// The lease that had this address.
    fn add(&mut self, service: &str, address: &str, number: u64) -> Option<u64> {
        let entries = self.services.entry(service.to_owned()).or_default();
        entries.list = None;
        let before = entries.leases.insert(address.to_owned(), number);
        self.entries += usize::from(before.is_none());
        before
    }

    /// Takes an address away from this lease; another one that has it by now keeps it.
    fn remove(&mut self, service: &str, address: &str, number: u64) {
        let Some(entries) = self.services.get_mut(service) else { return };
        if entries.leases.get(address) != Some(&number) {
            return;
        }
        entries.leases.remove(address);
        entries.list = None;
        self.entries -= 1;
        if entries.leases.is_empty() {
            self.services.remove(service);
        }
    }

    fn check_room(&self, lease: &Lease) -> Result<(), RegistryError> {
        let (mut services, mut entries) = (0, 0);
        for service in &lease.services {
            match self.services.get(service) {
                None => (services, entries) = (services + 1, entries + 1),
                Some(have) => {
                    let is_new = !have.leases.contains_key(lease.endpoint.address());
                    entries += usize::from(is_new);
                }
            }
        }
        let full = |what: &str, most: usize| RegistryError::Full(format!("it takes {most} {what}"));
        if self.services.len() + services > limits::REGISTRY_SERVICES {
            return Err(full("services", limits::REGISTRY_SERVICES));
        }
        if self.entries + entries > limits::ENDPOINTS {
            return Err(full("entries", limits::ENDPOINTS));
        }
        if self.bytes + lease.most_bytes() > limits::REGISTRY_BYTES - HEADLINE_BYTES {
            return Err(full("bytes of leases", limits::REGISTRY_BYTES as usize));
        }
        Ok(())
    }
}

fn check(lease: &Lease) -> Result<(), RegistryError> {
    let invalid = |why: String| Err(RegistryError::Invalid(why));
    let (count, most) = (lease.services.len(), limits::REGISTRY_SERVICES_EACH);
    if count == 0 || count > most {
        return invalid(format!("an endpoint has 1 to {most} services, not {count}"));
    }
    let mut seen = BTreeSet::new();
    for service in &lease.services {
        check_name(service)?;
        if !seen.insert(service) {
            return invalid(format!("`{service}` is named twice"));
        }
    }
    let size = lease.endpoint.to_string().len();
    if size > limits::ENDPOINT_TEXT {
        let most = limits::ENDPOINT_TEXT;
        return invalid(format!("an endpoint has at most {most} bytes as text, not {size}"));
    }
    Ok(())
}

/// A service's name as it may stand in an address.
pub(super) fn check_name(service: &str) -> Result<(), RegistryError> {
    let is_strange = |letter: char| letter.is_whitespace() || letter.is_control() || ",/?".contains(letter);
    if service.is_empty() || service.len() > limits::METHOD_NAME || service.contains(is_strange) {
        let shown: String = service.chars().take(80).collect();
        return Err(RegistryError::Invalid(format!(
            "`{}` is not the name of a service",
            shown.escape_debug()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
