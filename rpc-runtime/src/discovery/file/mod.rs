//! A list of endpoints in a file (feature `config`), `file:///etc/calc.toml`: looked at every second, and what it says counts
//! when all of it can be read. `list` knows the text.
//!
//! Looking costs a read of the file each second. It needs no way of the machine's to watch files, of which each sees something
//! else: renames, links that are moved (as Kubernetes does), files on a network.

mod list;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::time::sleep;

use crate::discovery::feed::Feed;
use crate::discovery::snapshot::Snapshot;
use crate::discovery::{Discovery, DiscoveryError, DiscoveryScheme, Updates};
use crate::limits;

/// `file://`.
pub(super) struct FileScheme;

impl DiscoveryScheme for FileScheme {
    fn scheme(&self) -> &'static str {
        "file"
    }

    fn open(&self, address: &str) -> Result<Arc<dyn Discovery>, DiscoveryError> {
        if !address.starts_with('/') {
            let text =
                format!("`file://{}`: a path is whole: `file:///etc/calc.toml`", address.escape_debug());
            return Err(DiscoveryError::new(text));
        }
        Ok(Arc::new(ListFile { path: PathBuf::from(address) }))
    }
}

struct ListFile {
    path: PathBuf,
}

impl Discovery for ListFile {
    fn name(&self) -> String {
        format!("file://{}", self.path.display())
    }

    fn watch(&self) -> Updates {
        let (name, file) = (self.name(), Snapshot::new(&self.path));
        Feed::of(|feed| look(name, file, feed))
    }
}

async fn look(name: String, file: Snapshot, mut feed: Feed) {
    let mut last = None;
    loop {
        let found = match file.read(limits::COLD_START_BYTES).await {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err("there is no such file".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        // The same text, or the same failure, is told once.
        if last.as_ref() != Some(&found) {
            match found.as_ref().map(|bytes| list::read(bytes)) {
                Ok(Ok(endpoints)) => feed.say(endpoints).await,
                Ok(Err(error)) => {
                    let text = format!("{name}: {error}");
                    feed.complain(DiscoveryError::new(text).with_source(error)).await;
                }
                Err(error) => feed.complain(DiscoveryError::new(format!("{name}: {error}"))).await,
            }
            last = Some(found);
        }
        sleep(limits::FILE_LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use futures::StreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_change_counts_when_all_of_it_can_be_read() {
        let path = std::env::temp_dir().join(format!("traitwire-list-{}.toml", std::process::id()));
        let _ = fs::remove_file(&path);
        let source = FileScheme.open(path.to_str().unwrap()).unwrap();
        let mut updates = source.watch();
        let name = source.name();
        let told = updates.next().await.unwrap().unwrap_err().to_string();
        assert_eq!(told, format!("{name}: there is no such file"));

        fs::write(&path, "endpoints = [\"a:1\", \"b:2?weight=7\"]\n").unwrap();
        assert_eq!(updates.next().await.unwrap().unwrap().len(), 2);
        // Half written, then gone, then whole.
        fs::write(&path, "endpoints = [\n  \"a:1\",\n  \"b:2").unwrap();
        let told = updates.next().await.unwrap().unwrap_err().to_string();
        assert!(told.starts_with(&format!("{name}: line 3: ")), "{told}");
        fs::remove_file(&path).unwrap();
        assert!(updates.next().await.unwrap().unwrap_err().to_string().contains("no such file"));
        fs::write(&path, "endpoints = [\n  \"a:1\",\n  \"b:2\"]").unwrap();
        assert_eq!(updates.next().await.unwrap().unwrap()[1].weight(), limits::WEIGHT);
        // A file that stays says nothing.
        let silence = limits::FILE_LOOK * 5;
        assert!(tokio::time::timeout(silence, updates.next()).await.is_err());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_path_is_whole() {
        let error = FileScheme.open("list.toml").map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "`file://list.toml`: a path is whole: `file:///etc/calc.toml`");
    }
}
