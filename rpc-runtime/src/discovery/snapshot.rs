//! Owns [`Snapshot`]: a file that is only ever replaced as a whole, so that a crash leaves the old one or the new one. Does not
//! know what stands in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that is replaced as a whole.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    path: PathBuf,
}

impl Snapshot {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What it has; `None` if it was never written. At most so many bytes: a longer one is an error.
    pub(crate) async fn read(&self, most: u64) -> io::Result<Option<Vec<u8>>> {
        let path = self.path.clone();
        blocking(move || {
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                opened => opened?,
            };
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut io::Read::take(file, most + 1), &mut bytes)?;
            if bytes.len() as u64 > most {
                let text = format!("it has more than {most} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            Ok(Some(bytes))
        })
        .await
    }

    /// Replaces it: written beside it, given to the disk, and renamed.
    pub(crate) async fn write(&self, bytes: Vec<u8>) -> io::Result<()> {
        let path = self.path.clone();
        blocking(move || {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            // With the process in its name, so that two that share a file by mistake do not write into each other's.
            name.push(format!(".{}.new", std::process::id()));
            let beside = path.with_file_name(name);
            let mut file = File::create(&beside)?;
            let written = file.write_all(&bytes).and_then(|()| file.sync_all());
            let replaced = written.and_then(|()| fs::rename(&beside, &path));
            if replaced.is_err() {
                let _ = fs::remove_file(&beside);
            }
            replaced?;
            // The name too is to be there after a loss of power; where folders cannot be opened, it is not for us to say.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or_else(|| Path::new(".")))
                .and_then(|folder| folder.sync_all())
                .or(Ok(()))
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // The runtime is ending.
        Err(error) => Err(io::Error::other(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_replaced_whole_or_not_at_all() {
        let folder = std::env::temp_dir().join(format!("traitwire-snapshot-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let snapshot = Snapshot::new(folder.join("list"));
        assert_eq!(snapshot.read(10).await.unwrap(), None);
        snapshot.write(b"one".to_vec()).await.unwrap();
        snapshot.write(b"two".to_vec()).await.unwrap();
        assert_eq!(snapshot.read(3).await.unwrap().unwrap(), b"two");
        assert!(snapshot.read(2).await.unwrap_err().to_string().contains("more than 2 bytes"));
        // Nothing can be renamed onto a folder: the attempt leaves nothing behind.
        let taken = Snapshot::new(folder.join("taken"));
        fs::create_dir_all(taken.path().join("inside")).unwrap();
        taken.write(b"x".to_vec()).await.unwrap_err();
        let mut left: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["list", "taken"]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
