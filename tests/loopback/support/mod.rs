//! What the tests stand on: a proxy, an upstream whose every byte is seen, a client that sends any byte, a browser's
//! cookie jar, and what the operator reads.

mod acme;
mod browser;
mod client;
mod command;
mod dns;
mod http2;
mod http2_upstream;
mod log;
mod nobody;
mod proxy;
mod redirects;
mod tls;
mod upstream;

pub use self::acme::{AcmeServer, Whims};
pub use self::browser::{Browser, PAGE, SCRIPT};
pub use self::client::{Answer, Connection};
pub use self::command::Outcome;
pub use self::dns::{Dns, Says};
pub use self::http2::{Http2, Sent, endless, sent, streamed, wait};
pub use self::http2_upstream::{Http2Upstream, Manner, answer};
pub use self::log::{Log, events};
pub use self::nobody::nobody_listens;
pub use self::proxy::{CLIENT_ID, CLIENT_SECRET, Proxy, Setup};
pub use self::redirects::{Next, open_redirects};
pub use self::tls::Authority;
pub use self::upstream::{Received, Upstream, read_body, read_head, read_request, reset};

use std::time::Duration;

use tokio::time::Instant;

/// Longest wait for anything that should happen at once. A test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Asks until it is so; for what happens by itself soon, and tells nobody.
pub fn eventually(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < 2 * PATIENCE, "it never came to be");
    }
}

/// The site that every test proxy serves; nobody listens there, clients name it in `Host`.
pub const SITE: &str = "www.meiduo.site";
