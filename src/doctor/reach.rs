//! Whether the site's own address leads here, and whether QQ can be asked.

use std::error::Error as _;
use std::time::Duration;

use super::Finding;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::site::Site;

/// How long a site's own address may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the site's address as a visitor would, certificate included, and sees whether it is us who answers.
pub(super) async fn site(site: &Site, prefix: &str) -> Finding {
    const WHAT: &str = "site";
    let address = format!("{}{prefix}health", site.origin);
    let fix = "start the proxy; have the name lead to this machine (or to the proxy before it), and its port to server.listen";
    let client =
        reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return Finding::doubtful(WHAT, format!("{address} could not be asked: {}", causes(&error)), ""),
    };
    let response = match client.get(&address).send().await {
        Ok(response) => response,
        Err(error) => return Finding::doubtful(WHAT, format!("{address}: {}", causes(&error)), fix),
    };
    let status = response.status();
    match response.text().await {
        Ok(text) if status.is_success() && text.contains("\"status\"") => {
            Finding::good(WHAT, format!("{address} leads to Menshen"))
        }
        Ok(_) | Err(_) => Finding::doubtful(WHAT, format!("{address} answers {status}: somebody else is there"), fix),
    }
}

/// Asks QQ as a login would, for nobody; and what the answer says the time is.
pub(super) async fn qq(config: &Config) -> (Finding, Option<Timestamp>) {
    const WHAT: &str = "QQ";
    let host = config.qq.openid_url.host_str().unwrap_or_default().to_owned();
    match config.qq.probe().await {
        Ok(reached) => {
            let found = format!("{host} answers within {} ms", reached.took.as_millis());
            (Finding::good(WHAT, found), reached.date.map(Timestamp::from_secs))
        }
        Err(reason) => {
            let fix = "let this machine reach it by DNS and on port 443, or set providers.qq.proxy: nobody can log in without";
            (Finding::bad(WHAT, format!("{host}: {reason}"), fix), None)
        }
    }
}

/// An error's words and those of whatever caused it.
fn causes(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
