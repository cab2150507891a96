//! `[identity.<name>]`.

use http::HeaderName;
use http::header::AUTHORIZATION;

use super::companions;
use crate::config::error::{Findings, Remark, Spot};
use crate::config::parse::{name, template};
use crate::config::preset::{PRESETS, Preset};
use crate::config::read;
use crate::config::section::{Given, Many, Section, both};
use crate::config::tree::{Node, quoted};
use crate::identity::{Algorithm, Companion, Field, Incomplete, Settings, Signing};
use crate::secret::Secret;
use crate::template::{JsonTemplate, Template};

/// The identity that routes have where they name none; it exists even if nothing is written about it.
pub(super) const DEFAULT: &str = "default";

/// RFC 7518, 3.2: a key shorter than the hash can be guessed from one token.
const LEAST_SECRET: usize = 32;

/// What is known of one identity.
pub(super) struct Known {
    pub(super) name: String,
    pub(super) settings: Option<Settings>,
    pub(super) cookies: Vec<Given<String>>,
    pub(super) spot: Spot,
    pub(super) is_written: bool,
}

/// Reads every identity, the default one among them.
pub(super) fn read(identity: &Section<'_>, log: &mut Findings) -> Vec<Known> {
    let mut named = identity.named();
    if named.iter().all(|(name, _)| name != DEFAULT) {
        named.insert(0, (DEFAULT.to_owned(), identity.section(DEFAULT)));
    }
    named.into_iter().map(|(name, section)| one(name, &section, log)).collect()
}

fn one(name: String, section: &Section<'_>, log: &mut Findings) -> Known {
    if let Err(remark) = name::chosen(&name) {
        log.error(&section.own_spot(), remark);
    }
    let preset = section.value("preset", log, read::choice(&PRESETS));
    let section = &section.clone().with_defaults(preset.as_ref().map_or(&[], |preset| preset.value.defaults));
    let header = section.value("header", log, read::text(token_header));
    let scheme = section.value("scheme", log, read::text(name::scheme));
    let signing = signing(section, log);
    let lifetime = section.value("lifetime", log, read::duration);
    let issuer = section.optional("issuer", log, read::text(claim_text));
    let audience = section.optional("audience", log, read::text(claim_text));
    let claims = section.entries("claims", log, claim);
    let headers = section.entries("headers", log, further_header);
    let cookies = section.entries("cookies", log, companions::one);
    let forward = section.value("forward_authorization", log, read::flag);
    let incomplete = section.value("incomplete", log, read::choice(&[Incomplete::Anonymous, Incomplete::Refused]));
    if let Some(header) = &header {
        no_header_twice(header, &headers.items, log);
        says_something(header, &headers, log);
    }
    if let (Some(preset), Some(audience)) = (&preset, &audience) {
        no_refused_audience(preset, audience.as_ref(), &claims.items, log);
    }
    if let (Some(header), Some(forward)) = (&header, &forward)
        && forward.value
        && header.value == Some(AUTHORIZATION)
    {
        let remark = Remark::new(format!("{} is where the identity goes", header.spot.quoted()))
            .so("the application could not tell the client's own from ours");
        log.error(&forward.spot, remark.fix("give the identity another header, such as \"X-Menshen-Token\""));
    }
    let name_of = |cookie: &Given<Companion>| Given { value: cookie.value.name.clone(), spot: cookie.spot.clone() };
    let cookie_names = cookies.items.iter().map(name_of).collect();
    let settings = || {
        Some(Settings {
            name: name.clone(),
            header: header?.value,
            scheme: scheme?.value,
            signing: signing?,
            lifetime: lifetime?.value,
            issuer: issuer?.map(|issuer| issuer.value),
            audience: audience?.map(|audience| audience.value),
            claims: claims.values().collect(),
            headers: headers.values().collect(),
            cookies: cookies.values().collect(),
            incomplete: incomplete?.value,
            forward_authorization: forward?.value,
        })
    };
    Known {
        settings: settings(),
        name,
        cookies: cookie_names,
        spot: section.own_spot(),
        is_written: section.is_written(),
    }
}

