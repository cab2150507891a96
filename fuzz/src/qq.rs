//! QQ as a provider that is never called.

use std::time::Duration;

use menshen::login::provider::{ProviderId, Way, qq};
use menshen::secret::Secret;
use url::Url;

/// Our appid there.
pub const QQ_CLIENT_ID: &str = "101000001";

/// Made with the unionid asked for, so that it is read too.
pub fn qq_provider() -> qq::Qq {
    let address = Url::parse("http://qq.invalid/").unwrap();
    let settings = qq::Settings {
        id: ProviderId::new("qq"),
        client_id: QQ_CLIENT_ID.into(),
        client_secret: Secret::from("0123456789abcdef0123456789abcdef"),
        authorize_url: address.clone(),
        token_url: address.clone(),
        openid_url: address.clone(),
        user_info_url: address,
        unionid: true,
        scope: Vec::new(),
        exchange_timeout: Duration::from_secs(1),
        way: Way { connect_timeout: Duration::from_secs(1), proxy: None, extra_ca: None },
    };
    qq::Qq::new(settings).unwrap()
}
