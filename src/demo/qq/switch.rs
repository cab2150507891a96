//! Switches that make an endpoint fail: once, a number of times, or until they are taken away.

use serde::{Deserialize, Serialize};

use super::answer::Format;
use super::mangle::Mangle;
use super::redirect::CallbackFault;
use super::wire::WireFault;

/// One of the simulator's endpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// `GET /oauth2.0/authorize`.
    Authorize,
    /// `GET /oauth2.0/show`.
    Show,
    /// `POST /oauth2.0/authorize`: the user's answer.
    Approve,
    /// `/oauth2.0/token`.
    Token,
    /// `GET /oauth2.0/me`.
    Me,
    /// `GET /user/get_user_info`.
    UserInfo,
}

/// What goes wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// The endpoint tells this error (in `ret`, at user info) and does nothing else.
    Error {
        /// QQ's number.
        number: i64,
        /// Its words; QQ's own where there are none.
        #[serde(default)]
        text: Option<String>,
    },
    /// The answer comes in this form, whatever was asked for.
    Format(Format),
    /// The token issued is this text.
    AccessToken(String),
    /// `me` says that the token was issued to this app.
    ForeignClient(String),
    /// User info tells this name.
    Nickname(String),
    /// User info tells this picture.
    Avatar(String),
    /// The browser is sent back in a way of its own.
    Callback(CallbackFault),
    /// The body is spoilt.
    Body(Mangle),
    /// The answer is spoilt on its way.
    Wire(WireFault),
}

/// An effect at an endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Where.
    pub endpoint: Endpoint,
    /// What.
    pub effect: Effect,
    /// For how many calls; `None` until it is cleared.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Switch {
    /// For the next call alone.
    pub fn once(endpoint: Endpoint, effect: Effect) -> Self {
        Switch { endpoint, effect, times: Some(1) }
    }

    /// For the next so many calls.
    pub fn times(endpoint: Endpoint, effect: Effect, times: u32) -> Self {
        Switch { endpoint, effect, times: Some(times) }
    }

    /// Until it is cleared.
    pub fn standing(endpoint: Endpoint, effect: Effect) -> Self {
        Switch { endpoint, effect, times: None }
    }
}

/// The switches that are set, in the order they were.
#[derive(Default)]
pub(super) struct Switches(Vec<Switch>);

impl Switches {
    pub(super) fn set(&mut self, switch: Switch) {
        self.0.push(switch);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The effects on a call, which counts against each of them.
    pub(super) fn take(&mut self, endpoint: Endpoint) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.0.retain_mut(|switch| {
            if switch.endpoint != endpoint {
                return true;
            }
            if switch.times == Some(0) {
                return false;
            }
            effects.push(switch.effect.clone());
            switch.times = switch.times.map(|times| times - 1);
            switch.times != Some(0)
        });
        effects
    }
}
