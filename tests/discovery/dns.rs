//! Names, asked of a server of the test's own over UDP and TCP on the loopback.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use traitwire::discovery::Discoveries;

use super::support::Watched;

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;

/// What the server answers.
#[derive(Clone, Default)]
struct Zone {
    /// Type, time in seconds, data.
    records: Vec<(u16, u32, Vec<u8>)>,
    /// 3 is "no such name".
    code: u8,
    /// Datagrams say only that there is more.
    is_truncated: bool,
    is_silent: bool,
    /// Records of this type cannot be had: the server fails when it is asked for them.
    failing: Option<u16>,
    asked: Asked,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Asked {
    udp: u32,
    tcp: u32,
}

#[derive(Clone)]
struct NameServer {
    zone: Arc<Mutex<Zone>>,
    at: SocketAddr,
    _tasks: Arc<JoinSet<()>>,
}

impl NameServer {
    async fn start() -> Self {
        // The same port for both.
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let (zone, at, mut tasks) =
            (Arc::new(Mutex::new(Zone::default())), tcp.local_addr().unwrap(), JoinSet::new());
        let shared = Arc::clone(&zone);
        tasks.spawn(async move {
            let mut buffer = [0; 1500];
            loop {
                let Ok((length, from)) = udp.recv_from(&mut buffer).await else { continue };
                shared.lock().asked.udp += 1;
                let answer = answer(&shared.lock(), &buffer[..length], true);
                if let Some(answer) = answer {
                    let _ = udp.send_to(&answer, from).await;
                }
            }
        });
        let shared = Arc::clone(&zone);
        tasks.spawn(async move {
            loop {
                let Ok((mut stream, _)) = tcp.accept().await else { continue };
                let Ok(length) = stream.read_u16().await else { continue };
                let mut query = vec![0; length.into()];
                if stream.read_exact(&mut query).await.is_err() {
                    continue;
                }
                shared.lock().asked.tcp += 1;
                let answer = answer(&shared.lock(), &query, false);
                if let Some(answer) = answer {
                    let _ = stream.write_u16(answer.len() as u16).await;
                    let _ = stream.write_all(&answer).await;
                }
            }
        });
        Self { zone, at, _tasks: Arc::new(tasks) }
    }

    fn set(&self, change: impl FnOnce(&mut Zone)) {
        change(&mut self.zone.lock());
    }

    fn hosts(&self, last: &[u8]) {
        self.set(|zone| zone.records = last.iter().map(|&last| (A, 1, vec![10, 0, 0, last])).collect());
    }

