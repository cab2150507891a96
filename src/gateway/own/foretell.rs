//! What an endpoint of ours would answer, told without doing it.

use http::Request;

use super::{Call, Way, callback, front_end, health, login_page, login_start, logout, userinfo, well_known};
use crate::gateway::error::Error;
use crate::gateway::explain::{Explanation, session};
use crate::gateway::own_paths::OwnPath;
use crate::gateway::{Gateway, Here};

impl Gateway {
    /// Tells the session, where the endpoint asks for one, and returns the answer: its status, and what it is.
    pub(in crate::gateway) async fn foretell(
        &self,
        own: OwnPath,
        request: &Request<()>,
        here: Here<'_>,
        told: &mut Explanation,
    ) -> Result<String, Error> {
        let shared = &*self.shared;
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let call = Call { method, uri, headers, here };
        let (response, what) = match own {
            OwnPath::LoginStart(at) => return login_start::foretell(shared, call, Way::at(call, shared, at)?),
            OwnPath::FrontEndStart => return front_end::foretell_start(shared, call),
            OwnPath::FrontEndCallback => return front_end::foretell_return(shared, call),
            OwnPath::Logout => return logout::foretell(shared, call, &self.sessions).await,
            OwnPath::Callback(at) => {
                let presented = self.sessions.load_cookie(headers, &here.site.wire, here.now).await;
                let present = presented.session().map(AsRef::as_ref);
                told.push(("session", session(&self.sessions, present, headers, here).await));
                return callback::foretell(call, Way::at(call, shared, at)?, present);
            }
            OwnPath::LoginPage => {
                let presented = self.sessions.load_cookie(headers, &here.site.wire, here.now).await;
                let present = presented.session().map(AsRef::as_ref);
                told.push(("session", session(&self.sessions, present, headers, here).await));
                (login_page::answer(shared, call, present)?, "the page with a button for each provider")
            }
            OwnPath::UserInfo => {
                let presented = self.session(call).await?;
                let present = presented.session().map(AsRef::as_ref);
                told.push(("session", session(&self.sessions, present, headers, here).await));
                (userinfo::answer(shared, call, &presented)?, "the session, as JSON")
            }
            OwnPath::Health => (health::answer(method)?, "that the process lives"),
            OwnPath::Jwks => (well_known::key_set(shared, call)?, "the public keys"),
            OwnPath::OpenIdConfiguration => {
                (well_known::openid_configuration(shared, call)?, "issuer and keys, for libraries that discover")
            }
            OwnPath::Auth => {
                return Ok("what becomes of the request that a proxy asks about: explain that one".to_owned());
            }
            OwnPath::Nothing => return Err(Error::NotFound),
        };
        Ok(format!("{}: {what}", response.status().as_u16()))
    }
}
