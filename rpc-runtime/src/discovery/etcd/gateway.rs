//! Owns [`Gateway`]: what etcd can be asked, and what it answers: its gRPC interface as JSON, version 3.4 and later. Does not
//! decide what to ask.
//!
//! In this form keys and values are base64, and 64-bit numbers are strings; what is zero or empty is left out.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use hyper::StatusCode;
use hyper::body::Incoming;
use parking_lot::Mutex;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::discovery::etcd::http::{Http, HttpError};
use crate::limits;

/// etcd, as one asks it.
pub(super) struct Gateway {
    http: Http,
    user: Option<(String, String)>,
    /// What etcd gave for the password; it forgets it after a while.
    token: Mutex<Option<String>>,
}

/// Why etcd has not done what it was asked.
#[derive(Debug)]
pub(super) struct EtcdError {
    text: String,
    is_unauthenticated: bool,
}

impl EtcdError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_unauthenticated: false }
    }

    /// Whether etcd does not know the token, or not any more.
    pub(super) const fn is_unauthenticated(&self) -> bool {
        self.is_unauthenticated
    }

    /// What etcd says to a token that it does not know (any more).
    fn refused(text: String) -> Self {
        let is_unauthenticated = STALE.iter().any(|words| text.contains(words));
        Self { text, is_unauthenticated }
    }
}

/// The words for a token that is no longer good. The second ones come as an invalid argument, when users or roles have changed.
const STALE: [&str; 2] = ["invalid auth token", "revision of auth store is old"];

impl From<HttpError> for EtcdError {
    fn from(error: HttpError) -> Self {
        Self::new(error.0)
    }
}

impl fmt::Display for EtcdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for EtcdError {}

/// A 64-bit number, which JSON has as a string.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, PartialOrd, Ord)]
pub(super) struct Number(pub(super) u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        };
        number.map(Number).ok_or_else(|| D::Error::custom("it has something else where a number belongs"))
    }
}

/// Bytes, which JSON has as base64.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Base64(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Base64).map_err(D::Error::custom)
    }
}

