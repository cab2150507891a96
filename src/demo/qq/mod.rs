//! A QQ that runs here: the same addresses, the same bytes, and a switch for everything that can go wrong with them.
//!
//! | file | owns |
//! | --- | --- |
//! | `model` | apps, users, and QQ's undocumented choices |
//! | `state` | codes and tokens, and the order of the checks |
//! | `endpoints` | what each endpoint answers |
//! | `answer`, `problem`, `redirect`, `page` | the bytes, the errors, the addresses, the pages |
//! | `switch` | failures on demand: `mangle` spoils bodies, `wire` (and its `bomb`) spoils their way |
//! | `server`, `log` | connections; what was asked |
//! | `control`, `help` | the remote control, for tests in other processes, and what it can do |
//!
//! Everything in it is made up, and it remembers what it has issued until it ends: for tests and demonstrations only.

mod answer;
mod bomb;
mod control;
mod endpoints;
mod help;
mod log;
mod mangle;
mod model;
mod page;
mod problem;
mod query;
mod redirect;
mod server;
mod state;
mod switch;
#[cfg(test)]
mod tests;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use url::Url;

use problem::Problem;
use query::Query;
use server::Shared;
use state::State;

use crate::clock::Clock;

pub use answer::Format;
pub use log::Request;
pub use mangle::Mangle;
pub use model::{App, Rules, User};
pub use redirect::CallbackFault;
pub use switch::{Effect, Endpoint, Switch};
pub use wire::WireFault;

/// Where the simulator listens, and what it knows from the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where browsers and apps find it.
    pub listen: SocketAddr,
    /// Where its remote control is found. It asks for no password: loopback only.
    pub control: SocketAddr,
    /// The registered apps.
    pub apps: Vec<App>,
    /// The users who can log in.
    pub users: Vec<User>,
    /// QQ's undocumented choices.
    pub rules: Rules,
}

impl Default for Settings {
    /// Free ports on loopback, three users, and no app: its callback is the caller's to name.
    fn default() -> Self {
        let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let users = [("10001", "小明"), ("10002", "李雷"), ("10003", "Polly")];
        Settings {
            listen: free_port,
            control: free_port,
            apps: Vec::new(),
            users: users.map(|(number, nickname)| User::new(number, nickname)).into(),
            rules: Rules::default(),
        }
    }
}

/// A running simulator. Ends when dropped.
pub struct Simulator {
    shared: Arc<Shared>,
    addr: SocketAddr,
    control_addr: SocketAddr,
    listeners: [AbortHandle; 2],
}

/// QQ would have shown an error page instead of returning to the app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}({number})")]
pub struct LogInError {
    /// QQ's error number.
    pub number: i64,
    /// Its words.
    pub text: String,
}

impl From<Problem> for LogInError {
    fn from(problem: Problem) -> Self {
        LogInError { number: problem.number, text: problem.text }
    }
}

/// A token issued without a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minted {
    /// The token.
    pub access_token: String,
    /// Whom it speaks for, at the app it was issued to.
    pub openid: String,
}

impl Simulator {
    /// Starts both listeners on the present runtime.
    ///
    /// # Errors
    /// An address cannot be listened on.
    pub async fn start(settings: Settings, clock: Clock) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let control = TcpListener::bind(settings.control).await?;
        let (addr, control_addr) = (listener.local_addr()?, control.local_addr()?);
        let shared = Arc::new(Shared::new(State::new(settings.apps, settings.users, settings.rules), clock));
        let (qq, remote) = (Arc::clone(&shared), Arc::clone(&shared));
        let listeners = [
            tokio::spawn(server::listen(listener, move |request, reset| {
                server::answer(Arc::clone(&qq), request, reset)
            })),
            tokio::spawn(server::listen(control, move |request, _| control::answer(Arc::clone(&remote), request))),
        ];
        let listeners = listeners.map(|task| task.abort_handle());
        Ok(Simulator { shared, addr, control_addr, listeners })
    }

    /// Where browsers and apps find it.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where its remote control is found.
    pub fn control_addr(&self) -> SocketAddr {
        self.control_addr
    }

    /// Registers an app, or replaces the one with its client id.
    pub fn add_app(&self, app: App) {
        self.shared.state().apps.insert(app.client_id.clone(), app);
    }

    /// Adds a user, or replaces the one with this number.
    pub fn add_user(&self, user: User) {
        self.shared.state().users.insert(user.number.clone(), user);
    }

    /// Changes QQ's undocumented choices.
    pub fn set_rules(&self, rules: Rules) {
        self.shared.state().rules = rules;
    }

    /// Sets a switch, beside those that are set.
    pub fn set(&self, switch: Switch) {
        self.shared.switches().set(switch);
    }

    /// Takes all switches away, and lets held answers go.
    pub fn clear_switches(&self) {
        self.shared.switches().clear();
        self.shared.release();
    }

    /// Lets held answers go; the switches stay.
    pub fn release(&self) {
        self.shared.release();
    }

    /// What it was asked so far, the last 10,000 requests at most.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.log.all()
    }

    /// How often an endpoint was asked.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.shared.log.count(endpoint)
    }

    /// Waits until an endpoint has been asked so often.
    pub async fn asked(&self, endpoint: Endpoint, count: usize) {
        self.shared.log.reached(endpoint, count).await;
    }

    /// Moves the simulator's time forward, whatever clock it has.
    pub fn advance(&self, by: Duration) {
        self.shared.advance(by);
    }

    /// Logs a user in without a browser: where QQ would send it, given the app's authorize address. Switches of
    /// [`Endpoint::Approve`] that are about the callback count; nothing is written to the request log.
    ///
    /// # Errors
    /// QQ would have shown an error page.
    pub fn log_in(&self, authorize_url: &Url, user: &str) -> Result<String, LogInError> {
        log_in(&self.shared, authorize_url, user)
    }

    /// Issues a token without a login, for any app.
    ///
    /// # Errors
    /// There is no such app or user.
    pub fn mint_token(&self, client_id: &str, user: &str) -> Result<Minted, LogInError> {
        let issued = self.shared.state().mint(client_id, user, self.shared.now())?;
        Ok(Minted { access_token: issued.access_token, openid: issued.openid })
    }

    /// The id an app knows a user by.
    pub fn openid(user: &str, client_id: &str) -> String {
        model::openid(user, client_id)
    }

    /// The id all apps of a developer know a user by.
    pub fn unionid(user: &str, developer: &str) -> String {
        model::unionid(user, developer)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.listeners.iter().for_each(AbortHandle::abort);
    }
}

fn log_in(shared: &Shared, authorize_url: &Url, user: &str) -> Result<String, LogInError> {
    let query = Query::parse(authorize_url.query().unwrap_or_default().as_bytes());
    let effects = shared.switches().take(Endpoint::Approve);
    let fault = effects.iter().find_map(|effect| if let Effect::Callback(fault) = effect { Some(fault) } else { None });
    let mut state = shared.state();
    let asked = state.authorize(&query)?;
    let code = state.approve(&asked, user, shared.now())?;
    Ok(redirect::to_app(&asked, &code, fault))
}
