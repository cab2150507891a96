//! The application: whether it takes connections, and whose.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::timeout;

use super::Finding;
use super::way_past::{self, Machine, Trust};
use crate::upstream::{self, Endpoint, Place, Scheme, Settings};

const WHAT: &str = "application";

pub(super) async fn examine(endpoint: &Endpoint, settings: &Settings, machine: &Machine, trust: Trust) -> [Finding; 2] {
    let reached = reach(endpoint, settings).await;
    let exposure = match &endpoint.place {
        Place::Unix(path) => way_past::socket_file(path, trust),
        Place::Tcp { host, port } => {
            let addresses = addresses(host, *port, settings.connect_timeout).await;
            machine.exposure(&endpoint.place.to_string(), &addresses, trust)
        }
    };
    [reached, exposure]
}

async fn addresses(host: &str, port: u16, limit: Duration) -> Vec<SocketAddr> {
    match timeout(limit, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        // Said by what reaches for it.
        Ok(Err(_)) | Err(_) => Vec::new(),
    }
}

async fn reach(endpoint: &Endpoint, settings: &Settings) -> Finding {
    let limit = settings.connect_timeout;
    match timeout(limit, upstream::reach(endpoint, settings)).await {
        Ok(Ok(spoken)) => {
            Finding::good(WHAT, format!("{endpoint} accepts connections{}", and_speaks(endpoint, spoken)))
        }
        Ok(Err(error)) if endpoint.scheme == Scheme::Https && error.kind() == std::io::ErrorKind::InvalidData => {
            let fix =
                "correct tls.ca_file or tls.server_name of this upstream, or its certificate; or it speaks no TLS";
            Finding::bad(WHAT, format!("{endpoint}: {error}"), fix)
        }
        Ok(Err(error)) => Finding::bad(WHAT, format!("{endpoint}: {error}"), "start it, or correct its endpoints"),
        Err(_) => Finding::bad(WHAT, format!("{endpoint}: no answer within {limit:?}"), "look for a firewall between"),
    }
}

fn and_speaks(endpoint: &Endpoint, spoken: upstream::Spoken) -> &'static str {
    match (endpoint.scheme, spoken) {
        (Scheme::Http | Scheme::H2c, _) => "",
        (Scheme::Https, upstream::Spoken::Http1) => ", is who it has to be, and speaks HTTP/1.1",
        (Scheme::Https, upstream::Spoken::Http2) => ", is who it has to be, and speaks HTTP/2",
    }
}
