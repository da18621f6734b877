//! The conformance pair as its users run it: two programs, their standard streams and their exit codes; and a client in
//! another language against the same server.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use traitwire::tls::dev;
use traitwire::{Delivery, RpcError};
use traitwire_tests::{ConformanceClient, Counters};

/// A `conformance-server` at work.
struct Server {
    child: Child,
    uri: String,
}

impl Server {
    async fn start(options: &[&str]) -> Self {
        Self::start_at("tcp://127.0.0.1:0", options).await
    }

    async fn start_at(uri: &str, options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_conformance-server"))
            .args(["--listen", uri])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let uri = line.strip_prefix("listening ").unwrap().to_owned();
        Self { child, uri }
    }

    /// Waits until the server's counters say so; fails after five seconds.
    async fn counts_until(&self, what: &str, check: impl Fn(&Counters) -> bool) {
        let client = ConformanceClient::connect(&self.uri).await.unwrap();
        for _ in 0..5_000 {
            if check(&client.counters().await.unwrap()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("not within five seconds: {what}: {:?}", client.counters().await);
    }

    async fn terminate(&mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    }

    async fn ended(mut self) -> ExitStatus {
        tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.expect("it ends").unwrap()
    }
}

/// What the client prints for these lines, by id, and how it ends. Of a stream it is the end.
async fn client(uri: &str, lines: &str) -> (BTreeMap<String, Value>, ExitStatus) {
    client_with(&["--connect", uri], lines).await
}

/// The same with these options.
async fn client_with(options: &[&str], lines: &str) -> (BTreeMap<String, Value>, ExitStatus) {
    let (printed, status) = client_prints(options, lines).await;
    (printed.into_iter().map(|line| (line["id"].to_string(), line)).collect(), status)
}

/// What the client prints for these lines, and how it ends.
async fn client_prints(options: &[&str], lines: &str) -> (Vec<Value>, ExitStatus) {
    let (text, _, status) = client_says(options, lines).await;
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), status)
}

/// What the client prints on both streams with these options, and how it ends.
async fn client_says(options: &[&str], lines: impl AsRef<[u8]>) -> (String, String, ExitStatus) {
    client_says_where(&[], options, lines).await
}

/// The same with these in its environment.
async fn client_says_where(
    environment: &[(&str, &str)],
    options: &[&str],
    lines: impl AsRef<[u8]>,
) -> (String, String, ExitStatus) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_conformance-client"))
        .args(options)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that does not begin does not read.
    let _ = child.stdin.take().unwrap().write_all(lines.as_ref()).await;
    let output = child.wait_with_output().await.unwrap();
    let [printed, said] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (printed, said, output.status)
}

