//! Owns [`Unix`]: sockets in the file system of one machine, and what becomes of their files.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
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
        if address.is_empty() {
            let text = "a path is missing: an address looks like `unix:///run/app.sock`";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(&path).await => {
                std::fs::remove_file(&path)?;
                UnixListener::bind(&path)?
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && !is_socket(&path) => {
                let text = format!("`{address}` exists and is no socket");
                return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
            }
            bound => bound?,
        };
        let file = identity(&path);
        Ok(Box::new(Bound { listener, path, file }))
    }
}

/// Whether the file is the socket of a process that is gone. A file of another kind, or a socket that somebody
/// listens at, is never touched.
async fn is_left_over(path: &Path) -> bool {
    let refused = UnixStream::connect(path).await.err();
    is_socket(path) && refused.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn is_socket(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Which file it is, whatever its name: its device and its number there.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

struct Bound {
    listener: UnixListener,
    path: PathBuf,
    file: Option<(u64, u64)>,
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
        // Somebody may have removed our file and listen at one of the same name: that one is not ours to take away.
        if self.file.is_some() && identity(&self.path) == self.file {
            // If it is gone in this very moment, so much the better.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
