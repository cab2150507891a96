//! `menshen demo`: everything on this machine, offline: a QQ simulator, a sample mall, and the proxy before it on a
//! store that is thrown away afterwards.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tempfile::TempDir;

use super::serve::Signals;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::mall::Mall;
use crate::demo::qq::{self, Simulator};
use crate::{random, telemetry};

/// The demo's QQ app.
const CLIENT_ID: &str = "101000001";

pub(super) fn run(port: u16) -> ExitCode {
    match demo(port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("menshen demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo(port: u16) -> anyhow::Result<()> {
    let around = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let port = free_port(port).with_context(|| format!("port {port} is taken: try `menshen demo --port 0`"))?;
    let origin = format!("http://127.0.0.1:{port}");
    let secret = random::token_128()?;
    let app = qq::App {
        client_id: CLIENT_ID.to_owned(),
        client_secret: secret.clone(),
        callbacks: format!("{origin}/oauth_callback"),
        ..qq::App::default()
    };
    let settings = qq::Settings { apps: vec![app], ..qq::Settings::default() };
    let simulator = around.block_on(Simulator::start(settings, Clock::System)).context("the QQ simulator")?;
    let mall = around.block_on(Mall::start()).context("the sample mall")?;

    let folder = tempfile::Builder::new().prefix("menshen-demo-").tempdir().context("no temporary folder")?;
    let config = write_config(&folder, &origin, port, &secret, simulator.addr(), mall.addr())?;
    let (config, _) = Config::load(&config, std::iter::empty::<(String, String)>())?;
    telemetry::init(&config.log);
    let app = App::start(&config, Clock::System).context("the proxy cannot start")?;
    let signals = Signals::catch().context("signals cannot be waited for")?;
    println!("{}", banner(&origin, &simulator, &mall, &folder));
    signals.wait();
    app.stop();
    Ok(())
}

/// The port asked for, or any free one for 0.
fn free_port(port: u16) -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?.port())
}

/// An ordinary configuration: what the demo does, anybody's `config.toml` can do.
fn write_config(
    folder: &TempDir,
    origin: &str,
    port: u16,
    secret: &str,
    simulator: SocketAddr,
    mall: SocketAddr,
) -> anyhow::Result<PathBuf> {
    let secret_file = folder.path().join("qq.secret");
    fs::write(&secret_file, secret)?;
    let text = format!(
        r#"[server]
listen = ["127.0.0.1:{port}"]
drain = "1s"

[[sites]]
origin = "{origin}"
logout_paths = ["/logout/"]

[providers.qq]
client_id = "{CLIENT_ID}"
client_secret_file = "qq.secret"
authorize_url = "http://{simulator}/oauth2.0/authorize"
token_url = "http://{simulator}/oauth2.0/token"
openid_url = "http://{simulator}/oauth2.0/me"
user_info_url = "http://{simulator}/user/get_user_info"

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

[identity.default.claims]
name = "{{user.display_name}}"

[identity.default.headers]
X-Menshen-User = "{{user.id}}"
X-Menshen-Name = "{{user.display_name}}"

[identity.default.cookies]
username = "{{user.display_name}}"

[store]
path = "store"

[log]
format = "text"
"#
    );
    let path = folder.path().join("config.toml");
    fs::write(&path, text)?;
    Ok(path)
}

fn banner(origin: &str, simulator: &Simulator, mall: &Mall, folder: &TempDir) -> String {
    format!(
        "\n  Menshen demo / 门神演示\n\n    \
           Open / 请打开     {origin}/\n\n    \
           the sample mall   http://{} (behind the proxy)\n    \
           the QQ simulator  http://{} (stands in for QQ)\n    \
           its remote control http://{}\n    \
           configuration     {}\n\n  \
         Ctrl-C ends it and throws everything away. 按 Ctrl-C 结束，不留痕迹。\n",
        mall.addr(),
        simulator.addr(),
        simulator.control_addr(),
        folder.path().join("config.toml").display(),
    )
}
