//! Who and what the simulator knows, and the points in which QQ's own behaviour is a matter of choice.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::random;

/// An app registered at the simulated connect.qq.com.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// The appid: digits.
    pub client_id: String,
    /// The appkey. Not secret here: everything is made up.
    pub client_secret: String,
    /// The registered callbacks, separated by `;`.
    pub callbacks: String,
    /// Whether everybody may log in, or only the testers.
    pub online: bool,
    /// The numbers of the users who may log in while the app is not online.
    pub testers: Vec<String>,
    /// Whether it may ask for the unionid.
    pub unionid: bool,
    /// Apps of one developer share their users' unionids.
    pub developer: String,
    /// The APIs that users can grant it.
    pub scopes: Vec<String>,
}

impl Default for App {
    fn default() -> Self {
        App {
            client_id: "101000001".into(),
            client_secret: "simulated-appkey".into(),
            callbacks: String::new(),
            online: true,
            testers: Vec::new(),
            unionid: false,
            developer: "developer".into(),
            scopes: vec!["get_user_info".into()],
        }
    }
}

/// A QQ user.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The QQ number: names the user on the login page, never told to an app.
    pub number: String,
    /// What the user is called.
    pub nickname: String,
    /// The address of the user's picture; `None` makes one up in QQ's manner, which leads nowhere.
    #[serde(default)]
    pub avatar: Option<String>,
}

impl User {
    /// A user without a picture of their own.
    pub fn new(number: &str, nickname: &str) -> Self {
        User { number: number.to_owned(), nickname: nickname.to_owned(), avatar: None }
    }
}

/// Behaviour of QQ that is not documented, or that has changed over time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Refuse callbacks with a port or at localhost, as the real one does.
    pub strict_host: bool,
    /// Take the token call as a POST with a form too.
    pub post_token: bool,
    /// The error number for a code that is unknown, expired or another app's: 100018, 100019 or 100020.
    pub unknown_code: i64,
    /// The error number of `me` for an unknown token: 100016 or 100013.
    pub unknown_token: i64,
    /// The number in `ret` for an expired or revoked token: 100014 or 1002.
    pub dead_token: i64,
    /// Whether a token call with the wrong redirect_uri spends the code.
    pub mismatch_spends_code: bool,
    /// Whether a second try with a code revokes the token issued for it (RFC 6749, 4.1.2).
    pub reuse_revokes: bool,
    /// Seconds an access token lives: 5184000 today, 7776000 in older answers.
    pub token_seconds: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            strict_host: false,
            post_token: false,
            unknown_code: 100019,
            unknown_token: 100016,
            dead_token: 100014,
            mismatch_spends_code: true,
            reuse_revokes: false,
            token_seconds: 5_184_000,
        }
    }
}

impl Rules {
    pub(super) fn token_lifetime(&self) -> Duration {
        Duration::from_secs(self.token_seconds)
    }
}

/// A user's id at one app: the same each time, and telling nothing.
pub(super) fn openid(user: &str, client_id: &str) -> String {
    fingerprint(&["openid", user, client_id])
}

/// A user's id at all apps of one developer.
pub(super) fn unionid(user: &str, developer: &str) -> String {
    format!("UID_{}", fingerprint(&["unionid", user, developer]))
}

/// 32 upper-case hexadecimal digits that depend on these words alone.
fn fingerprint(words: &[&str]) -> String {
    let hash = digest(&SHA256, words.join("\0").as_bytes());
    random::hex(hash.as_ref().get(..16).unwrap_or_default()).to_ascii_uppercase()
}
