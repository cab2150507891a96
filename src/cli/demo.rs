//! `menshen demo`: everything on this machine, offline: a QQ simulator, a sample mall, and the proxy before it on a
//! store that is thrown away afterwards.

use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use anyhow::Context;
use tempfile::TempDir;

use super::signals::{Signals, Stopped};
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::demo::config::Scene;
use crate::demo::mall::Mall;
use crate::demo::qq::{self, Simulator};
use crate::server::Inherited;
use crate::{random, telemetry};

pub(super) fn run(port: u16) -> ExitCode {
    match demo(port) {
        Ok(Stopped::Drained) => ExitCode::SUCCESS,
        Ok(Stopped::CutShort) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("menshen demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo(port: u16) -> anyhow::Result<Stopped> {
    let mut signals = Signals::of_a_terminal().context("signals cannot be waited for")?;
    let around = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let port = free_port(port).with_context(|| format!("port {port} is taken: try `menshen demo --port 0`"))?;
    let origin = format!("http://127.0.0.1:{port}");
    let secret = random::token_128()?;
    let simulator = Simulator::start(qq::Settings::default(), Clock::System);
    let simulator = around.block_on(simulator).context("the QQ simulator cannot start")?;
    let mall = around.block_on(Mall::start()).context("the sample mall cannot start")?;
    let qq_site = format!("http://{}", simulator.addr());
    let scene = Scene {
        port,
        site: &origin,
        client_secret: &secret,
        qq_site: &qq_site,
        qq: simulator.addr(),
        mall: mall.addr(),
    };
    simulator.add_app(scene.app());

    let folder = tempfile::Builder::new().prefix("menshen-demo-").tempdir().context("no temporary folder")?;
    let config = scene.write_config(folder.path()).context("no configuration can be written")?;
    let (config, _) = Config::load(&config, std::iter::empty::<(String, String)>())?;
    let _events = telemetry::init(&config.log).context("nothing can be logged")?;
    let started = signals.while_it_starts(move || App::start(&config, Clock::System, None, Inherited::default()));
    let Some(app) = started.context("the proxy cannot start")? else { return Ok(Stopped::CutShort) };
    println!("{}", banner(&origin, &simulator, &mall, &folder));
    signals.wait(|| {}).context("signals cannot be heeded")?;
    signals.stop(app).context("the proxy cannot be stopped")
}

/// The port asked for, or any free one for 0.
fn free_port(port: u16) -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?.port())
}

fn banner(origin: &str, simulator: &Simulator, mall: &Mall, folder: &TempDir) -> String {
    format!(
        "\n  Menshen demo / 门神演示\n\n    \
           Open / 请打开      {origin}/\n    \
           and press the QQ button: you log in as whom you pick. 点“QQ 登录”，想当谁就选谁。\n\n    \
           the sample mall    http://{} (behind the proxy)\n    \
           the QQ simulator   http://{} (stands in for QQ)\n    \
           its remote control http://{} (has it fail on purpose: curl it 用 curl 看看能出哪些错)\n    \
           configuration      {}\n\n  \
         Ctrl-C ends it and throws everything away. 按 Ctrl-C 结束，不留痕迹。\n",
        mall.addr(),
        simulator.addr(),
        simulator.control_addr(),
        folder.path().join("config.toml").display(),
    )
}
