//! Owns [`Fixed`]: a list that stands in its address, `static://a:1,b:2`. It never changes.

use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::discovery::{Discovery, DiscoveryError, DiscoveryScheme, Endpoint, Updates};

/// `static://`.
pub(super) struct StaticScheme;

impl DiscoveryScheme for StaticScheme {
    fn scheme(&self) -> &'static str {
        "static"
    }

    fn open(&self, address: &str) -> Result<Arc<dyn Discovery>, DiscoveryError> {
        let endpoints = address.split(',').map(str::parse).collect::<Result<Vec<Endpoint>, _>>();
        let endpoints = endpoints.map_err(|error| {
            DiscoveryError::new(format!("`static://{}`: {error}", address.escape_debug()))
        })?;
        Ok(Arc::new(Fixed { endpoints }))
    }
}

struct Fixed {
    endpoints: Vec<Endpoint>,
}

impl Discovery for Fixed {
    fn name(&self) -> String {
        let endpoints: Vec<_> = self.endpoints.iter().map(Endpoint::to_string).collect();
        format!("static://{}", endpoints.join(","))
    }

    fn watch(&self) -> Updates {
        let endpoints = self.endpoints.clone();
        stream::iter([Ok(endpoints)]).chain(stream::pending()).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_stands_in_its_address() {
        let source = StaticScheme.open("a:1,tls://b:2?weight=7,unix:///run/x%2Cy.sock").unwrap();
        assert_eq!(source.name(), "static://tcp://a:1,tls://b:2?weight=7,unix:///run/x%2Cy.sock");
        let endpoints = source.watch().next().await.unwrap().unwrap();
        let addresses: Vec<_> = endpoints.iter().map(Endpoint::address).collect();
        assert_eq!(addresses, ["tcp://a:1", "tls://b:2", "unix:///run/x,y.sock"]);
        for wrong in ["", "a:1,,b:2", "a:1,"] {
            let error = StaticScheme.open(wrong).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`static://{wrong}`: `` is not the address")), "{error}");
        }
    }
}