#[tokio::test]
async fn the_clients_policies_come_from_a_file() {
    let server = Server::start(&[]).await;
    let file = std::env::temp_dir().join(format!("traitwire-policies-{}.toml", std::process::id()));
    let path = file.to_str().unwrap();
    std::fs::write(&file, "[default]\nretry = false\n[service.Conformance.sleep]\ntimeout = \"40ms\"\n")
        .unwrap();
    let lines = r#"{"id":1,"method":"sleep","args":[60000]}"#;
    let (printed, _, status) = client_says(&["--connect", &server.uri, "--policy", path], lines).await;
    let ended: Value = serde_json::from_str(printed.trim()).unwrap();
    assert_eq!(ended["rpc_error"]["code"], "deadline_exceeded", "{printed}");
    assert!(status.success());

    // Nobody is there, so each attempt fails before it is sent; the last one tells of all.
    std::fs::write(&file, "[service.Conformance]\nretry = { attempts = 3, base = \"5ms\", cap = \"5ms\" }\n")
        .unwrap();
    let lines = r#"{"id":1,"method":"add","args":[2,3]}"#;
    let options = ["--policy", path, "--connect", "unix:///nowhere/at-all.sock"];
    let (printed, _, _) = client_says(&options, lines).await;
    assert!(printed.contains("3 attempts are all"), "{printed}");

    // Answers are kept of methods that say that they read, and calls go one after the other.
    let guards = "[default]\nbreaker = { min_calls = 2, ratio = 1, open = \"60s\" }\nlimit = { concurrency = 1 }\n\
                  cache = { ttl = \"60s\", bytes = 65536, policy = \"lru\" }\n";
    std::fs::write(&file, guards).unwrap();
    let lines = r#"{"id":1,"method":"remaining"}
                   {"id":2,"method":"remaining"}
                   {"id":3,"method":"sleep","args":[50]}
                   {"id":4,"method":"sleep","args":[50]}
                   {"id":5,"method":"sleep","args":[50]}
                   {"id":6,"method":"count_idempotent","args":["twice"]}
                   {"id":7,"method":"count_idempotent","args":["twice"]}"#;
    let (ended, status) = client_with(&["--connect", &server.uri, "--policy", path], lines).await;
    assert!(status.success() && ended.values().all(|line| line.get("ok").is_some()), "{ended:?}");
    assert_eq!(ended["1"]["ok"], ended["2"]["ok"]);
    assert_ne!(
        ended["6"]["ok"], ended["7"]["ok"],
        "to count is no reading, however idempotent it is said to be"
    );
    let longest = (3..=5).filter_map(|id| ended[&id.to_string()]["elapsed_us"].as_u64()).max();
    assert!(longest >= Some(150_000), "{ended:?}");

    std::fs::write(&file, "[service.Conformance]\nretry = { atempts = 3 }\n").unwrap();
    let (printed, said, status) = client_says(&["--connect", &server.uri, "--policy", path], "").await;
    let told = "line 2: `service.Conformance.retry.atempts`: there is no such key: did you mean `attempts`?";
    assert!(said.contains(told) && printed.is_empty(), "{said}");
    assert_eq!(status.code(), Some(2));
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn every_kind_of_call_is_told_as_it_ended() {
    let ledger = std::env::temp_dir().join(format!("traitwire-ledger-{}", std::process::id()));
    let _ = std::fs::remove_file(&ledger);
    let mut server = Server::start(&["--ledger", ledger.to_str().unwrap(), "--limit", "depth=20"]).await;
    let deep = (0..30).fold("\"Leaf\"".to_owned(), |below, _| format!("{{\"Not\":{below}}}"));
    let lines = [
        r#"{"id":1,"method":"add","args":[2,3]}"#,
        r#"{"id":2,"method":"echo","args":[{"bytes":"aGVsbG8="}]}"#,
        r#"{"id":3,"method":"fail","args":[7,"no"]}"#,
        r#"{"id":4,"method":"sleep","args":[60000],"timeout_ms":1500}"#,
        r#"{"id":5,"method":"sleep","args":[60000],"cancel_after_ms":1500}"#,
        r#"{"id":6,"method":"nothing","args":[]}"#,
        r#"{"id":7,"method":"chain","args":[2],"timeout_ms":9000}"#,
        r#"{"id":8,"method":"tree","args":[{"Not":{"Node":["Leaf","Leaf"]}}]}"#,
        r#"{"id":9,"method":"metadata","metadata":{"a":"b","c":{"bytes":"AAE="}}}"#,
        r#"{"id":10,"method":"panic","args":["x"]}"#,
        r#"{"id":11,"method":"grow","args":[1]}"#,
        r#"{"id":12,"method":"count","args":["key"]}"#,
        r#"{"id":13,"method":"add","args":["x",1]}"#,
        &format!(r#"{{"id":14,"method":"tree","args":[{deep}]}}"#),
        r#"{"id":15,"method":"empty"}"#,
        r#"{"id":16,"method":"values","args":[[1,null,3]]}"#,
        r#"{"id":17,"method":"remaining","timeout_ms":5000}"#,
        r#"{"id":{"any":"value"},"method":"burn","args":[1000]}"#,
        "not json",
    ]
    .join("\n");
    let (ended, status) = client(&server.uri, &lines).await;
    assert_eq!(status.code(), Some(2), "a line could not be read");
    let ok = |id: &str| ended[id]["ok"].to_string();
    assert_eq!(ok("1"), "5");
    assert_eq!(ok("2"), r#"{"bytes":"aGVsbG8="}"#);
    assert_eq!(ended["3"]["app_error"].to_string(), r#"{"code":7,"message":"no"}"#);
    assert_eq!(ended["5"]["cancelled"], true);
    let chain: Vec<u64> = serde_json::from_value(ended["7"]["ok"].clone()).unwrap();
    assert!(chain.len() == 3 && chain[0] < 9_000 && chain.is_sorted_by(|a, b| a >= b), "{chain:?}");
    assert_eq!(ok("8"), "4");
    assert_eq!(ok("9"), r#"{"a":{"bytes":"Yg=="},"c":{"bytes":"AAE="}}"#);
    assert_eq!((ok("11"), ok("12"), ok("15"), ok("16")), ("1".into(), "1".into(), "null".into(), "2".into()));
    assert!(ended["17"]["ok"].as_u64().is_some_and(|left| left > 1_000 && left < 5_000));
    assert_eq!(ended[r#"{"any":"value"}"#]["ok"], 1_000);
    assert!(ended["null"]["bad_input"].is_string());
    let told = |id: &str| {
        let error = &ended[id]["rpc_error"];
        format!("{} {}", error["code"].as_str().unwrap(), error["delivery"].as_str().unwrap())
    };
    assert!(told("4").starts_with("deadline_exceeded"), "{}", told("4"));
    assert_eq!(told("6"), "unimplemented refused");
    assert_eq!(told("10"), "internal executed");
    assert_eq!(told("13"), "invalid_argument refused");
    assert_eq!(told("14"), "invalid_argument refused", "the server's own depth limit");
    assert!(ended.values().all(|line| line["bad_input"].is_string() || line["elapsed_us"].is_u64()));
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "key\n");
    std::fs::remove_file(&ledger).unwrap();

    // The two handlers that were cancelled are dropped when the server has heard of it.
    server.counts_until("both are dropped", |counts| counts.cancelled == 2).await;
    let (counted, status) = client(&server.uri, r#"{"id":1,"method":"counters"}"#).await;
    assert_eq!(status.code(), Some(0));
    let counters = &counted["1"]["ok"];
    let of = |name: &str| counters[name].as_u64().unwrap();
    assert_eq!((of("in_flight"), of("panicked"), of("cancelled")), (1, 1, 2), "{counters}");
    let refused = |name: &str| counters["refused"][name].as_u64().unwrap();
    assert_eq!((refused("unknown_method"), refused("bad_argument")), (1, 2), "{counters}");

    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn bytes_are_bytes_also_if_there_are_none() {
    let server = Server::start(&[]).await;
    let lines = r#"{"id":1,"method":"echo","args":[{"bytes":""}]}
                   {"id":2,"method":"metadata","metadata":{"text":"","bin":{"bytes":""}}}
                   {"id":3,"method":"generate","args":[1,0]}
                   {"id":4,"method":"values","args":[[]]}"#;
    let (printed, _) = client_prints(&["--connect", &server.uri], lines).await;
    let told = |id: u64, key: &str| {
        let line = printed.iter().find(|line| line["id"] == id && line.get(key).is_some());
        line.unwrap_or_else(|| panic!("{printed:?}"))[key].to_string()
    };
    assert_eq!(told(1, "ok"), r#"{"bytes":""}"#);
    assert_eq!(told(2, "ok"), r#"{"bin":{"bytes":""},"text":{"bytes":""}}"#);
    assert!(told(3, "item").contains(r#"{"bytes":""}"#), "{}", told(3, "item"));
    assert_eq!(told(4, "ok"), "0", "an empty array is one");
}

#[tokio::test]
async fn a_number_beyond_64_bits_is_an_id_like_any_other_and_no_argument() {
    let server = Server::start(&[]).await;
    let lines = r#"{"id":123456789012345678901234567890,"method":"empty"}
                   {"id":1,"method":"add","args":[123456789012345678901234567890,1]}"#;
    let (text, _, status) = client_says(&["--connect", &server.uri], lines).await;
    assert!(text.contains(r#""id":123456789012345678901234567890,"ok":null"#), "{text}");
    assert!(text.contains("123456789012345678901234567890 is no number of 64 bits"), "{text}");
    assert_eq!(status.code(), Some(2));
}

#[tokio::test]
async fn a_line_that_is_no_text_is_told_and_those_after_it_are_read() {
    let server = Server::start(&[]).await;
    let lines = b"{\"id\":1,\"method\":\"empty\"}\r\n\xff\xfe\n{\"id\":2,\"method\":\"empty\"}";
    let (text, _, status) = client_says(&["--connect", &server.uri], lines).await;
    let printed: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(printed.iter().filter(|line| line.get("ok").is_some()).count(), 2, "{text}");
    assert!(printed.iter().any(|line| line["id"].is_null() && line["bad_input"].is_string()), "{text}");
    assert_eq!(status.code(), Some(2));
}

#[tokio::test]
async fn streams_are_printed_item_by_item_and_told_as_they_ended() {
    let server = Server::start(&["--limit", "credit=2048", "--limit", "streams=16"]).await;
    let item = r#"{"index":5,"payload":{"bytes":"BQYH"},"digest":833890780}"#;
    let lines = [
        r#"{"id":1,"method":"generate","args":[3,4]}"#,
        r#"{"id":2,"method":"sum","input":[1,-2,10]}"#,
        &format!(r#"{{"id":3,"method":"mirror","input":[{item},{item}],"read_delay_ms":5}}"#),
        r#"{"id":4,"method":"fail_after","args":[2,7]}"#,
        r#"{"id":5,"method":"call_back","args":[20]}"#,
        r#"{"id":6,"method":"generate","args":[1000000,1000],"read_delay_ms":1,"cancel_after_ms":300}"#,
        r#"{"id":7,"method":"generate","args":["x"]}"#,
        r#"{"id":8,"method":"generate","args":[0,0]}"#,
        r#"{"id":9,"method":"sum"}"#,
        r#"{"id":10,"method":"sum","input":[1,"x"]}"#,
        r#"{"id":11,"method":"add","args":[1,2],"input":[1]}"#,
        r#"{"id":12,"method":"nothing","input":[1]}"#,
        r#"{"id":13,"method":"generate","args":[2,100000]}"#,
        r#"{"id":14,"method":"generate","args":[1,20000000]}"#,
        r#"{"id":15,"method":"mirror","input":[7]}"#,
    ]
    .join("\n");
    let (printed, status) = client_prints(&["--connect", &server.uri], &lines).await;
    assert_eq!(status.code(), Some(0));
    let items = |id: u64| {
        let of = printed.iter().filter(move |line| line["id"] == id);
        of.filter_map(|line| line.get("item").cloned()).collect::<Vec<_>>()
    };
    let end = |id: u64| {
        let mut ends = printed.iter().filter(|line| line["id"] == id && line.get("item").is_none());
        let (end, further) = (ends.next().unwrap(), ends.next());
        assert!(further.is_none() && end["elapsed_us"].is_u64(), "{end} {further:?}");
        let last = printed.iter().rfind(|line| line["id"] == id);
        assert_eq!(last, Some(end), "nothing comes behind the end");
        end
    };
    let told = |id: u64| {
        let error = &end(id)["rpc_error"];
        format!("{} {}", error["code"].as_str().unwrap(), error["delivery"].as_str().unwrap())
    };
    let ended_whole = |id: u64, items: u64| {
        assert!(end(id)["ok"].is_null() && end(id)["items"] == items, "{}", end(id));
        assert!(end(id).as_object().unwrap().contains_key("ok"));
    };
    let first: Value =
        serde_json::from_str(r#"{"index":0,"payload":{"bytes":"AAECAw=="},"digest":2344191507}"#).unwrap();
    assert_eq!((items(1).len(), &items(1)[0]), (3, &first));
    ended_whole(1, 3);
    assert_eq!(end(2)["ok"], 9);
    assert!(end(2).get("items").is_none(), "no stream comes out of it: {}", end(2));
    assert_eq!(items(3), vec![serde_json::from_str::<Value>(item).unwrap(); 2]);
    ended_whole(3, 2);
    assert_eq!((items(4).len(), &end(4)["items"]), (2, &2.into()));
    assert_eq!(end(4)["app_error"]["code"], 7, "{}", end(4));
    assert_eq!(end(5)["ok"], 20, "the client serves `Callback`");
    assert_eq!((&end(6)["cancelled"], &end(6)["items"]), (&true.into(), &items(6).len().into()));
    assert_eq!((told(7).as_str(), &end(7)["items"]), ("invalid_argument refused", &0.into()));
    ended_whole(8, 0);
    assert_eq!(end(9)["ok"], 0, "nothing to add");
    assert!(told(10).ends_with("executed"), "an item that is no number: {}", end(10));
    assert_eq!(told(11), "unimplemented refused", "it takes no items");
    assert_eq!(told(12), "unimplemented refused");
    ended_whole(13, 2);
    assert_eq!(told(14), "resource_exhausted executed", "{}", end(14));
    assert!(told(15).ends_with("executed"), "{}", end(15));
    server.counts_until("all are over", |counts| counts.in_flight == 1).await;
}

#[tokio::test]
async fn streams_beyond_the_limit_wait_for_those_before_them() {
    let server = Server::start(&["--limit", "streams=1"]).await;
    let lines = r#"{"id":1,"method":"generate","args":[40,10],"read_delay_ms":5}
                   {"id":2,"method":"generate","args":[1,10]}
                   {"id":3,"method":"add","args":[1,2]}"#;
    let (printed, status) = client_prints(&["--connect", &server.uri], lines).await;
    assert_eq!(status.code(), Some(0));
    let ends = printed.iter().filter(|line| line.get("elapsed_us").is_some());
    assert!(ends.clone().all(|line| line.get("ok").is_some()), "{printed:?}");
    assert_eq!(ends.count(), 3);
}

#[tokio::test]
async fn a_drain_that_cuts_calls_ends_with_one() {
    let mut server = Server::start(&["--limit", "drain_grace_ms=50"]).await;
    let uri = server.uri.clone();
    let calls =
        tokio::spawn(async move { client(&uri, r#"{"id":1,"method":"sleep","args":[60000]}"#).await });
    // The call that asks counts itself.
    server.counts_until("the call is accepted", |counts| counts.in_flight == 2).await;
    server.terminate().await;
    assert_eq!(server.ended().await.code(), Some(1));
    let (ended, _) = calls.await.unwrap();
    let error = &ended["1"]["rpc_error"];
    assert_eq!((&error["code"], &error["delivery"]), (&"unavailable".into(), &"executed".into()), "{error}");
}

#[tokio::test]
async fn a_second_signal_ends_a_server_that_drains() {
    let mut server = Server::start(&["--limit", "drain_grace_ms=60000"]).await;
    let client = ConformanceClient::connect(&server.uri).await.unwrap();
    let call = tokio::spawn(client.sleep(60_000));
    server.counts_until("the call is accepted", |counts| counts.in_flight == 2).await;
    server.terminate().await;
    // It drains: whoever comes now finds nobody.
    while ConformanceClient::connect(&server.uri).await.is_ok() {}
    server.terminate().await;
    // Much less than the grace.
    assert_eq!(server.ended().await.code(), Some(1));
    assert_eq!(RpcError::from(call.await.unwrap().unwrap_err()).delivery(), Delivery::Unknown);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_for_each_call() {
    let (ended, status) = client("tcp://127.0.0.1:1", r#"{"id":1,"method":"empty"}"#).await;
    assert_eq!(status.code(), Some(0));
    let error = &ended["1"]["rpc_error"];
    assert_eq!((&error["code"], &error["delivery"]), (&"unavailable".into(), &"not_sent".into()), "{error}");
}

#[tokio::test]
async fn mistakes_on_the_command_line_are_told() {
    for (options, words) in [
        (
            vec!["--listen", "tcp://127.0.0.1:0", "--limit", "speed=9"],
            "known are message, elements, depth, in_flight, connections, streams, credit, vain_frames, handshake_ms",
        ),
        (vec!["--listen", "tcp://127.0.0.1:0", "--limit", "message=much"], "not a number"),
        (vec!["--ledger"], "wants a value"),
        (vec![], "`--listen` is missing"),
        (vec!["--listen", "http://x"], "`tcp://`"),
    ] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_conformance-server")).args(&options).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}");
        assert!(said.contains(words), "{options:?}: {said}");
    }
}

#[tokio::test]
async fn a_client_in_plain_python_speaks_it_from_the_document_alone() {
    let server = Server::start(&[]).await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/python");
    let uri = &*server.uri;
    let scripts =
        [vec!["vectors.py"], vec!["selftest.py"], vec!["check.py", uri], vec!["check_streams.py", uri]];
    for arguments in scripts {
        let run = Command::new("python3").args(&arguments).current_dir(folder).output().await;
        let Ok(output) = run else {
            assert!(std::env::var_os("TRAITWIRE_NO_SKIP").is_none(), "python3 is missing");
            println!("skipped: python3 is missing");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
async fn the_pair_speaks_tls_with_certificates_on_both_sides_and_a_token() {
    let folder = std::env::temp_dir().join(format!("traitwire-{}-conformance-tls", std::process::id()));
    let ca = dev::Ca::open(&folder).unwrap();
    ca.issue_to(&folder, "server", ["127.0.0.1"]).unwrap();
    ca.issue_to(&folder, "client", ["spiffe://test/client"]).unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (ca, cert, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
    let client = [file("client.pem"), file("client.key")];
    let known = ["--tls-ca", &ca, "--client-cert", &client[0], "--client-key", &client[1]];
    let shown = ["--tls-cert", &cert, "--tls-key", &key, "--token", "s3cret"];
    let server = Server::start_at("tls://127.0.0.1:0", &[&shown[..], &known[..]].concat()).await;
    let lines = [
        r#"{"id":1,"method":"add","args":[2,3]}"#,
        r#"{"id":2,"method":"chain","args":[2],"timeout_ms":9000}"#,
        r#"{"id":3,"method":"echo","args":[{"bytes":"aGVsbG8="}]}"#,
    ]
    .join("\n");
    let with_token = [&["--connect", &server.uri, "--token", "s3cret"], &known[..]].concat();
    let (printed, status) = client_prints(&with_token, &lines).await;
    assert!(status.success(), "{printed:?}");
    let of = |id: u64| printed.iter().find(|line| line["id"] == id).unwrap();
    assert_eq!(of(1)["ok"], 5);
    assert_eq!(of(2)["ok"].as_array().unwrap().len(), 3, "the server called itself: {}", of(2));
    assert_eq!(of(3)["ok"].to_string(), r#"{"bytes":"aGVsbG8="}"#);

    let (printed, _) = client_prints(&[&["--connect", &server.uri], &known[..]].concat(), &lines).await;
    assert!(printed[0]["rpc_error"].to_string().contains("the call has no token"), "{printed:?}");
    let (printed, _) = client_prints(&["--connect", &server.uri, "--tls-ca", &ca], &lines).await;
    assert!(printed[0]["rpc_error"].to_string().contains("the server asks for a certificate"), "{printed:?}");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn the_roots_of_the_machine_are_those_that_its_environment_names() {
    let folder = std::env::temp_dir().join(format!("traitwire-{}-conformance-roots", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let ca = dev::Ca::new().unwrap();
    ca.issue_to(&folder, "server", ["127.0.0.1"]).unwrap();
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(file("own"), ca.pem()).unwrap();
    std::fs::write(file("other"), dev::Ca::new().unwrap().pem()).unwrap();
    std::fs::write(file("nothing"), "").unwrap();
    let (cert, key) = (file("server.pem"), file("server.key"));
    let server = Server::start_at("tls://127.0.0.1:0", &["--tls-cert", &cert, "--tls-key", &key]).await;
    let call = r#"{"id":1,"method":"add","args":[2,3]}"#;
    for (roots, expected) in [
        ("own", r#""ok":5"#),
        ("other", "the server's certificate is refused: no trusted root leads to it"),
        ("nothing", "this machine has no trusted roots"),
    ] {
        // Without a folder beside it: what is in the machine's own would count too.
        let environment = [("SSL_CERT_FILE", &*file(roots)), ("SSL_CERT_DIR", "/nowhere")];
        let (printed, _, _) = client_says_where(&environment, &["--connect", &server.uri], call).await;
        assert!(printed.contains(expected), "{roots}: {printed}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn servers_register_and_clients_find_them() {
    let node = traitwire::registry::Node::builder().start().await.unwrap();
    let registry = traitwire::Server::builder().service(traitwire::registry::RegistryServer::new(node));
    let registry = registry.bind("tcp://127.0.0.1:0").await.unwrap();
    let at = registry.addresses()[0].replace("tcp://", "registry://");
    let _serving = tokio::spawn(registry.serve());
    let mut one = Server::start(&["--register", &at]).await;
    let other =
        Server::start_at("tcp://0.0.0.0:0", &["--register", &at, "--advertise", "tcp://127.0.0.1:1"]).await;
    let found = async || {
        let client =
            traitwire::registry::RegistryClient::connect(&at.replace("registry://", "tcp://")).await.unwrap();
        let list = client.list("Conformance").await.unwrap();
        list.iter().map(|endpoint| endpoint.address().to_owned()).collect::<Vec<_>>()
    };
    let until = async |count: usize| {
        for _ in 0..5_000 {
            if found().await.len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{count} are expected, and these are there: {:?}", found().await);
    };
    until(2).await;
    assert!(found().await.contains(&"tcp://127.0.0.1:1".to_owned()), "the address that was advertised");
    // Nobody answers at that one: calls find the other by themselves.
    let lines = r#"{"id":1,"method":"add","args":[2,3]}
                   {"id":2,"method":"add","args":[2,4]}"#;
    let sums = |ended: &BTreeMap<String, Value>| (ended["1"]["ok"].clone(), ended["2"]["ok"].clone());
    let (ended, status) = client(&format!("{at}/Conformance"), lines).await;
    assert!(status.success() && sums(&ended) == (5.into(), 6.into()), "{ended:?}");
    let (ended, _) = client(&format!("static://127.0.0.1:1,{}", one.uri), lines).await;
    assert_eq!(sums(&ended), (5.into(), 6.into()), "{ended:?}");
    one.terminate().await;
    assert!(one.ended().await.success());
    until(1).await;
    drop(other);
}
