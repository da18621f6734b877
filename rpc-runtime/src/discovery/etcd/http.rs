//! Owns [`Http`]: requests to one of several hosts over HTTP/1.1, with hyper. Does not know what is said.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::limits;

/// A byte pipe to a host.
pub(crate) trait Pipe: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Pipe for T {}

type Dialed = Pin<Box<dyn Future<Output = io::Result<Box<dyn Pipe>>> + Send>>;

/// Opens a pipe to `host:port`.
pub(crate) type Dial = Arc<dyn Fn(&str) -> Dialed + Send + Sync>;

/// Hosts that answer the same, one of which is asked at a time.
pub(super) struct Http {
    hosts: Vec<String>,
    /// The one that is asked now; the next one after a failure.
    at: AtomicUsize,
    dial: Dial,
    /// A connection that has nothing to do, and which host it is to.
    idle: Mutex<Option<(usize, SendRequest<Full<Bytes>>)>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct HttpError(pub(super) String);

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Http {
    pub(super) fn new(hosts: Vec<String>, dial: Dial) -> Self {
        Self { hosts, at: AtomicUsize::new(0), dial, idle: Mutex::new(None) }
    }

    /// The host that is asked now.
    pub(super) fn host(&self) -> &str {
        &self.hosts[self.at.load(Ordering::Relaxed) % self.hosts.len()]
    }

    /// Asks another host from now on.
    pub(super) fn turn(&self) {
        self.at.fetch_add(1, Ordering::Relaxed);
        self.idle.lock().take();
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn ask(
        &self,
        path: &str,
        token: Option<&str>,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), HttpError> {
        let at = self.at.load(Ordering::Relaxed);
        let asking = async {
            let mut connection = self.connection(at).await?;
            let answer = self.send(&mut connection, path, token, body).await?;
            let status = answer.status();
            let limited = Limited::new(answer.into_body(), limits::ETCD_ANSWER);
            let body = limited.collect().await.map_err(|error| self.failed(&error))?.to_bytes();
            Ok((status, body, connection))
        };
        let asked = match timeout(limits::ETCD_REQUEST, asking).await {
            Ok(asked) => asked,
            Err(_) => Err(HttpError(format!("{}: no answer within {:?}", self.host(), limits::ETCD_REQUEST))),
        };
        match asked {
            Ok((status, body, connection)) => {
                *self.idle.lock() = Some((at, connection));
                Ok((status, body))
            }
            Err(error) => {
                self.turn();
                Err(error)
            }
        }
    }

    /// Asks over a connection of its own, and gives the answer as it comes.
    pub(super) async fn open(
        &self,
        path: &str,
        token: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, HttpError> {
        let opening = async {
            let mut connection = self.connect().await?;
            self.send(&mut connection, path, token, body).await
        };
        let opened = timeout(limits::ETCD_REQUEST, opening).await;
        let opened = opened.unwrap_or_else(|_| {
            Err(HttpError(format!("{}: no answer within {:?}", self.host(), limits::ETCD_REQUEST)))
        });
        opened.inspect_err(|_| self.turn())
    }

    async fn connection(&self, at: usize) -> Result<SendRequest<Full<Bytes>>, HttpError> {
        let idle = self.idle.lock().take();
        if let Some((host, mut connection)) = idle
            && host == at
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, HttpError> {
        let pipe = (self.dial)(self.host()).await.map_err(|error| self.failed(&error))?;
        let (connection, task) = handshake(TokioIo::new(pipe)).await.map_err(|error| self.failed(&error))?;
        // It ends with its last request, or when nobody can make one any more.
        tokio::spawn(task);
        Ok(connection)
    }

    async fn send(
        &self,
        connection: &mut SendRequest<Full<Bytes>>,
        path: &str,
        token: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, HttpError> {
        let mut request =
            Request::post(path).header(HOST, self.host()).header(CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(Full::new(body.into())).map_err(|error| self.failed(&error))?;
        connection.send_request(request).await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &dyn fmt::Display) -> HttpError {
        HttpError(format!("{}: {error}", self.host()))
    }
}
