//! `menshen serve`, the real binary, before an upstream and with a simulated QQ.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use menshen::clock::Clock;
use menshen::demo::qq::{self, Simulator};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Browser, Connection, Program, SITE};

/// The app that the simulated QQ knows.
pub(crate) const CLIENT_ID: &str = "101000001";
const CLIENT_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Where simulators run.
static AROUND: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What a test wants other than usual.
pub(crate) struct Setup {
    scheme: &'static str,
    upstream_scheme: &'static str,
    port: Option<u16>,
    server: String,
    site: String,
    sections: String,
    callback: String,
}

impl Setup {
    /// An http site, and one `optional` route for everything.
    pub(crate) fn new() -> Self {
        Setup {
            scheme: "http",
            upstream_scheme: "http",
            port: None,
            server: "cores = 2\n".to_owned(),
            site: String::new(),
            sections: String::new(),
            callback: String::new(),
        }
    }

    /// The site is https: somebody stands before the proxy.
    pub(crate) fn https(mut self) -> Self {
        self.scheme = "https";
        self
    }

    /// How the upstream is spoken to: `https` or `h2c`.
    pub(crate) fn upstream_scheme(mut self, scheme: &'static str) -> Self {
        self.upstream_scheme = scheme;
        self
    }

    /// The site is at this port, where a browser can find it.
    pub(crate) fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// One more address that QQ sends browsers to.
    pub(crate) fn callback(mut self, callback: &str) -> Self {
        callback.clone_into(&mut self.callback);
        self
    }

    /// One core serves all, and so keeps every connection to the upstream.
    pub(crate) fn one_core(mut self) -> Self {
        self.server = self.server.replace("cores = 2", "cores = 1");
        self
    }

    /// Lines for `[server]`.
    pub(crate) fn server(mut self, lines: &str) -> Self {
        self.server += &format!("{lines}\n");
        self
    }

    /// Lines for `[[sites]]`.
    pub(crate) fn site(mut self, lines: &str) -> Self {
        self.site += &format!("{lines}\n");
        self
    }

    /// Whole sections.
    pub(crate) fn section(mut self, text: &str) -> Self {
        self.sections += &format!("{text}\n");
        self
    }

    /// Everything but the running program: the configuration before `upstream`, and QQ.
    pub(crate) fn lay_out(self, upstream: SocketAddr) -> Layout {
        let app = qq::App {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            callbacks: format!("{}://{}/oauth_callback;{}", self.scheme, self.host(), self.callback),
            ..qq::App::default()
        };
        let settings = qq::Settings { apps: vec![app], ..qq::Settings::default() };
        let qq = AROUND.block_on(Simulator::start(settings, Clock::System)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), self.text(upstream, qq.addr())).unwrap();
        Layout { folder, host: self.host(), qq }
    }

    /// Starts the proxy before an upstream.
    pub(crate) fn before(self, upstream: SocketAddr) -> Proxy {
        Proxy::start(self.lay_out(upstream))
    }

    fn host(&self) -> String {
        self.port.map_or(SITE.to_owned(), |port| format!("{SITE}:{port}"))
    }

    fn text(&self, upstream: SocketAddr, qq: SocketAddr) -> String {
        let (Setup { scheme, upstream_scheme, server, site, sections, .. }, host) = (self, self.host());
        let listen = if server.contains("listen =") { "" } else { "listen = [\"127.0.0.1:0\"]\n" };
        format!(
            r#"
[server]
{listen}{server}
[[sites]]
origin = "{scheme}://{host}"
{site}
[providers.qq]
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
authorize_url = "http://{qq}/oauth2.0/authorize"
token_url = "http://{qq}/oauth2.0/token"
openid_url = "http://{qq}/oauth2.0/me"
user_info_url = "http://{qq}/user/get_user_info"

[upstreams.backend]
endpoints = ["{upstream_scheme}://{upstream}"]

[[routes]]
path = "/*"

{sections}"#
        )
    }
}

/// A configuration, with a store beside it, and the QQ it names.
pub(crate) struct Layout {
    folder: TempDir,
    /// The site's, for `Host`.
    host: String,
    pub(crate) qq: Simulator,
}

impl Layout {
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Where the store is.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Runs the binary on this configuration, and does not wait for it.
    pub(crate) fn serve(&self) -> Program {
        Program::start(&mut menshen("serve", &self.config()))
    }
}

/// A command of the real binary; nothing in the environment changes what it does but what the unit and the Dockerfile set:
/// without it the allocator keeps what was given back until it is called again.
pub(crate) fn menshen(command: &str, config: &Path) -> Command {
    let mut menshen = Command::new(env!("CARGO_BIN_EXE_menshen"));
    menshen.arg(command).arg("--config").arg(config).env_clear().env("MIMALLOC_PURGE_DELAY", "0");
    menshen
}

/// The address that a proxy says it listens on, once it does.
pub(crate) fn address_of(program: &Program) -> SocketAddr {
    program.wait_for(|line| {
        let event: serde_json::Value = serde_json::from_str(line).ok()?;
        (event["message"] == "listening").then(|| event["address"].as_str().unwrap().parse().unwrap())
    })
}

/// A running proxy.
pub(crate) struct Proxy {
    /// Where clients find it.
    pub(crate) address: SocketAddr,
    /// The site's, for `Host`.
    pub(crate) host: String,
    pub(crate) qq: Simulator,
    pub(crate) program: Program,
    folder: TempDir,
}

impl Proxy {
    /// Starts it; requests are answered when this returns.
    pub(crate) fn start(layout: Layout) -> Self {
        let program = layout.serve();
        Proxy::of(layout, program)
    }

    /// One that runs already.
    pub(crate) fn of(layout: Layout, program: Program) -> Self {
        let address = address_of(&program);
        Proxy { address, host: layout.host, program, qq: layout.qq, folder: layout.folder }
    }

    /// Starts it once more, on the same store, at a new address.
    pub(crate) fn restart(self) -> Self {
        let Proxy { host, qq, program, folder, .. } = self;
        drop(program);
        Proxy::start(Layout { folder, host, qq })
    }

    /// Where it speaks TLS.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.program.wait_for(|line| {
            let event: serde_json::Value = serde_json::from_str(line).ok()?;
            (event["message"] == "listening for TLS").then(|| event["address"].as_str()?.parse().ok())?
        })
    }

    /// Its configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// A fresh connection to it.
    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// A browser that has never been here.
    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }
}
