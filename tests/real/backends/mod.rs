//! What tests of the whole program stand on: the real binary with a configuration of its own, a QQ that runs here, and
//! whatever software stands before it or behind it.

pub(crate) mod edges;
pub(crate) mod mall_api;
pub(crate) mod nginx;
pub(crate) mod npm;
mod ports;
mod program;
mod proxy;
mod python;
pub(crate) mod tls;

/// The loopback tests' client, browser and upstream serve here as well; which of their methods are needed differs.
#[allow(dead_code, unreachable_pub, reason = "shared with the loopback tests, which need more of it")]
#[path = "../../loopback/support/browser.rs"]
mod browser;
#[allow(dead_code, unreachable_pub, reason = "shared with the loopback tests, which need more of it")]
#[path = "../../loopback/support/client.rs"]
mod client;
#[allow(dead_code, unreachable_pub, reason = "shared with the loopback tests, which need more of it")]
#[path = "../../loopback/support/redirects.rs"]
mod redirects;
#[allow(dead_code, unreachable_pub, reason = "shared with the loopback tests, which need more of it")]
#[path = "../../loopback/support/upstream.rs"]
mod upstream;

use std::time::Duration;

pub(crate) use self::browser::{Browser, PAGE, SCRIPT};
pub(crate) use self::client::{Answer, Connection};
pub(crate) use self::ports::free_address;
pub(crate) use self::program::Program;
pub(crate) use self::proxy::{CLIENT_ID, Layout, Proxy, Setup, address_of, menshen};
pub(crate) use self::python::Environment;
pub(crate) use self::redirects::{Next, open_redirects};
pub(crate) use self::upstream::{Received, Upstream, read_request};

/// Longest wait for anything that should happen soon. A test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The site's host: nobody listens there, clients name it in `Host`.
pub(crate) const SITE: &str = "www.meiduo.site";
