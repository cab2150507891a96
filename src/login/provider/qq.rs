//! QQ Connect.

use std::time::Duration;

use url::Url;

use super::ProviderId;
use crate::secret::Secret;

/// How to reach QQ Connect, and as whom. Made by `config::build`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The provider's name in the configuration.
    pub id: ProviderId,
    /// The appid: digits.
    pub client_id: String,
    /// The appkey.
    pub client_secret: Secret<String>,
    /// `GET`, by the browser. Default `https://graph.qq.com/oauth2.0/authorize`.
    pub authorize_url: Url,
    /// `GET`, by us. Default `https://graph.qq.com/oauth2.0/token`.
    pub token_url: Url,
    /// `GET`, by us. Default `https://graph.qq.com/oauth2.0/me`.
    pub openid_url: Url,
    /// `GET`, by us. Default `https://graph.qq.com/user/get_user_info`.
    pub user_info_url: Url,
    /// Ask for the unionid. Only for apps with that right: without it QQ answers error 100048 and no openid.
    pub unionid: bool,
    /// API names to ask the user for, joined with commas; empty asks for QQ's default, `get_user_info`.
    pub scope: Vec<String>,
    /// Longest wait for a connection to QQ.
    pub connect_timeout: Duration,
    /// Longest time for a whole exchange: token, openid and user info together.
    pub exchange_timeout: Duration,
    /// An HTTP or SOCKS5 proxy for calls to QQ; its address may hold a password.
    pub proxy: Option<Secret<String>>,
    /// Further certificate authorities, as PEM.
    pub extra_ca: Option<Vec<u8>>,
}
