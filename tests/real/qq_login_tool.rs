//! The package that shops log in with, QQLoginTool 0.3.0, against the simulator: what it can read there, it has read at
//! the real QQ.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use menshen::clock::Clock;
use menshen::demo::qq::{App, Endpoint, Settings, Simulator};

const CLIENT: &str = "101000001";
const SECRET: &str = "appkey+&#%";
const CALLBACK: &str = "http://www.meiduo.site:8080/oauth_callback.html";
const STATE: &str = "/cart.html?a=1&b=中文";

#[tokio::test(flavor = "multi_thread")]
async fn the_shops_own_package_logs_in_at_the_simulator() {
    let app = App { client_secret: SECRET.into(), callbacks: CALLBACK.into(), ..App::default() };
    let simulator = Simulator::start(Settings { apps: vec![app], ..Settings::default() }, Clock::System).await.unwrap();
    let base = format!("http://{}", simulator.addr());
    let arguments = [base.as_str(), CLIENT, SECRET, CALLBACK, STATE, "10001"].map(str::to_owned);
    let output = tokio::task::spawn_blocking(move || run_package(&arguments)).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["version"], "0.3.0");
    assert_eq!((&told["status"], &told["callback"], &told["state"]), (&302.into(), &CALLBACK.into(), &STATE.into()));
    assert_eq!(told["openid"], Simulator::openid("10001", CLIENT));
    assert_eq!(told["token"].as_str().unwrap().len(), 32);
    // Its own ways with QQ's errors: the reason is lost, or the error is taken for a user called None.
    assert_eq!(told["used_code"], "access_token获取失败");
    assert_eq!(told["unknown_token"], "returned None");

    let asked: Vec<Endpoint> = simulator.requests().iter().map(|request| request.endpoint).collect();
    use Endpoint::{Approve, Authorize, Me, Show, Token};
    assert_eq!(asked, [Authorize, Show, Approve, Token, Me, Token, Me]);
}

fn run_package(arguments: &[String]) -> Output {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let python = python_with(&here.join("qq_login_tool.txt"));
    // Requests would go through a proxy that the environment names.
    let mut command = Command::new(python);
    command.arg(here.join("qq_login_tool.py")).args(arguments).env("no_proxy", "*").output().unwrap()
}

/// The interpreter of an environment in which exactly these packages are installed.
fn python_with(requirements: &Path) -> PathBuf {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join(".test-parts/qq-login-tool");
    let python = home.join("bin/python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&home));
    }
    // Does nothing where all of them are there already.
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"];
    run(Command::new(&python).args(pip).arg(requirements));
    python
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
