//! A proxy of the test's own: an ordinary configuration file in a folder of its own, a clock that the test moves.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use menshen::admin::{Problem, Reloaded};
use menshen::app::{App, Source};
use menshen::clock::{Clock, Timestamp};
use menshen::config::Config;
use menshen::demo::qq::{self, Endpoint, Simulator};
use menshen::server::{Inherited, Listeners, Speaks};
use menshen::store::sled::SledStore;
use menshen::store::{Binding, Store, User, UserId, record};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Browser, Connection, Log, PATIENCE, SITE, Upstream, events, eventually};

/// The app that the simulated QQ knows.
pub const CLIENT_ID: &str = "101000001";
pub const CLIENT_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// When tests begin.
const START: Timestamp = Timestamp::from_secs(1_800_000_000);

/// Where simulators run.
pub(super) static AROUND: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// What a test wants other than usual.
pub struct Setup {
    origin: String,
    provider: String,
    log: String,
    site: String,
    routes: String,
    more: String,
    server: String,
    upstream: String,
    cores: usize,
    drain: &'static str,
    callback: String,
}

impl Setup {
    /// One `optional` route for everything, to one upstream called `mall`.
    pub fn new() -> Self {
        Setup {
            origin: format!("http://{SITE}"),
            provider: String::new(),
            log: "access = false\nlevel = \"error\"".to_owned(),
            site: String::new(),
            routes: "[[routes]]\npath = \"/*\"\nupstream = \"mall\"\n".to_owned(),
            more: String::new(),
            server: String::new(),
            upstream: String::new(),
            cores: 2,
            drain: "1s",
            callback: String::new(),
        }
    }

    /// No route but those that are added.
    pub fn without_routes() -> Self {
        Setup { routes: String::new(), ..Setup::new() }
    }

    /// One more route.
    pub fn route(mut self, path: &str, access: &str) -> Self {
        self.routes += &format!("[[routes]]\npath = \"{path}\"\naccess = \"{access}\"\nupstream = \"mall\"\n");
        self
    }

    /// One more route, by its lines.
    pub fn route_of(mut self, lines: &str) -> Self {
        self.routes += &format!("[[routes]]\nupstream = \"mall\"\n{lines}\n");
        self
    }

    /// The site's origin.
    pub fn origin(mut self, origin: &str) -> Self {
        origin.clone_into(&mut self.origin);
        self
    }

    /// One more address that QQ sends browsers to.
    pub fn callback(mut self, callback: &str) -> Self {
        callback.clone_into(&mut self.callback);
        self
    }

    /// Lines for `[providers.qq]`.
    pub fn provider(mut self, lines: &str) -> Self {
        self.provider += &format!("{lines}\n");
        self
    }

    /// Lines for `[log]`, in place of the usual ones.
    pub fn log(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.log);
        self
    }

    /// Lines for `[[sites]]`.
    pub fn site(mut self, lines: &str) -> Self {
        self.site += &format!("{lines}\n");
        self
    }

    /// Lines for `[server]`.
    pub fn server(mut self, lines: &str) -> Self {
        self.server += &format!("{lines}\n");
        self
    }

    /// With one core, so that every request finds the same kept connections.
    pub fn one_core(mut self) -> Self {
        self.cores = 1;
        self
    }

    /// How long open requests may take to end when it stops.
    pub fn server_drain(mut self, drain: &'static str) -> Self {
        self.drain = drain;
        self
    }

    /// Lines for `[upstreams.mall]`.
    pub fn upstream(mut self, lines: &str) -> Self {
        self.upstream += &format!("{lines}\n");
        self
    }

    /// Whole sections.
    pub fn section(mut self, text: &str) -> Self {
        self.more += &format!("{text}\n");
        self
    }

    /// Starts the proxy before an upstream.
    pub fn before(self, upstream: &Upstream) -> Proxy {
        self.before_all(&[upstream.address()])
    }

    /// All but the running proxy, before an upstream.
    pub fn laid_out(self, upstream: &Upstream) -> Proxy {
        Proxy::laid_out(&self, &[format!("http://{}", upstream.address())])
    }

    /// Starts the proxy before whatever listens, or does not, at an address.
    pub fn before_address(self, upstream: SocketAddr) -> Proxy {
        self.before_all(&[upstream])
    }

    /// Starts the proxy before several endpoints.
    pub fn before_all(self, endpoints: &[SocketAddr]) -> Proxy {
        let endpoints: Vec<String> = endpoints.iter().map(|endpoint| format!("http://{endpoint}")).collect();
        Proxy::start(&self, &endpoints)
    }

    /// With an address for monitoring.
    pub fn monitored(self) -> Self {
        self.section("[admin]\nlisten = [\"127.0.0.1:0\"]")
    }

    /// Starts the proxy before several endpoints, as they are written.
    pub fn before_endpoints(self, endpoints: &[String]) -> Proxy {
        Proxy::start(&self, endpoints)
    }

    /// Starts the proxy before an endpoint, as it is written.
    pub fn before_endpoint(self, endpoint: impl Into<String>) -> Proxy {
        Proxy::start(&self, &[endpoint.into()])
    }
}

/// A running proxy, with a simulated QQ of its own.
pub struct Proxy {
    app: Option<App>,
    /// Where clients speak to it in plain text; nowhere while it does not run.
    pub address: SocketAddr,
    pub clock: Clock,
    pub qq: Simulator,
    /// Removed with it.
    _folder: TempDir,
    /// Its configuration file.
    path: PathBuf,
    /// Its access log, where it is switched on.
    pub log: Log,
    /// What clients put in `Host`.
    pub host: String,
    config: Config,
}

