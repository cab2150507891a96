//! The simulator's remote control, on a listener of its own: a small JSON API for tests that run in other processes.
//!
//! | request | effect |
//! | --- | --- |
//! | `GET /` | a command for each of these, and for every switch |
//! | `POST /apps`, `POST /users` | registers an app or a user; one of the same name is replaced |
//! | `PUT /rules` | how QQ behaves where that is a matter of choice |
//! | `POST /switches`, `DELETE /switches` | sets one switch; clears all and releases held answers |
//! | `POST /release` | lets held answers go |
//! | `GET /requests`, `DELETE /requests` | what the simulator was asked; forgets it |
//! | `POST /clock` `{"advance_seconds": 600}` | moves the simulator's time forward |
//! | `POST /tokens` `{"client_id", "user"}` | issues a token without a login |
//! | `POST /logins` `{"authorize_url", "user"}` | logs in: where the browser would be sent |

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::server::{self, Shared};
use super::wire::{self, Body, Ended};
use super::{LogInError, help, log_in};

/// Answers a request to the remote control.
pub(super) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Ended> {
    let (head, body) = request.into_parts();
    if head.method == Method::GET && head.uri.path() == "/" {
        let address = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
        return Ok(told(help::text(address), "text/plain; charset=utf-8"));
    }
    // A page in a browser on this machine can post forms to here, but not JSON: that takes our consent (CORS).
    let is_json = head.headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let is_reading = matches!(head.method, Method::GET | Method::DELETE);
    let result = match server::read(body).await {
        Ok(body) if is_json || is_reading => obey(&shared, &head.method, head.uri.path(), &body),
        Ok(_) => Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send Content-Type: application/json".to_owned())),
        Err(()) => Err((StatusCode::PAYLOAD_TOO_LARGE, "the body is too long or was cut off".to_owned())),
    };
    let (status, answer) = match result {
        Ok(answer) => (StatusCode::OK, answer),
        Err((status, error)) => (status, json!({ "error": error })),
    };
    let mut response = told(format!("{answer}\n"), "application/json");
    *response.status_mut() = status;
    Ok(response)
}

fn told(text: String, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(wire::whole(text.into_bytes()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

type Refusal = (StatusCode, String);

fn obey(shared: &Shared, method: &Method, path: &str, body: &[u8]) -> Result<Value, Refusal> {
    let done = json!({});
    match (method.as_str(), path) {
        ("POST", "/apps") => {
            let app: super::App = parse(body)?;
            shared.state().apps.insert(app.client_id.clone(), app);
        }
        ("POST", "/users") => {
            let user: super::User = parse(body)?;
            shared.state().users.insert(user.number.clone(), user);
        }
        ("PUT", "/rules") => shared.state().rules = parse(body)?,
        ("POST", "/switches") => shared.switches().set(parse(body)?),
        ("DELETE", "/switches") => {
            shared.switches().clear();
            shared.release();
        }
        ("POST", "/release") => shared.release(),
        ("GET", "/requests") => return Ok(json!({ "requests": shared.log.all() })),
        ("DELETE", "/requests") => shared.log.clear(),
        ("POST", "/clock") => {
            let Advance { advance_seconds } = parse(body)?;
            shared.advance(Duration::from_secs(advance_seconds));
        }
        ("POST", "/tokens") => {
            let Mint { client_id, user } = parse(body)?;
            let minted = shared.state().mint(&client_id, &user, shared.now());
            let minted = minted.map_err(|problem| (StatusCode::BAD_REQUEST, LogInError::from(problem).to_string()))?;
            return Ok(json!({ "access_token": minted.access_token, "openid": minted.openid }));
        }
        ("POST", "/logins") => {
            let LogIn { authorize_url, user } = parse(body)?;
            let authorize_url =
                Url::parse(&authorize_url).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
            let callback = log_in(shared, &authorize_url, &user);
            let callback = callback.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
            return Ok(json!({ "callback": callback }));
        }
        _ => {
            return Err((
                StatusCode::NOT_FOUND,
                format!("there is no {method} {path} here; GET / tells what there is"),
            ));
        }
    }
    Ok(done)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    advance_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mint {
    client_id: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    authorize_url: String,
    user: String,
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))
}