    fn watch(&self, name: &str) -> Watched {
        let uri = format!("dns://{name}?server={}", self.at);
        Watched::new(Discoveries::default().choose(&uri).unwrap().unwrap())
    }
}

/// The answer to a query, or none.
fn answer(zone: &Zone, query: &[u8], is_datagram: bool) -> Option<Vec<u8>> {
    if zone.is_silent {
        return None;
    }
    let end = 12 + query[12..].iter().position(|&byte| byte == 0)? + 1;
    let kind = u16::from_be_bytes([query[end], query[end + 1]]);
    let records: Vec<_> = zone.records.iter().filter(|record| record.0 == kind).collect();
    let cut = zone.is_truncated && is_datagram;
    let shown = if cut || zone.failing == Some(kind) { &[][..] } else { &records[..] };
    let mut bytes = query[..2].to_vec();
    let code = if zone.failing == Some(kind) { 2 } else { zone.code };
    bytes.extend([0x84 | if cut { 2 } else { 0 }, 0x80 | code, 0, 1]);
    bytes.extend((shown.len() as u16).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(&query[12..end + 4]);
    for (kind, time, data) in shown {
        bytes.extend([0xc0, 12]);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes.extend(time.to_be_bytes());
        bytes.extend((data.len() as u16).to_be_bytes());
        bytes.extend(data);
    }
    Some(bytes)
}

fn service(priority: u16, weight: u16, port: u16, host: &str) -> (u16, u32, Vec<u8>) {
    let mut data: Vec<u8> = [priority, weight, port].iter().flat_map(|number| number.to_be_bytes()).collect();
    for label in host.split_terminator('.') {
        data.push(label.len() as u8);
        data.extend(label.as_bytes());
    }
    data.push(0);
    (SRV, 1, data)
}

async fn fails(watched: &mut Watched, expected: &str) {
    let told = |known: &traitwire::discovery::Known| {
        known.problem.as_ref().is_some_and(|error| error.to_string().contains(expected))
    };
    let failed = tokio::time::timeout(Duration::from_secs(15), watched.known.wait_for(told)).await.is_ok();
    assert!(failed, "{:?} does not say `{expected}`", watched.known.borrow());
}

#[tokio::test]
async fn answers_change_and_what_was_known_outlives_every_failure() {
    let names = NameServer::start().await;
    names.hosts(&[1, 2]);
    let mut watched = names.watch("calc.internal.:7000");
    watched.until(&["tcp://10.0.0.1:7000", "tcp://10.0.0.2:7000"]).await;
    // The time of an answer is a second: the next one is asked for soon after.
    names.set(|zone| {
        zone.records.push((AAAA, 1, vec![0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3]));
        zone.records.remove(0);
    });
    let both = ["tcp://10.0.0.2:7000", "tcp://[fd00::3]:7000"];
    let took = watched.until(&both).await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    // The way Kubernetes answers while no pod is ready, and others when the zone is being written.
    let records = std::mem::take(&mut names.zone.lock().records);
    names.set(|zone| zone.code = 3);
    fails(&mut watched, "there is no such name").await;
    names.set(|zone| zone.code = 0);
    fails(&mut watched, "it says that there is no endpoint").await;
    names.set(|zone| zone.code = 2);
    fails(&mut watched, "erver").await;
    names.set(|zone| (zone.code, zone.records, zone.is_silent) = (0, records, true));
    fails(&mut watched, "time").await;
    assert_eq!(watched.addresses(), both, "what was known stays");
    names.set(|zone| zone.is_silent = false);
    names.hosts(&[9]);
    let took = watched.until(&["tcp://10.0.0.9:7000"]).await;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(watched.known.borrow().problem.is_none());
}

#[tokio::test]
async fn half_an_answer_is_none() {
    let names = NameServer::start().await;
    names.hosts(&[1, 2]);
    names.set(|zone| zone.records.push((AAAA, 1, vec![0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3])));
    let mut watched = names.watch("calc.internal.:7000");
    let all = ["tcp://10.0.0.1:7000", "tcp://10.0.0.2:7000", "tcp://[fd00::3]:7000"];
    watched.until(&all).await;
    for kind in [AAAA, A] {
        names.set(|zone| zone.failing = Some(kind));
        fails(&mut watched, "erver").await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(watched.addresses(), all, "without {kind}");
        names.set(|zone| zone.failing = None);
        let well = watched.known.wait_for(|known| known.problem.is_none());
        tokio::time::timeout(Duration::from_secs(10), well).await.unwrap().unwrap();
    }
    // An address that stands for itself is asked of nobody: there is none at this port.
    Watched::new(Discoveries::default().choose("dns://10.1.2.3:7000?server=127.0.0.1:1").unwrap().unwrap())
        .until(&["tcp://10.1.2.3:7000"])
        .await;
}

#[tokio::test]
async fn a_long_answer_comes_over_tcp() {
    let names = NameServer::start().await;
    names.hosts(&(1..=200).collect::<Vec<_>>());
    names.set(|zone| zone.is_truncated = true);
    let mut watched = names.watch("calc.internal.:7000");
    let expected: Vec<_> = (1..=200).map(|last| format!("tcp://10.0.0.{last}:7000")).collect();
    watched.until(&expected.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let asked = names.zone.lock().asked;
    assert!(asked.udp > 0 && asked.tcp > 0, "{asked:?}");
}

#[tokio::test]
async fn services_say_their_ports_and_weights() {
    let names = NameServer::start().await;
    names.set(|zone| {
        zone.records = vec![
            service(1, 10, 7001, "a.internal"),
            service(1, 0, 7002, "b.internal"),
            service(2, 10, 7003, "spare.internal"),
        ];
    });
    let mut watched = names.watch("_calc._tcp.internal.");
    watched.until(&["tcp://a.internal:7001", "tcp://b.internal:7002"]).await;
    let weights: Vec<_> = watched.known.borrow().endpoints.iter().map(|endpoint| endpoint.weight()).collect();
    assert_eq!(weights, [10, 1]);
    names.set(|zone| drop(zone.records.drain(..2)));
    watched.until(&["tcp://spare.internal:7003"]).await;
    // The root as a host says that there is no such service.
    names.set(|zone| zone.records = vec![service(0, 0, 0, "")]);
    fails(&mut watched, "it says that there is no endpoint").await;
    assert_eq!(watched.addresses(), ["tcp://spare.internal:7003"]);
}

#[tokio::test]
async fn an_answer_is_not_asked_for_again_within_its_time() {
    let names = NameServer::start().await;
    names.set(|zone| zone.records = vec![(A, 3_600, vec![10, 0, 0, 1])]);
    let mut watched = names.watch("calc.internal.:7000");
    watched.until(&["tcp://10.0.0.1:7000"]).await;
    let asked = names.zone.lock().asked;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(names.zone.lock().asked, asked);
}
