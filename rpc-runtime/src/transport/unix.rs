//! Owns [`Unix`]: sockets in the file system of one machine, and what becomes of their files.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::net::{UnixListener, UnixStream};

use crate::transport::{Link, Listener, Transport};

/// Unix sockets: `unix:///run/app.sock`. A relative path is `unix://app.sock`.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no settings of its own")]
pub struct Unix;

#[async_trait]
impl Transport for Unix {
    fn scheme(&self) -> &'static str {
        "unix"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        Ok(Link::local(UnixStream::connect(address).await?, address))
    }

    async fn bind(&self, address: &str) -> io::Result<Box<dyn Listener>> {
        let path = PathBuf::from(address);
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(&path).await => {
                std::fs::remove_file(&path)?;
                UnixListener::bind(&path)?
            }
            bound => bound?,
        };
        Ok(Box::new(Bound { listener, path }))
    }
}

/// Whether the file is the socket of a process that is gone. A file of another kind, or a socket that somebody
/// listens at, is never touched.
async fn is_left_over(path: &Path) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = UnixStream::connect(path).await.err();
    is_socket && refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

struct Bound {
    listener: UnixListener,
    path: PathBuf,
}

#[async_trait]
impl Listener for Bound {
    async fn accept(&mut self) -> io::Result<Link> {
        let (stream, _) = self.listener.accept().await?;
        Ok(Link::local(stream, self.address()))
    }

    fn address(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // Nobody else can listen here while the file is ours, so it is ours to take away. If it is gone already, so
        // much the better.
        let _ = std::fs::remove_file(&self.path);
    }
}
