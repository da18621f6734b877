//! A real etcd of the test's own: started, killed, paused, wiped; and asked by hand, so that what the library does is not judged
//! by the library.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

/// An etcd with one member.
pub(crate) struct Daemon {
    child: Option<Child>,
    folder: PathBuf,
    pub(crate) port: u16,
    peer_port: u16,
    tls: Vec<String>,
}

impl Daemon {
    /// One that is not running yet; `None` without the program, where that is no failure.
    #[expect(clippy::print_stderr, reason = "whoever runs the tests is told")]
    pub(crate) fn new(name: &str) -> Option<Self> {
        let found =
            Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            assert!(std::env::var_os("TRAITWIRE_NO_SKIP").is_none(), "etcd is missing");
            eprintln!("skipped: no etcd on PATH");
            return None;
        }
        let folder = std::env::temp_dir().join(format!("traitwire-etcd-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        Some(Self { child: None, folder, port: free_port(), peer_port: free_port(), tls: Vec::new() })
    }

    /// One that answers.
    pub(crate) async fn started(name: &str) -> Option<Self> {
        let mut daemon = Self::new(name)?;
        daemon.start().await;
        Some(daemon)
    }

    /// Clients reach it over TLS, with this certificate and key.
    pub(crate) fn tls(mut self, certificate: &str, key: &str) -> Self {
        self.tls = ["--cert-file", certificate, "--key-file", key].map(str::to_owned).into();
        self
    }

    pub(crate) async fn start(&mut self) {
        let scheme = if self.tls.is_empty() { "http" } else { "https" };
        let (client, peer) =
            (format!("{scheme}://127.0.0.1:{}", self.port), format!("http://127.0.0.1:{}", self.peer_port));
        let child = Command::new("etcd")
            .args(["--name", "test", "--log-level", "fatal", "--logger", "zap", "--data-dir"])
            .arg(&self.folder)
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}")])
            .args(&self.tls)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        loop {
            let answers = if self.tls.is_empty() {
                self.try_ask("/v3/kv/range", &json!({ "key": STANDARD.encode("x") })).is_ok()
            } else {
                TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            };
            if answers {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "etcd does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Removes all it knew; it has to be killed before.
    pub(crate) fn wipe(&self) {
        assert!(self.child.is_none());
        fs::remove_dir_all(&self.folder).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("etcd://127.0.0.1:{}{path}", self.port)
    }

    /// Asks it something by hand.
    pub(crate) fn ask(&self, path: &str, body: &Value) -> Value {
        let answer = self.try_ask(path, body).unwrap();
        let (from, to) = (answer.find('{').unwrap(), answer.rfind('}').unwrap());
        // The body of a long answer comes in chunks, with their lengths between.
        let body = answer[from..=to].split("\r\n").step_by(if answer.contains("chunked") { 2 } else { 1 });
        serde_json::from_str(&body.collect::<String>()).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    pub(crate) fn put(&self, key: &str, value: impl AsRef<[u8]>) {
        self.ask("/v3/kv/put", &json!({ "key": STANDARD.encode(key), "value": STANDARD.encode(value) }));
    }

    /// Many writes, a hundred in a transaction; without a value it is a deletion.
    pub(crate) fn write(&self, writes: &[(String, Option<String>)]) {
        for part in writes.chunks(100) {
            let writes = part.iter().map(|(key, value)| match value {
                Some(value) => {
                    json!({ "request_put": { "key": STANDARD.encode(key), "value": STANDARD.encode(value) } })
                }
                None => json!({ "request_delete_range": { "key": STANDARD.encode(key) } }),
            });
            let done = self.ask("/v3/kv/txn", &json!({ "success": writes.collect::<Vec<_>>() }));
            assert_eq!(done["succeeded"], true, "{done}");
        }
    }

    /// An entry by its key.
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        let mut range = self.ask("/v3/kv/range", &json!({ "key": STANDARD.encode(key) }));
        range["kvs"].get_mut(0).map(Value::take)
    }

    pub(crate) fn revision(&self) -> u64 {
        let range = self.ask("/v3/kv/range", &json!({ "key": STANDARD.encode("x") }));
        range["header"]["revision"].as_str().unwrap().parse().unwrap()
    }

    fn try_ask(&self, path: &str, body: &Value) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {}",
            body.len()
        );
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200") { Ok(answer) } else { Err(std::io::Error::other(answer)) }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
