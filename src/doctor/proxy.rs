//! The proxy that runs by the configuration, asked through its socket how it is.

use std::io;
use std::time::Duration;

use tokio::time::timeout;

use super::{AS_THE_PROXY, Finding};
use crate::admin::client::Client;
use crate::admin::{Operation, Reply};
use crate::config::Config;

const WHAT: &str = "proxy";

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn examine(config: &Config) -> Finding {
    let socket = config.admin.socket.display();
    match timeout(PATIENCE, ask(config)).await {
        Ok(answer) => answer,
        Err(_) => {
            let found = format!("the one behind {socket} does not answer within {PATIENCE:?}");
            Finding::bad(WHAT, found, "see its log; restart it")
        }
    }
}

async fn ask(config: &Config) -> Finding {
    let socket = config.admin.socket.display();
    let mut client = match Client::connect(&config.admin.socket).await {
        Ok(client) => client,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return unanswered(config);
        }
        Err(error) => {
            let found = format!("{socket} cannot be used: {error}");
            return Finding::doubtful(WHAT, found, AS_THE_PROXY);
        }
    };
    match client.ask(&Operation::Status).await {
        Ok(Reply::Status(status)) if status.degraded.is_empty() => Finding::good(
            WHAT,
            format!("version {} runs as process {}, and all of it works", status.version, status.process),
        ),
        Ok(Reply::Status(status)) => Finding::bad(
            WHAT,
            format!("process {}: {}", status.process, status.degraded.join("; ")),
            "see its log for the cause",
        ),
        Ok(_) => {
            Finding::doubtful(WHAT, format!("the one behind {socket} answers as another version would"), "restart it")
        }
        Err(error) => Finding::doubtful(WHAT, error.to_string(), "restart it"),
    }
}

/// A proxy serves without a socket too, where it got none. It holds the store all the same.
fn unanswered(config: &Config) -> Finding {
    let socket = config.admin.socket.display();
    match config.store.holder() {
        Ok(None) => {
            let found = format!("none runs by this configuration: nobody answers at {socket}");
            Finding::doubtful(WHAT, found, "start it: menshen serve")
        }
        Ok(Some(holder)) => {
            let fix = "where that is the proxy, its log says why it has no socket: mend that and restart it";
            Finding::bad(WHAT, format!("{holder} holds the store, and nobody answers at {socket}"), fix)
        }
        Err(error) => {
            let found = format!("nobody answers at {socket}; whether one runs cannot be seen from here: {error}");
            Finding::doubtful(WHAT, found, AS_THE_PROXY)
        }
    }
}
