//! What one kind of upstream is told of one session, made once and used for many requests.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::field::Field;
use super::{Companion, Content, Settings, Snapshot};
use crate::clock::Timestamp;
use crate::template::{Place, Template};
use crate::token::TokenError;
use crate::token::upstream::Signer;

/// A token that is about to expire is not sent: backends answer 401 to an expired one even on public pages.
const MARGIN: Duration = Duration::from_secs(30);

/// Header fields for one session and one kind of upstream.
#[derive(Debug)]
pub struct Ready {
    /// The fields. None: this user has not what they name.
    pub headers: Option<Arc<[(HeaderName, HeaderValue)]>>,
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

    /// Every companion of theirs. Several may have the same, such as those they have by default.
    pub fn companions(&self) -> impl Iterator<Item = &Companion> {
        self.0.iter().flat_map(|identity| &identity.settings.cookies)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Every header by which an upstream may be told of an identity: no client may send one of them, on any route.
    /// `Authorization` is not among them: it has rules of its own.
    pub fn header_names(&self) -> impl Iterator<Item = &HeaderName> {
        let named = self.0.iter().flat_map(|identity| {
            identity.settings.header.iter().chain(identity.settings.headers.iter().map(|(name, _)| name))
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
        let headers = match self.told(snapshot, site) {
            Ok(Told { claims, further }) => {
                let token = self.settings.header.as_ref().map(|header| self.token(header, claims, now)).transpose()?;
                Some(token.into_iter().chain(further).collect())
            }
            Err(Lacking) => None,
        };
        Ok(Ready {
            headers,
            renew_after: now.plus(lifetime * 4 / 5),
            usable_until: now.plus(lifetime).minus(MARGIN.min(lifetime / 10)),
        })
    }

    fn token(
        &self,
        header: &HeaderName,
        claims: Map<String, Value>,
        now: Timestamp,
    ) -> Result<(HeaderName, HeaderValue), TokenError> {
        let token = self.signer.sign(claims, now, self.settings.lifetime)?;
        let text = match self.settings.scheme.as_str() {
            "" => token.expose().clone(),
            scheme => format!("{scheme} {}", token.expose()),
        };
        let mut value = HeaderValue::try_from(text).map_err(|error| TokenError::Signing(error.to_string()))?;
        value.set_sensitive(true);
        Ok((header.clone(), value))
    }

    /// The token's claims, and the further headers.
    fn told(&self, snapshot: &Snapshot, site: &str) -> Result<Told, Lacking> {
        let claims = match &self.settings.header {
            Some(_) => self.claims(snapshot, site)?,
            None => Map::new(),
        };
        let mut further = Vec::with_capacity(self.settings.headers.len());
        for (name, template) in &self.settings.headers {
            let value = filled(template, Place::Header, snapshot, site)?;
            let value = value.and_then(|text| HeaderValue::try_from(text).ok());
            further.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(Told { claims, further })
    }

    fn claims(&self, snapshot: &Snapshot, site: &str) -> Result<Map<String, Value>, Lacking> {
        let mut claims = Map::new();
        claims.insert("iss".into(), self.settings.issuer.as_deref().unwrap_or(site).into());
        claims.insert("sub".into(), snapshot.user.to_string().into());
        if let Some(audience) = &self.settings.audience {
            claims.insert("aud".into(), audience.as_str().into());
        }
        for (name, value) in &self.settings.claims {
            // What is for display alone and this user has not is left out: an empty claim would be one.
            match value.fill(&|field| snapshot.field(field, site), &spared)? {
                Some(value) => claims.insert(name.clone(), value),
                None => claims.remove(name),
            };
        }
        Ok(claims)
    }

    /// The companions that tell of the user: names, values, and how long they stay at most. Those of which the user has
    /// not the parts are left out.
    pub fn companions<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        site: &'a str,
    ) -> impl Iterator<Item = (&'a str, String, Option<Duration>)> {
        self.settings.cookies.iter().filter_map(move |companion| match &companion.content {
            Content::Told(template) => {
                let text = template.fill(Place::Cookie, |field| snapshot.field(field, site));
                Some((companion.name.as_str(), text.ok()?, companion.lifetime))
            }
            Content::Random => None,
        })
    }
}

/// What an application is told, before it is signed.
struct Told {
    claims: Map<String, Value>,
    further: Vec<(HeaderName, HeaderValue)>,
}

/// This user has not what somebody would be looked up by.
struct Lacking;

/// A template's text; `None` if all it lacks is for display.
fn filled(
    template: &Template<Field>,
    place: Place,
    snapshot: &Snapshot,
    site: &str,
) -> Result<Option<String>, Lacking> {
    match template.fill(place, |field: Field| snapshot.field(field, site)) {
        Ok(text) => Ok(Some(text)),
        Err(field) => spared(field).map(|()| None),
    }
}

/// Whether a field that this user has not can be left out.
fn spared(field: Field) -> Result<(), Lacking> {
    if field.names_somebody() { Err(Lacking) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Incomplete, Signing};
    use crate::secret::Secret;
    use crate::store::{IdentityKey, SessionId, User, UserId, UserState};
    use crate::template::JsonTemplate;

    const SITE: &str = "http://www.meiduo.site";

    fn identity(claims: &[(&str, &str)], headers: &[(&'static str, &str)]) -> Identity {
        let text = |text: &str| JsonTemplate::Text(Template::parse(text).unwrap());
        let secret = Secret::new(vec![7; 32]);
        let settings = Settings {
            name: "default".into(),
            header: Some(http::header::AUTHORIZATION),
            scheme: "Bearer".into(),
            signing: Signing::Shared(secret.clone()),
            lifetime: Duration::from_secs(300),
            issuer: None,
            audience: None,
            claims: claims.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect(),
            headers: headers
                .iter()
                .map(|(name, text)| (HeaderName::from_static(name), Template::parse(text).unwrap()))
                .collect(),
            cookies: Vec::new(),
            incomplete: Incomplete::Anonymous,
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

    fn names(identity: &Identity, upstream_id: Option<&str>) -> Option<Vec<String>> {
        let ready = identity.make(&snapshot(upstream_id), SITE, Timestamp::from_secs(9)).unwrap();
        Some(ready.headers?.iter().map(|(name, _)| name.as_str().to_owned()).collect())
    }

    #[test]
    fn nobody_is_told_of_who_has_not_what_a_claim_or_header_looks_them_up_by() {
        let by_claim = identity(&[("sub", "{user.upstream_id}"), ("p", "{provider}")], &[]);
        let claims = by_claim.claims(&snapshot(Some("42")), SITE).ok().unwrap();
        assert_eq!((&claims["sub"], &claims["iss"]), (&"42".into(), &SITE.into()));
        let by_header = identity(&[], &[("x-user", "{user.upstream_id|raw}")]);
        assert_eq!(names(&by_claim, Some("42")).unwrap(), ["authorization"]);
        assert_eq!(names(&by_header, Some("42")).unwrap(), ["authorization", "x-user"]);
        assert_eq!((names(&by_claim, None), names(&by_header, None)), (None, None));
        assert_eq!(names(&by_header, Some("四二")), None, "it cannot be written as it is");
    }

    #[test]
    fn what_is_for_display_alone_and_missing_is_left_out() {
        let identity =
            identity(&[("picture", "{user.avatar}"), ("name", "{user.display_name}")], &[("x-a", "{user.avatar}")]);
        let claims = identity.claims(&snapshot(None), SITE).ok().unwrap();
        assert_eq!(claims.keys().map(String::as_str).collect::<Vec<_>>(), ["iss", "name", "sub"]);
        assert_eq!(names(&identity, None).unwrap(), ["authorization"]);
    }

    #[test]
    fn claims_may_have_claims_within() {
        let mut nested = identity(&[], &[]);
        let text = |text: &str| JsonTemplate::Text(Template::parse(text).unwrap());
        let table = vec![
            ("id".to_owned(), text("{user.upstream_id}")),
            ("picture".to_owned(), text("{user.avatar}")),
            ("roles".to_owned(), JsonTemplate::List(vec![text("user"), text("{provider}")])),
        ];
        nested.settings.claims = vec![("https://a.example/claims".to_owned(), JsonTemplate::Table(table))];
        let claims = nested.claims(&snapshot(Some("42")), SITE).ok().unwrap();
        let wanted = serde_json::json!({"id": "42", "roles": ["user", "qq"]});
        assert_eq!(claims["https://a.example/claims"], wanted);
        assert_eq!(names(&nested, None), None, "however deep");
    }

    #[test]
    fn an_application_that_takes_no_token_is_sent_none() {
        let mut bare = identity(&[("sub", "{user.upstream_id}")], &[("remote-user", "{user.handle|raw}")]);
        bare.settings.header = None;
        assert_eq!(names(&bare, None).unwrap(), ["remote-user"]);
    }
}