impl Proxy {
    fn start(setup: &Setup, endpoints: &[String]) -> Self {
        let mut proxy = Proxy::laid_out(setup, endpoints);
        proxy.run();
        proxy
    }

    fn laid_out(setup: &Setup, endpoints: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let app = qq::App {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            callbacks: format!("{}/oauth_callback;{}", setup.origin, setup.callback),
            ..qq::App::default()
        };
        let settings = qq::Settings { apps: vec![app], ..qq::Settings::default() };
        let qq = AROUND.block_on(Simulator::start(settings, clock.clone())).unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, text(setup, endpoints, qq.addr())).unwrap();
        let (config, _) =
            Config::load(&path, std::iter::empty::<(String, String)>()).unwrap_or_else(|report| panic!("{report}"));
        events();
        let host = setup.origin.split_once("://").unwrap().1.to_owned();
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let log = Log::default();
        Proxy { app: None, address: nowhere, clock, qq, _folder: folder, path, log, host, config }
    }

    fn run(&mut self) {
        let listeners = Listeners::bind(&self.config.server, Inherited::default()).unwrap();
        let (clock, log, source) = (self.clock.clone(), self.log.clone(), source(&self.path));
        let app = App::start_with(&self.config, clock, Some(source), listeners, log, true).unwrap();
        self.address = app.places(Speaks::Plain).find_map(|at| at.address()).unwrap_or(self.address);
        self.app = Some(app);
    }

    /// A fresh connection to it.
    pub fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// A browser that has never been here.
    pub fn browser(&self) -> Browser<'_> {
        Browser::new(self)
    }

    /// Moves its clock, and QQ's.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Waits until its QQ has been asked so often.
    pub fn qq_asked(&self, endpoint: Endpoint, count: usize) {
        AROUND.block_on(async { tokio::time::timeout(PATIENCE, self.qq.asked(endpoint, count)).await }).unwrap();
    }

    /// Stops it; its log is whole, and its store is free to be opened.
    pub fn stop(&mut self) {
        if let Some(app) = self.app.take() {
            app.stop();
        }
    }

    /// What stops it, for another thread.
    pub fn stopping(&mut self) -> impl FnOnce() + Send + use<> {
        let app = self.app.take().unwrap();
        move || app.stop()
    }

    /// How its store is opened.
    pub fn store_settings(&self) -> menshen::store::sled::Settings {
        self.config.store.clone()
    }

    /// Stops it, and reads who was bound to whom.
    pub fn bindings(&mut self) -> Vec<Binding> {
        self.stop();
        AROUND.block_on(async {
            let store = SledStore::open(&self.config.store).unwrap();
            let bindings = store.bindings(None, 1000).await.unwrap();
            store.close().await;
            bindings
        })
    }

    /// Stops it, and changes a user's record on disk, as a later version's command would.
    pub fn edit_user(&mut self, id: &str, change: impl FnOnce(&mut User)) {
        self.stop();
        let db = sled::open(self.config.store.path.join("sled")).unwrap();
        let (users, id) = (db.open_tree("users").unwrap(), id.parse::<UserId>().unwrap());
        let mut user: User = record::decode(&users.get(id.as_bytes()).unwrap().unwrap()).unwrap();
        change(&mut user);
        users.insert(id.as_bytes(), record::encode(&user).unwrap()).unwrap();
        db.flush().unwrap();
    }

    /// Where clients speak TLS to it.
    pub fn tls_address(&self) -> SocketAddr {
        self.app.as_ref().unwrap().places(Speaks::Tls).find_map(|at| at.address()).unwrap()
    }

    /// Where it is monitored.
    pub fn admin_address(&self) -> SocketAddr {
        self.app.as_ref().unwrap().admin_addresses()[0]
    }

    /// What monitoring reads of it.
    pub fn metrics(&self) -> String {
        let ask = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        Connection::to(self.admin_address()).send(ask).answer().text()
    }

    /// Waits until monitoring reads this line.
    pub fn until_metric(&self, line: &str) {
        eventually(|| self.metrics().lines().any(|read| read == line));
    }

    /// Its configuration file.
    pub fn config_path(&self) -> &Path {
        &self.path
    }

    /// The folder of its store.
    pub fn store_path(&self) -> &Path {
        &self.config.store.path
    }

    /// Writes its configuration file anew, for a reload or the next start.
    pub fn rewrite(&self, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(&self.path).unwrap();
        fs::write(&self.path, change(text)).unwrap();
    }

    /// Has it read its configuration again.
    pub fn reload(&self) -> Result<Reloaded, Problem> {
        self.app.as_ref().unwrap().reload()
    }

    /// Changes its configuration, for the next start.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    /// Stops it and starts it again on the same store and configuration, at a new address.
    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }
}

fn source(path: &Path) -> Source {
    let path = path.to_owned();
    Box::new(move || Config::load(&path, std::iter::empty::<(String, String)>()))
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
    }
}

fn text(setup: &Setup, endpoints: &[String], qq: SocketAddr) -> String {
    let Setup { origin, provider, log, site, routes, more, server, upstream: upstream_lines, cores, drain, .. } = setup;
    let listen = if server.contains("listen =") { "" } else { "listen = [\"127.0.0.1:0\"]" };
    format!(
        r#"
[server]
{listen}
cores = {cores}
drain = "{drain}"
{server}
[[sites]]
origin = "{origin}"
{site}
[providers.qq]
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
authorize_url = "http://{qq}/oauth2.0/authorize"
token_url = "http://{qq}/oauth2.0/token"
openid_url = "http://{qq}/oauth2.0/me"
user_info_url = "http://{qq}/user/get_user_info"
{provider}

[upstreams.mall]
endpoints = {endpoints:?}
{upstream_lines}
{routes}
[log]
{log}
{more}
"#
    )
}
