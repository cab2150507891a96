//! The application: whether it takes connections, and whose.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::Finding;
use super::way_past::{Machine, Trust};
use crate::upstream::Endpoint;

const WHAT: &str = "application";

pub(super) async fn examine(endpoint: &Endpoint, limit: Duration, machine: &Machine, trust: Trust) -> [Finding; 2] {
    let address = shown(endpoint);
    let found = timeout(limit, lookup_host((endpoint.host.as_str(), endpoint.port))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        // Said by what follows.
        Ok(Err(_)) | Err(_) => Vec::new(),
    };
    [reach(endpoint, &address, limit).await, machine.exposure(&address, &addresses, trust)]
}

async fn reach(endpoint: &Endpoint, address: &str, limit: Duration) -> Finding {
    match timeout(limit, TcpStream::connect((endpoint.host.as_str(), endpoint.port))).await {
        Ok(Ok(_)) => Finding::good(WHAT, format!("{address} accepts connections")),
        Ok(Err(error)) => Finding::bad(WHAT, format!("{address}: {error}"), "start it, or correct its endpoints"),
        Err(_) => Finding::bad(WHAT, format!("{address}: no answer within {limit:?}"), "look for a firewall between"),
    }
}

fn shown(endpoint: &Endpoint) -> String {
    match endpoint.host.contains(':') {
        true => format!("[{}]:{}", endpoint.host, endpoint.port),
        false => format!("{}:{}", endpoint.host, endpoint.port),
    }
}