impl Serialize for Base64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    pub(super) cluster_id: Number,
    pub(super) revision: Number,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct KeyValue {
    pub(super) key: Base64,
    pub(super) value: Base64,
    pub(super) mod_revision: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    pub(super) header: Header,
    pub(super) kvs: Vec<KeyValue>,
    pub(super) more: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Watched {
    pub(super) header: Header,
    pub(super) created: bool,
    pub(super) canceled: bool,
    pub(super) cancel_reason: String,
    pub(super) compact_revision: Number,
    pub(super) events: Vec<Event>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    /// `DELETE`, or `PUT`, which is left out.
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) kv: KeyValue,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Leased {
    #[serde(rename = "ID")]
    id: Number,
    #[serde(rename = "TTL")]
    ttl: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Done {
    succeeded: bool,
}

/// A stream's messages are within this.
#[derive(Debug, Deserialize)]
struct Streamed<T> {
    result: Option<T>,
    error: Option<Value>,
}

impl Gateway {
    pub(super) fn new(http: Http, user: Option<(String, String)>) -> Self {
        Self { http, user, token: Mutex::new(None) }
    }

    /// Asks another host from now on.
    pub(super) fn turn(&self) {
        self.http.turn();
    }

    /// Keys from `key` up to `end`, at a revision or (with 0) as it is now, some of them if there are more.
    pub(super) async fn range(&self, key: &[u8], end: &[u8], revision: Number) -> Result<Range, EtcdError> {
        let body = json!({
            "key": base64(key), "range_end": base64(end), "revision": revision.0.to_string(),
            "limit": limits::ETCD_PAGE.to_string(),
        });
        self.ask("/v3/kv/range", &body).await
    }

    /// Whether it answers at all.
    pub(super) async fn ping(&self, key: &[u8]) -> Result<Header, EtcdError> {
        let body = json!({ "key": base64(key), "keys_only": true });
        self.ask::<Range>("/v3/kv/range", &body).await.map(|range| range.header)
    }

    /// The value of a key, if it is there.
    pub(super) async fn get(&self, key: &[u8]) -> Result<Option<KeyValue>, EtcdError> {
        let range: Range = self.ask("/v3/kv/range", &json!({ "key": base64(key) })).await?;
        Ok(range.kvs.into_iter().next())
    }

    /// Sets a key under a lease if it was last changed at this revision (0 if it is not there); false if not.
    pub(super) async fn put_if(
        &self,
        key: &[u8],
        value: &str,
        lease: u64,
        last: Number,
    ) -> Result<bool, EtcdError> {
        let body = json!({
            "compare": [{
                "key": base64(key), "target": "MOD", "result": "EQUAL", "mod_revision": last.0.to_string(),
            }],
            "success": [{ "request_put": {
                "key": base64(key), "value": base64(value), "lease": lease.to_string(),
            } }],
        });
        self.ask::<Done>("/v3/kv/txn", &body).await.map(|done| done.succeeded)
    }

    /// A new lease, and its time in seconds.
    pub(super) async fn grant(&self, seconds: u64) -> Result<(u64, u64), EtcdError> {
        let leased: Leased = self.ask("/v3/lease/grant", &json!({ "TTL": seconds.to_string() })).await?;
        Ok((leased.id.0, leased.ttl.0))
    }

    /// Renews a lease; false if there is none.
    pub(super) async fn renew(&self, lease: u64) -> Result<bool, EtcdError> {
        let body = json!({ "ID": lease.to_string() });
        let answer: Streamed<Leased> = self.ask("/v3/lease/keepalive", &body).await?;
        match (answer.result, answer.error) {
            (Some(leased), _) => Ok(leased.ttl.0 > 0),
            (None, error) => {
                let refused = refusal(&error.unwrap_or_default());
                if refused.is_unauthenticated {
                    self.forget_token();
                }
                Err(refused)
            }
        }
    }

    /// Ends a lease, and its keys with it; one that is not there has ended.
    pub(super) async fn revoke(&self, lease: u64) -> Result<(), EtcdError> {
        let body = json!({ "ID": lease.to_string() });
        match self.ask::<Value>("/v3/lease/revoke", &body).await {
            Err(error) if error.text.contains("lease not found") => Ok(()),
            other => other.map(drop),
        }
    }

    /// What changes of the keys from `key` up to `end`, from a revision on.
    pub(super) async fn watch(&self, key: &[u8], end: &[u8], from: u64) -> Result<Watch, EtcdError> {
        let body = json!({ "create_request": {
            "key": base64(key), "range_end": base64(end), "start_revision": from.to_string(),
        } });
        let token = self.token().await?;
        let answer = self.http.open("/v3/watch", token.as_deref(), body.to_string().into_bytes()).await?;
        if answer.status() != StatusCode::OK {
            // Why is in the body, which is not worth reading: to log in again does no harm.
            self.forget_token();
            return Err(EtcdError::new(format!("{}: it answers {}", self.http.host(), answer.status())));
        }
        Ok(Watch { body: answer.into_body(), buffer: BytesMut::new() })
    }

    async fn ask<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, EtcdError> {
        let token = self.token().await?;
        match self.ask_as(path, token.as_deref(), body).await {
            // A token is good for five minutes, or until etcd is started again.
            Err(error) if error.is_unauthenticated && self.user.is_some() => {
                self.forget_token();
                let token = self.token().await?;
                self.ask_as(path, token.as_deref(), body).await
            }
            other => other,
        }
    }

    async fn ask_as<T: DeserializeOwned>(
        &self,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<T, EtcdError> {
        let (status, answer) = self.http.ask(path, token, body.to_string().into_bytes()).await?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&answer).map_err(|error| self.unreadable(&error));
        }
        let mut refused = match serde_json::from_slice::<Value>(&answer) {
            Ok(answer) => refusal(&answer),
            Err(_) => EtcdError::new(format!("{}: it answers {status}", self.http.host())),
        };
        refused.is_unauthenticated |= status == StatusCode::UNAUTHORIZED;
        if status.is_server_error() {
            // It may be alone, or without a leader: another one may know more.
            self.http.turn();
        }
        Err(refused)
    }

    /// Logs in again before the next request. A watch needs it: it is opened well, and cancelled when its token is not known.
    pub(super) fn forget_token(&self) {
        self.token.lock().take();
    }

    /// What etcd has given for the password, if there is one.
    async fn token(&self) -> Result<Option<String>, EtcdError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Authenticated {
            token: String,
        }
        let Some((name, password)) = &self.user else { return Ok(None) };
        if let Some(token) = self.token.lock().clone() {
            return Ok(Some(token));
        }
        let body = json!({ "name": name, "password": password });
        let answer: Authenticated = self.ask_as("/v3/auth/authenticate", None, &body).await?;
        *self.token.lock() = Some(answer.token.clone());
        Ok(Some(answer.token))
    }

    fn unreadable(&self, error: &serde_json::Error) -> EtcdError {
        EtcdError::new(format!("{}: its answer cannot be read: {error}", self.http.host()))
    }
}

