//! Whether QQ can be reached at all, found out without a code, a token or the secret.

use std::time::{Duration, UNIX_EPOCH};

use http::header::DATE;
use httpdate::parse_http_date;
use tokio::time::{Instant, timeout};
use url::Url;

use super::Settings;
use super::answer::Members;
use super::calls::Calls;
use super::errors::{Fault, Step};

/// What came of asking QQ.
#[derive(Debug, Clone)]
pub struct Reached {
    /// How long it took until the answer was there.
    pub took: Duration,
    /// What the answer says the time is, in seconds since 1970.
    pub date: Option<u64>,
}

/// Why QQ was not reached.
#[derive(Debug, Clone)]
pub struct Missed {
    /// In words.
    pub reason: String,
    /// An answer came, and it is none of QQ's.
    pub is_foreign: bool,
}

impl Missed {
    fn unanswered(reason: String) -> Self {
        Missed { reason, is_foreign: false }
    }
}

impl Settings {
    /// Asks every host of QQ's that a login calls for nobody, the openid endpoint's first: it answers that something is
    /// missing, and so that it is there. Over the configured proxy and with the configured authorities, as a login would.
    pub async fn probe(&self) -> Vec<(String, Result<Reached, Missed>)> {
        let endpoints =
            [(Step::OpenId, &self.openid_url), (Step::Token, &self.token_url), (Step::UserInfo, &self.user_info_url)];
        let mut asked = Vec::<(String, Result<Reached, Missed>)>::new();
        for (step, url) in endpoints {
            let host = url.authority();
            if asked.iter().all(|(other, _)| other != host) {
                asked.push((host.to_owned(), self.probe_one(step, url).await));
            }
        }
        asked
    }

    async fn probe_one(&self, step: Step, url: &Url) -> Result<Reached, Missed> {
        let calls = Calls::new(self).map_err(|error| Missed::unanswered(error.to_string()))?;
        let began = Instant::now();
        let limit = self.exchange_timeout;
        let silent = |_| Missed::unanswered(format!("no answer within {limit:?}"));
        let asked = timeout(limit, calls.whole(url.clone())).await.map_err(silent)?;
        let (status, headers, body) = asked.map_err(Missed::unanswered)?;
        if !is_qqs(step, &body) {
            let reason = format!("it answers {status}, but not as QQ does: somebody else is there");
            return Err(Missed { reason, is_foreign: true });
        }
        let date = headers.get(DATE).and_then(|date| parse_http_date(date.to_str().ok()?).ok());
        let date = date.and_then(|date| Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs()));
        Ok(Reached { took: began.elapsed(), date })
    }
}

/// Whether an answer to a question that lacks everything is QQ's: it tells an error, and by its number.
fn is_qqs(step: Step, body: &[u8]) -> bool {
    match Members::read(step, body) {
        Err(Fault::Refused { code, .. }) => code.parse::<i64>().is_ok(),
        Err(Fault::Busy(_) | Fault::Unavailable(_)) => true,
        Err(Fault::Local(_) | Fault::Malformed(_) | Fault::ForeignClient) | Ok(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qq_is_known_by_the_error_that_it_tells_by_number() {
        let missing = br#"callback( {"error":100007,"error_description":"param access_token is wrong or lost"} );"#;
        for (step, body) in [
            (Step::OpenId, &missing[..]),
            (Step::Token, missing),
            (Step::OpenId, br#"{"error":"100007","error_description":"x"}"#),
            (Step::UserInfo, br#"{"ret":-1,"msg":"client request's parameters are invalid"}"#),
            (Step::OpenId, br#"{"error":100023}"#),
        ] {
            assert!(is_qqs(step, body), "{step:?}");
        }
        for (step, body) in [
            (Step::OpenId, &b"<html>please log in to this network</html>"[..]),
            (Step::Token, b"hello"),
            (Step::OpenId, b""),
            (Step::OpenId, br#"{"status":404,"error":"Not Found"}"#),
            (Step::OpenId, br#"{"status":"ok"}"#),
            (Step::UserInfo, br#"{"status":"ok"}"#),
        ] {
            assert!(!is_qqs(step, body), "{step:?} {}", String::from_utf8_lossy(body));
        }
    }
}
