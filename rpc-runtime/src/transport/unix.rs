//! Owns [`Unix`]: sockets in the file system of one machine, and what becomes of their files.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::net::{UnixListener, UnixStream};

use crate::call::Identity;
use crate::transport::{Link, Listener, Transport};

/// Unix sockets: `unix:///run/app.sock`. A relative path is `unix://app.sock`.
///
/// The peer's [identity](crate::Identity) is what the kernel says of its process: `unix:uid:1000` and `unix:gid:1000`, the
/// latter of its own group and not of others that its user is in.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has no settings of its own")]
pub struct Unix;

#[async_trait]
impl Transport for Unix {
    fn scheme(&self) -> &'static str {
        "unix"
    }

    async fn connect(&self, address: &str) -> io::Result<Link> {
        Ok(link(UnixStream::connect(address).await?, address))
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

/// A link with what the kernel says of the process at its other end, when it connected or began to listen.
fn link(stream: UnixStream, address: &str) -> Link {
    let identity = stream.peer_cred().map(|peer| {
        let process = peer.pid().map_or_else(String::new, |pid| format!("pid={pid}"));
        let names = [format!("unix:uid:{}", peer.uid()), format!("unix:gid:{}", peer.gid())];
        Identity::new(names).with_subject(process, None)
    });
    let link = Link::unix(stream, address);
    match identity {
        Ok(identity) => link.with_identity(identity),
        Err(error) => {
            tracing::debug!(%error, "the kernel does not say who is at the other end");
            link
        }
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
        Ok(link(stream, &self.address()))
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