/// gRPC's code.
const UNAUTHENTICATED: u64 = 16;

/// The words of an answer that says what is wrong.
fn refusal(answer: &Value) -> EtcdError {
    let text = ["message", "error"].iter().find_map(|key| answer.get(key)?.as_str());
    let code = ["grpc_code", "code"].iter().find_map(|key| answer.get(key)?.as_u64());
    let text = text.map_or_else(|| format!("etcd refuses: {answer}"), |text| format!("etcd refuses: {text}"));
    let mut refused = EtcdError::refused(text);
    refused.is_unauthenticated |= code == Some(UNAUTHENTICATED);
    refused
}

/// What changes, message by message.
pub(super) struct Watch {
    body: Incoming,
    buffer: BytesMut,
}

impl Watch {
    /// The next message; an error when the stream ends. Loses nothing when it is dropped before it is ready.
    pub(super) async fn next(&mut self) -> Result<Watched, EtcdError> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(message);
            }
            if self.buffer.len() > limits::ETCD_ANSWER {
                return Err(EtcdError::new("etcd says too much at once"));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(EtcdError::new(format!("the watch is cut: {error}"))),
                None => return Err(EtcdError::new("etcd has ended the watch")),
            }
        }
    }

    /// The next message if all of it has come: each is a line.
    fn whole(&mut self) -> Result<Option<Watched>, EtcdError> {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        let read = serde_json::from_slice(&line);
        let streamed: Streamed<Watched> =
            read.map_err(|error| EtcdError::new(format!("what the watch says cannot be read: {error}")))?;
        match (streamed.result, streamed.error) {
            (Some(watched), _) => Ok(Some(watched)),
            (None, error) => Err(refusal(&error.unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_etcd_writes_them() {
        let text = r#"{"result":{"header":{"cluster_id":"14841639068965178418","revision":"7"},"events":[
            {"type":"DELETE","kv":{"key":"L2EvYg==","mod_revision":"7"}},{"kv":{"key":"L2E=","value":"eA=="}}]}}"#;
        let streamed: Streamed<Watched> = serde_json::from_str(text).unwrap();
        let watched = streamed.result.unwrap();
        assert_eq!((watched.header.cluster_id.0, watched.header.revision.0), (14_841_639_068_965_178_418, 7));
        assert_eq!((watched.events[0].kind.as_str(), &*watched.events[0].kv.key.0), ("DELETE", &b"/a/b"[..]));
        assert_eq!((watched.events[1].kind.as_str(), &*watched.events[1].kv.value.0), ("", &b"x"[..]));
        assert!(!watched.canceled && watched.compact_revision == Number(0));
        let wrong = serde_json::from_str::<Range>(r#"{"kvs":[{"key":"!"}]}"#).unwrap_err().to_string();
        assert!(wrong.contains("symbol") || wrong.contains("byte"), "{wrong}");
        for (text, code, expected) in [
            ("etcdserver: invalid auth token", 2, true),
            ("etcdserver: revision of auth store is old", 3, true),
            ("something", 16, true),
            ("etcdserver: permission denied", 7, false),
        ] {
            let refused = refusal(&json!({ "error": text, "code": code }));
            assert_eq!(refused.is_unauthenticated, expected, "{text}");
            assert!(refused.to_string().contains(text), "{refused}");
        }
    }
}
