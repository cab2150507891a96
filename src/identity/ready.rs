//! What one kind of upstream is told of one session, made once and used for many requests.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::template::{Field, Template};
use super::{ClaimValue, Settings, Snapshot};
use crate::clock::Timestamp;
use crate::http::encode;
use crate::rule::{self, Rule};
use crate::token::TokenError;
use crate::token::upstream::Signer;

/// A token that is about to expire is not sent: backends answer 401 to an expired one even on public pages.
const MARGIN: Duration = Duration::from_secs(30);

/// Header fields for one session and one kind of upstream.
#[derive(Debug)]
pub struct Ready {
    /// The fields.
    pub headers: Arc<[(HeaderName, HeaderValue)]>,
    /// From when on new ones should be made, while these still serve.
    pub renew_after: Timestamp,
    /// From when on these must not be sent.
    pub usable_until: Timestamp,
}

/// Every `[identity.<name>]`, ready for use.
#[derive(Debug)]
pub struct Identities(Vec<Identity>);

impl Identities {
    /// In the configuration's order.
    pub fn new(list: Vec<Identity>) -> Self {
        Identities(list)
    }

    /// The identity that a route names by its index.
    pub fn get(&self, index: usize) -> Option<&Identity> {
        self.0.get(index)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Identity> {
        self.0.iter()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Every header by which an upstream may be told of an identity: no client may send one of them, on any route.
    /// `Authorization` is not among them: it has rules of its own.
    pub fn header_names(&self) -> impl Iterator<Item = &HeaderName> {
        let named = self.0.iter().flat_map(|identity| {
            std::iter::once(&identity.settings.header).chain(identity.settings.headers.iter().map(|(name, _)| name))
        });
        named.filter(|name| *name != http::header::AUTHORIZATION)
    }
}

/// One `[identity.<name>]`, ready for use.
#[derive(Debug)]
pub struct Identity {
    /// As configured.
    pub settings: Settings,
    signer: Signer,
}

impl Identity {
    /// With the key it signs by now.
    pub fn new(settings: Settings, signer: Signer) -> Self {
        Identity { settings, signer }
    }

    /// Makes the header fields. Signs, so it is not for the request cores.
    pub fn make(&self, snapshot: &Snapshot, site: &str, now: Timestamp) -> Result<Ready, TokenError> {
        let lifetime = self.settings.lifetime;
        let token = self.signer.sign(self.claims(snapshot, site), now, lifetime)?;
        let text = match self.settings.scheme.as_str() {
            "" => token.expose().clone(),
            scheme => format!("{scheme} {}", token.expose()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|error| TokenError::Signing(error.to_string()))?;
        value.set_sensitive(true);
        let mut headers = vec![(self.settings.header.clone(), value)];
        for (name, template) in &self.settings.headers {
            let value = encoded(template, snapshot, site).and_then(|text| HeaderValue::try_from(text).ok());
            headers.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(Ready {
            headers: headers.into(),
            renew_after: now.plus(lifetime * 4 / 5),
            usable_until: now.plus(lifetime).minus(MARGIN.min(lifetime / 10)),
        })
    }

    fn claims(&self, snapshot: &Snapshot, site: &str) -> Map<String, Value> {
        let mut claims = Map::new();
        claims.insert("iss".into(), self.settings.issuer.as_deref().unwrap_or(site).into());
        claims.insert("sub".into(), snapshot.user.to_string().into());
        if let Some(audience) = &self.settings.audience {
            claims.insert("aud".into(), audience.as_str().into());
        }
        for (name, value) in &self.settings.claims {
            let value = match value {
                ClaimValue::Fixed(value) => Some(value.clone()),
                ClaimValue::Text(template) => template.fill(|field| snapshot.field(field, site)).map(Value::String),
            };
            // What this user has not is left out, `sub` too where it was to be something else: an empty claim, or one
            // of another kind, would name somebody else.
            match value {
                Some(value) => claims.insert(name.clone(), value),
                None => claims.remove(name),
            };
        }
        claims
    }

    /// The readable cookies for the shop's own scripts, names and values; those of which the user has not the parts are
    /// left out.
    pub fn companion_cookies<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        site: &'a str,
    ) -> impl Iterator<Item = (&'a str, String)> {
        let cookies = self.settings.cookies.iter();
        cookies.filter_map(move |(name, template)| Some((name.as_str(), encoded(template, snapshot, site)?)))
    }
}

/// Fields are percent-encoded, the template's own text is not: whatever people call themselves stays one value.
fn encoded(template: &Template, snapshot: &Snapshot, site: &str) -> Option<String> {
    template.fill(|field: Field| {
        let text = snapshot.field(field, site)?;
        Some(if rule::holds(Rule::ChosenNamesAreEncoded) { encode::percent(&text).into() } else { text })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Signing;
    use crate::secret::Secret;
    use crate::store::{IdentityKey, SessionId, User, UserId, UserState};

    const SITE: &str = "http://www.meiduo.site";

    fn identity(claims: &[(&str, &str)]) -> Identity {
        let text = |text: &str| ClaimValue::Text(Template::parse(text).unwrap());
        let secret = Secret::new(vec![7; 32]);
        let settings = Settings {
            name: "default".into(),
            header: http::header::AUTHORIZATION,
            scheme: "Bearer".into(),
            signing: Signing::Shared(secret.clone()),
            lifetime: Duration::from_secs(300),
            issuer: None,
            audience: None,
            claims: claims.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect(),
            headers: vec![(HeaderName::from_static("x-user"), Template::parse("{user.upstream_id}").unwrap())],
            cookies: Vec::new(),
            forward_authorization: false,
        };
        Identity::new(settings, Signer::shared(&secret))
    }

    fn snapshot(upstream_id: Option<&str>) -> Snapshot {
        let user = User {
            id: UserId::new(Timestamp::from_secs(1), &[9; 10]),
            display_name: "小明".into(),
            avatar: None,
            state: UserState::Active,
            upstream_id: upstream_id.map(str::to_owned),
            username: None,
            generation: 0,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        };
        let key = IdentityKey { provider: "qq".into(), client_id: "1".into(), subject: "A".repeat(32) };
        Snapshot::of(&user, &key, SessionId::from_bytes([1; 16]), Timestamp::from_secs(5), Timestamp::from_secs(9))
    }

    #[test]
    fn a_claim_that_names_what_the_user_has_not_is_left_out_even_if_it_is_sub() {
        let identity =
            identity(&[("sub", "{user.upstream_id}"), ("user_id", "{user.upstream_id}"), ("p", "{provider}")]);
        let known = identity.claims(&snapshot(Some("42")), SITE);
        assert_eq!((&known["sub"], &known["user_id"], &known["iss"]), (&"42".into(), &"42".into(), &SITE.into()));
        let unknown = identity.claims(&snapshot(None), SITE);
        assert_eq!(unknown.keys().map(String::as_str).collect::<Vec<_>>(), ["iss", "p"]);
    }

    #[test]
    fn a_header_that_names_what_the_user_has_not_is_left_out() {
        let names = |upstream_id| {
            let ready = identity(&[]).make(&snapshot(upstream_id), SITE, Timestamp::from_secs(9)).unwrap();
            ready.headers.iter().map(|(name, _)| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(Some("42")), ["authorization", "x-user"]);
        assert_eq!(names(None), ["authorization"]);
    }
}
