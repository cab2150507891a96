//! What providers have in common that keep to RFC 6749: how browsers come back, the token call, and answers in JSON.

use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::calls::{self, Calls, Failure};
use super::{Code, Error, Exchange, ProviderId, RefusedBy, Returned};
use crate::rule::{self, Rule};
use crate::secret::Secret;

/// How we say who we are at the token endpoint (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAuth {
    /// `Authorization: Basic`.
    Basic,
    /// In the body.
    Post,
}

/// Our name and our secret.
pub(super) struct Client<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a Secret<String>,
    pub(super) auth: TokenAuth,
}

/// What a token call came to.
#[derive(Deserialize)]
pub(super) struct Tokens {
    access_token: Option<String>,
    id_token: Option<String>,
    error: Option<String>,
}

impl Tokens {
    /// The access token.
    pub(super) fn access(self) -> Option<Secret<String>> {
        self.access_token.filter(|token| !token.is_empty()).map(Secret::new)
    }

    /// Both, of a provider that speaks OpenID Connect.
    pub(super) fn both(self) -> Option<(Secret<String>, Secret<String>)> {
        let access = self.access_token.filter(|token| !token.is_empty())?;
        Some((Secret::new(access), Secret::new(self.id_token?)))
    }
}

/// Where and until when a provider is asked.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    pub(super) provider: &'a ProviderId,
    pub(super) calls: &'a Calls,
    pub(super) deadline: Instant,
}

impl Asking<'_> {
    /// Code to tokens (RFC 6749, 4.1.3; RFC 7636, 4.5).
    pub(super) async fn tokens(
        &self,
        endpoint: &Url,
        client: &Client<'_>,
        exchange: &Exchange<'_>,
    ) -> Result<Tokens, Error> {
        const STEP: &str = "token";
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", exchange.code.expose()),
            ("redirect_uri", exchange.redirect_uri.as_str()),
        ];
        form.extend(exchange.pkce.map(|pkce| ("code_verifier", pkce.verifier())));
        let mut request = self.calls.client().post(endpoint.clone());
        match client.auth {
            TokenAuth::Basic => {
                // Both are form-encoded first, as few implementations remember.
                let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                request = request.basic_auth(encoded(client.id), Some(encoded(client.secret.expose())));
            }
            TokenAuth::Post => {
                form.extend([("client_id", client.id), ("client_secret", client.secret.expose().as_str())]);
            }
        }
        let tokens: Tokens = self.json(STEP, request.form(&form)).await?;
        match &tokens.error {
            Some(error) => Err(refused(self.provider, STEP, error).into()),
            None => Ok(tokens),
        }
    }

    /// What is answered to a request, as JSON. An error in the manner of RFC 6749, 5.2 is told whatever the status.
    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        step: &'static str,
        request: RequestBuilder,
    ) -> Result<T, Error> {
        let answered = timeout_at(self.deadline, self.answered(step, request)).await;
        answered.unwrap_or_else(|_| Err(self.timed_out(step)))
    }

    async fn answered<T: DeserializeOwned>(&self, step: &'static str, request: RequestBuilder) -> Result<T, Error> {
        let failed = |failure: Failure| failure.at(self.provider, step);
        let request = request.header(http::header::ACCEPT, "application/json");
        let response = calls::send(request).await.map_err(failed)?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Error::Busy { provider: self.provider.clone(), reason: format!("{step}: status 429") });
        }
        if status == StatusCode::OK {
            let body = calls::body(response).await.map_err(failed)?;
            return serde_json::from_slice(&body).map_err(|_| self.malformed(step, "not the JSON that was expected"));
        }
        let unavailable = Failure::Unavailable(format!("status {}", status.as_u16()));
        if !status.is_client_error() {
            return Err(failed(unavailable));
        }
        // Such an answer cannot succeed, but it may still say why.
        let told = calls::body(response).await.ok().and_then(|body| serde_json::from_slice::<Told>(&body).ok());
        Err(told.map_or_else(|| failed(unavailable), |told| refused(self.provider, step, &told.error).into()))
    }

    /// There was no answer in time.
    pub(super) fn timed_out(&self, step: &'static str) -> Error {
        Failure::Unavailable("timed out".to_owned()).at(self.provider, step)
    }

    /// An answer that cannot be read.
    pub(super) fn malformed(&self, step: &'static str, reason: &'static str) -> Error {
        Error::Malformed { provider: self.provider.clone(), step, reason }
    }
}

#[derive(Deserialize)]
struct Told {
    error: String,
}

/// Reads a callback's query (RFC 6749, 4.1.2). Anybody can send a browser here, so nothing of it is believed yet.
pub(super) fn read_return(provider: &ProviderId, query: &[(String, String)]) -> Returned {
    let (Ok(error), Ok(code)) = (once(query, "error"), once(query, "code")) else { return Returned::Malformed };
    match (error, code) {
        (Some("access_denied"), _) | (None, None) => Returned::Cancelled,
        (Some(error), _) => Returned::Refused(refused(provider, "authorize", error)),
        (None, Some(code)) => Code::parse(code).map_or(Returned::Malformed, Returned::Code),
    }
}

/// The one value of a parameter, if it came; `Err` if it came twice: two readers would take different ones (RFC 6749, 3.1).
pub(super) fn once<'a>(query: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, ()> {
    let mut values = query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let first = values.next();
    if values.next().is_some() && rule::holds(Rule::AParameterComesOnce) { Err(()) } else { Ok(first) }
}

/// An error by its name. The text may have come from anybody and goes into a log line: only what looks like a name is
/// repeated.
fn refused(provider: &ProviderId, step: &'static str, error: &str) -> RefusedBy {
    let is_name = (1..=64).contains(&error.len())
        && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let meaning = match error {
        "invalid_grant" | "bad_verification_code" => "the code is wrong, too old or was used",
        "invalid_client" | "unauthorized_client" | "incorrect_client_credentials" => {
            "client_id or client_secret is wrong, or given in another way than it wants: see token_auth"
        }
        "redirect_uri_mismatch" | "invalid_redirect_uri" => "the redirect_uri is not the one that is registered there",
        "invalid_scope" => "the scope is not granted to this client",
        "server_error" | "temporarily_unavailable" => "it cannot serve now",
        _ => "see its documentation",
    };
    let code = if is_name { error } else { "(not a name)" };
    RefusedBy { provider: provider.clone(), step, code: code.to_owned(), meaning }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(query: &str) -> String {
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        match read_return(&ProviderId::new("corp"), &pairs) {
            Returned::Code(code) => format!("code {}", code.expose()),
            Returned::Cancelled => "cancelled".into(),
            Returned::Refused(refused) => format!("refused {}", refused.code),
            Returned::Malformed => "malformed".into(),
        }
    }

    #[test]
    fn a_return_is_a_code_a_cancel_an_error_or_nothing_to_exchange() {
        for (query, expected) in [
            ("code=a%2Fb%2B1&state=x&iss=y", "code a/b+1"),
            ("state=x", "cancelled"),
            ("error=access_denied&state=x", "cancelled"),
            ("error=server_error&error_description=secret", "refused server_error"),
            ("error=%0d%0aX", "refused (not a name)"),
            ("code=a&error=invalid_scope", "refused invalid_scope"),
            ("code=a&code=b", "malformed"),
            ("error=a&error=b", "malformed"),
            ("code=", "malformed"),
            ("code=%00", "malformed"),
        ] {
            assert_eq!(returned(query), expected, "{query}");
        }
    }
}
