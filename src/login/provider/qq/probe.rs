//! Whether QQ can be reached at all, found out without a code, a token or the secret.

use std::time::{Duration, UNIX_EPOCH};

use http::header::DATE;
use httpdate::parse_http_date;
use tokio::time::{Instant, timeout};

use super::Settings;
use super::calls::Calls;

/// What came of asking QQ.
#[derive(Debug, Clone)]
pub struct Reached {
    /// How long it took until the answer's head was there.
    pub took: Duration,
    /// What the answer says the time is, in seconds since 1970.
    pub date: Option<u64>,
}

impl Settings {
    /// Asks QQ's openid endpoint for nobody: it answers that the token is missing, and so that it is there. Over the
    /// configured proxy and with the configured authorities, as a login would.
    ///
    /// # Errors
    /// What kept it from answering, in words.
    pub async fn probe(&self) -> Result<Reached, String> {
        let calls = Calls::new(self).map_err(|error| error.to_string())?;
        let began = Instant::now();
        let asked = timeout(self.exchange_timeout, calls.head_of(self.openid_url.clone())).await;
        let headers = asked.map_err(|_| format!("no answer within {:?}", self.exchange_timeout))??;
        let date = headers.get(DATE).and_then(|date| parse_http_date(date.to_str().ok()?).ok());
        let date = date.and_then(|date| Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs()));
        Ok(Reached { took: began.elapsed(), date })
    }
}
