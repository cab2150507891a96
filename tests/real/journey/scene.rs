//! The simulated QQ, the sample mall and the proxy before it, under names that are no localhost.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use menshen::clock::Clock;
use menshen::demo::mall::Mall;
use menshen::demo::qq::{App, Settings, Simulator};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::browser::{self, Whereabouts};
use super::program::Program;

const CLIENT_ID: &str = "101000001";
const CLIENT_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A port that was free a moment ago may be taken by now.
const TRIES: usize = 3;

/// Everything a case is played before. Ends when dropped.
pub(super) struct Scene {
    pub(super) qq: Simulator,
    _mall: Mall,
    proxy: Program,
    whereabouts: Whereabouts,
    _folder: TempDir,
    _runtime: Runtime,
}

impl Scene {
    /// Plays a case to its good end.
    pub(super) fn play(case: &str) -> Self {
        let scene = Scene::set();
        browser::play(case, &scene.whereabouts, &scene.proxy);
        let log = scene.proxy.log();
        assert!(!log.contains(CLIENT_SECRET), "the appkey is in the log:\n{log}");
        assert!(!log.contains("code=") && !log.contains("state="), "a login's parameters are in the log:\n{log}");
        // Before it listens it warns of what the configuration exposes: this one does so on purpose.
        let since = log.split_once(" listening ").map_or("", |(_, since)| since);
        assert!(
            !since.contains(" WARN ") && !since.contains(" ERROR "),
            "an honest visitor gave cause for alarm:\n{log}"
        );
        scene
    }

    fn set() -> Self {
        let runtime = Runtime::new().unwrap();
        let qq = runtime.block_on(Simulator::start(Settings::default(), Clock::System)).unwrap();
        let mall = runtime.block_on(Mall::start()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut last_words = String::new();
        for _ in 0..TRIES {
            let port = free_port();
            let path = folder.path().join("config.toml");
            let whereabouts = Whereabouts {
                site: format!("http://www.meiduo.site:{port}"),
                qq: format!("http://graph.qq.test:{}", qq.addr().port()),
            };
            fs::write(&path, config(port, &whereabouts, qq.addr(), mall.addr())).unwrap();
            match Program::start(&["serve", "--config", path.to_str().unwrap()], " listening ") {
                Ok(proxy) => {
                    let callbacks = format!("{}/oauth_callback", whereabouts.site);
                    let client_secret = CLIENT_SECRET.to_owned();
                    qq.add_app(App { client_id: CLIENT_ID.to_owned(), client_secret, callbacks, ..App::default() });
                    return Scene { qq, _mall: mall, proxy, whereabouts, _folder: folder, _runtime: runtime };
                }
                Err(words) => last_words = words,
            }
        }
        panic!("menshen serve does not start:\n{last_words}");
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn config(port: u16, whereabouts: &Whereabouts, qq: SocketAddr, mall: SocketAddr) -> String {
    let Whereabouts { site, qq: qq_site } = whereabouts;
    format!(
        r#"
[server]
listen = ["127.0.0.1:{port}"]
cores = 2
drain = "1s"

[[sites]]
origin = "{site}"
logout_paths = ["/logout/"]

[providers.qq]
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
authorize_url = "{qq_site}/oauth2.0/authorize"
token_url = "http://{qq}/oauth2.0/token"
openid_url = "http://{qq}/oauth2.0/me"
user_info_url = "http://{qq}/user/get_user_info"

[upstreams.mall]
endpoints = ["http://{mall}"]

[[routes]]
path = "/*"
upstream = "mall"

[[routes]]
path = "/user/*"
upstream = "mall"
access = "required"

[[routes]]
path = "/orders/*"
upstream = "mall"
access = "required"

[identity.default.headers]
X-Menshen-User = "{{user.id}}"
X-Menshen-Name = "{{user.display_name}}"

[identity.default.cookies]
username = "{{user.display_name}}"

[log]
format = "text"
"#
    )
}
