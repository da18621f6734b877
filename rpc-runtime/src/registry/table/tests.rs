//! The table: by hand, and against a model that keeps no index.

use proptest::prelude::*;

use super::*;
use crate::policy::now;
use crate::registry::saved;

fn lease(services: &[&str], address: &str, secs: u64) -> Lease {
    let services = services.iter().map(|&service| service.to_owned()).collect();
    Lease { services, endpoint: Endpoint::new(address).unwrap(), ttl: Duration::from_secs(secs) }
}

fn addresses(table: &mut Table, service: &str) -> String {
    table.list(service).iter().map(Endpoint::address).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_lease_ends_with_its_time_unless_it_is_renewed() {
    let (mut table, start) = (Table::default(), now());
    let at = |secs| start + Duration::from_secs(secs);
    table.register(1, lease(&["A", "B"], "h:1", 10), start).unwrap();
    table.register(2, lease(&["A"], "h:2", 10), start).unwrap();
    assert_eq!(table.services().collect::<Vec<_>>(), [("A", 2), ("B", 1)]);
    assert!(table.renew(2, at(5)) && !table.renew(3, at(5)));
    assert_eq!((table.next_end(), table.expire(at(9)), table.expire(at(10))), (Some(at(10)), 0, 1));
    assert_eq!((addresses(&mut table, "A").as_str(), addresses(&mut table, "B").as_str()), ("tcp://h:2", ""));
    table.extend(Duration::from_secs(60), at(10));
    assert_eq!((table.expire(at(69)), table.expire(at(70)), table.entries), (0, 1, 0));
}

#[test]
fn a_server_that_comes_back_takes_over_and_the_late_word_of_the_old_one_does_no_harm() {
    let (mut table, now) = (Table::default(), now());
    table.register(1, lease(&["A", "B"], "h:1", 10), now).unwrap();
    let list = table.list("A");
    assert!(Arc::ptr_eq(&list, &table.list("A")), "the same list is made once");
    table.register(2, lease(&["A"], "h:1", 10), now).unwrap();
    assert!(!Arc::ptr_eq(&list, &table.list("A")));
    // The old one is over with all it had, and hears of it; its late end leaves A to the new one.
    assert!(!table.renew(1, now) && !table.end(1));
    assert_eq!((addresses(&mut table, "A").as_str(), addresses(&mut table, "B").as_str()), ("tcp://h:1", ""));
    table.register(3, lease(&["A", "B"], "h:1", 10), now).unwrap();
    assert!(!table.renew(2, now), "it has nothing any more");
    table.register(4, lease(&["B", "A"], "h:1", 10), now).unwrap();
    assert!(!table.renew(3, now) && table.renew(4, now));
    assert_eq!(
        (addresses(&mut table, "A"), addresses(&mut table, "B")),
        ("tcp://h:1".into(), "tcp://h:1".into())
    );
    assert_eq!((table.entries, table.held.len(), table.ends.len()), (2, 1, 1));
}

#[test]
fn limits_are_named() {
    let (mut table, now) = (Table::default(), now());
    let mut told = |lease| table.register(1, lease, now).unwrap_err().to_string();
    assert!(told(lease(&[], "h:1", 1)).contains("1 to 64 services, not 0"));
    assert!(told(lease(&["A", "A"], "h:1", 1)).contains("`A` is named twice"));
    assert!(told(lease(&["A b"], "h:1", 1)).contains("`A b` is not the name of a service"));
    assert!(told(lease(&[&"A".repeat(257)], "h:1", 1)).contains("is not the name"));
    let mut large = lease(&["A"], "h:1", 1);
    large.endpoint = large.endpoint.with_tag("k", &"v".repeat(limits::ENDPOINT_TEXT));
    assert!(told(large).contains("at most 4096 bytes"));
    assert_eq!(table.held.len() + table.services.len() + table.entries, 0, "what is refused leaves nothing");

    let mut table = Table::default();
    for number in 0..limits::REGISTRY_SERVICES {
        table.register(number as u64, lease(&[&format!("S{number}")], "h:1", 1), now).unwrap();
    }
    let error = table.register(u64::MAX, lease(&["more"], "h:1", 1), now).unwrap_err();
    assert_eq!(error, RegistryError::Full("it takes 10000 services".to_owned()));
    table.register(u64::MAX, lease(&["S0"], "h:1", 1), now).unwrap();
}

#[test]
fn what_is_kept_can_always_be_read() {
    let (mut table, now) = (Table::default(), now());
    let large = |port: u64| {
        let mut lease = lease(&["A"], &format!("h:{port}"), 1);
        lease.endpoint = lease.endpoint.with_tag("k", &"v".repeat(limits::ENDPOINT_TEXT - 64));
        lease
    };
    let refused = |lease, number, table: &mut Table| table.register(number, lease, now).err();
    let (count, error) =
        (1..).find_map(|at| refused(large(at), at, &mut table).map(|error| (at, error))).unwrap();
    assert_eq!(error, RegistryError::Full("it takes 67108864 bytes of leases".to_owned()));
    assert!((16_000..17_000).contains(&count), "{count}");
    let text = saved::text(table.leases());
    assert!(
        text.len() as u64 <= limits::REGISTRY_BYTES
            && saved::leases(&text).unwrap().len() as u64 == count - 1
    );
    // What ends makes room.
    table.end(1);
    assert_eq!(refused(large(count), count, &mut table), None);
}

#[derive(Clone, Debug)]
enum Step {
    Register(Vec<u8>, u8, u64),
    Renew(u8),
    End(u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (proptest::collection::btree_set(0_u8..4, 1..4), 0_u8..4, 1_u64..20).prop_map(
            |(services, address, ttl)| Step::Register(services.into_iter().collect(), address, ttl)
        ),
        (0_u8..12).prop_map(Step::Renew),
        (0_u8..12).prop_map(Step::End),
        (0_u64..8).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn it_is_what_a_plain_list_would_be(steps in proptest::collection::vec(step(), 0..60)) {
        let (mut table, mut now) = (Table::default(), now());
        // (lease, service, address, ttl, until): the model of entries.
        let mut model: Vec<(u64, u8, u8, Duration, Instant)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Register(services, address, ttl) => {
                    let names: Vec<_> = services.iter().map(|service| format!("S{service}")).collect();
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    table.register(number as u64, lease(&names, &format!("h:{address}"), ttl), now).unwrap();
                    let is_taken = |row: &(u64, u8, u8, Duration, Instant)| row.2 == address && services.contains(&row.1);
                    let over: Vec<_> = model.iter().filter(|row| is_taken(row)).map(|row| row.0).collect();
                    model.retain(|row| !over.contains(&row.0));
                    let ttl = Duration::from_secs(ttl);
                    model.extend(services.iter().map(|&of| (number as u64, of, address, ttl, now + ttl)));
                }
                Step::Renew(number) => {
                    let is_there = model.iter().any(|row| row.0 == u64::from(number));
                    prop_assert_eq!(table.renew(number.into(), now), is_there);
                    for row in model.iter_mut().filter(|row| row.0 == u64::from(number)) {
                        row.4 = now + row.3;
                    }
                }
                Step::End(number) => {
                    table.end(number.into());
                    model.retain(|row| row.0 != u64::from(number));
                }
                Step::Pass(secs) => {
                    now += Duration::from_secs(secs);
                    table.expire(now);
                    model.retain(|row| row.4 > now);
                }
            }
            for service in 0..4 {
                let mut expected: Vec<_> = model.iter().filter(|row| row.1 == service).collect();
                expected.sort_by_key(|row| row.2);
                let expected: Vec<_> = expected.iter().map(|row| format!("tcp://h:{}", row.2)).collect();
                prop_assert_eq!(addresses(&mut table, &format!("S{service}")), expected.join(" "));
            }
            prop_assert_eq!(table.entries, model.len());
            prop_assert_eq!(table.held.len(), table.ends.len());
            prop_assert_eq!(table.bytes, table.held.values().map(|held| held.bytes).sum::<u64>());
        }
    }
}