fn signing(section: &Section<'_>, log: &mut Findings) -> Option<Signing> {
    let published = [Some(Algorithm::Es256), Some(Algorithm::EdDsa), Some(Algorithm::Rs256), None];
    let algorithm = section.value("algorithm", log, read::choice(&published));
    let secret = section.secret("secret", log);
    let (algorithm, secret) = (algorithm?, secret?);
    match (algorithm.value, secret) {
        (Some(algorithm), None) => Some(Signing::Published(algorithm)),
        (Some(_), Some(secret)) => {
            let remark = Remark::new(format!("goes with HS256 alone, not with {}", algorithm.spot.quoted()));
            let remark = remark.so("tokens are signed by a key of Menshen's own, and the secret would prove nothing");
            log.error(&secret.spot, remark.fix("algorithm = \"HS256\", or leave the secret out"));
            None
        }
        (None, None) => {
            let remark = Remark::new("needs the secret that the application holds too").so("no token could be signed");
            log.error(&algorithm.spot, remark.fix("secret_file = \"/run/secrets/jwt\", at least 32 bytes"));
            None
        }
        (None, Some(secret)) if secret.value.len() < LEAST_SECRET => {
            let length = secret.value.len();
            let remark = Remark::new(format!("is {length} bytes long; HS256 takes at least {LEAST_SECRET}"));
            let remark = remark.so("whoever holds one token could guess it and be anybody");
            log.error(&secret.spot, remark.fix("openssl rand -base64 48"));
            None
        }
        (None, Some(secret)) => Some(Signing::Shared(Secret::new(secret.value.to_vec()))),
    }
}

/// Nothing for an identity that sends no token.
fn token_header(text: &str) -> Result<Option<HeaderName>, Remark> {
    if text.is_empty() { Ok(None) } else { name::identity_header(text).map(Some) }
}

fn says_something(
    header: &Given<Option<HeaderName>>,
    headers: &Many<(HeaderName, Template<Field>)>,
    log: &mut Findings,
) {
    if header.value.is_none() && headers.items.is_empty() && headers.whole {
        let remark = Remark::new("there is neither a header for a token nor any other")
            .so("the application would not learn who is logged in");
        log.error(
            &header.spot,
            remark.fix("header = \"Authorization\", or headers = { Remote-User = \"{user.handle|raw}\" }"),
        );
    }
}

fn no_refused_audience(
    preset: &Given<&Preset>,
    audience: Option<&Given<String>>,
    claims: &[Given<(String, JsonTemplate<Field>)>],
    log: &mut Findings,
) {
    let claimed = claims.iter().find(|claim| claim.value.0 == "aud").map(|claim| &claim.spot);
    if let Some(spot) = audience.map(|audience| &audience.spot).or(claimed).filter(|_| preset.value.refuses_audience) {
        let remark = Remark::new(format!("{} takes no token that says whom it is for", preset.spot.quoted()));
        let remark = remark.so("unless its settings name the same audience, every request would be answered 401");
        log.warn(spot, remark.fix("leave it out, or set JWT_AUDIENCE there"));
    }
}

fn claim_text(text: &str) -> Result<String, Remark> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Remark::expected("some text")
            .so("an application that checks it would refuse every token")
            .fix("leave the key out to have its default"));
    }
    Ok(text.to_owned())
}

fn claim(name: &str, node: &Node) -> Result<(String, JsonTemplate<Field>), Vec<Remark>> {
    let good_name = name::claim(name).map_err(|remark| vec![remark]);
    let ((), value) = both(good_name, template::json(node))?;
    Ok((name.to_owned(), value))
}

fn further_header(name: &str, node: &Node) -> Result<(HeaderName, Template<Field>), Vec<Remark>> {
    both(name::identity_header(name).map_err(|remark| vec![remark]), template::of_node(node))
}

fn no_header_twice(
    header: &Given<Option<HeaderName>>,
    headers: &[Given<(HeaderName, Template<Field>)>],
    log: &mut Findings,
) {
    for (at, further) in headers.iter().enumerate() {
        let name = &further.value.0;
        let earlier = headers.iter().take(at).any(|other| other.value.0 == *name);
        if earlier || header.value.as_ref() == Some(name) {
            let remark = Remark::new(format!("the header {} is set twice", quoted(name.as_str())));
            let remark = remark.so("the application would see one of the two, and nobody knows which");
            log.error(&further.spot, remark.fix("give one of them another name"));
        }
    }
}
