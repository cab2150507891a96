//! What the tests stand on: a proxy, an upstream whose every byte is seen, a client that sends any byte, a browser's
//! cookie jar.

mod browser;
mod client;
mod proxy;
mod upstream;

pub use self::browser::Browser;
pub use self::client::{Answer, Connection};
pub use self::proxy::{Proxy, Setup};
pub use self::upstream::{Received, Upstream, read_body, read_head, read_request, reset};

use std::time::Duration;

/// Longest wait for anything that should happen at once. A test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The site that every test proxy serves; nobody listens there, clients name it in `Host`.
pub const SITE: &str = "www.meiduo.site";
