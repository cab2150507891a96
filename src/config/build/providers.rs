//! `[providers.<name>]`: the ways to log in beside QQ.

use jsonwebtoken::Algorithm;
use url::Url;

use super::qq;
use crate::config::error::{Findings, Remark};
use crate::config::parse::web;
use crate::config::read;
use crate::config::section::{Defaults, Section};
use crate::login::provider::{Further, ProviderId, TokenAuth, github, oidc};

/// The name that `[providers.qq]` has.
const QQ: &str = "qq";

/// What GitHub has of its own where nothing is written.
const GITHUB: Defaults = &[
    ("title", r#""GitHub""#),
    ("authorize_url", r#""https://github.com/login/oauth/authorize""#),
    ("token_url", r#""https://github.com/login/oauth/access_token""#),
    ("user_url", r#""https://api.github.com/user""#),
    ("scope", "[]"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Oidc,
    GitHub,
}

/// Reads every provider but QQ.
pub(super) fn read(providers: &Section<'_>, log: &mut Findings) -> Option<Vec<Further>> {
    let named = providers.named().into_iter().filter(|(name, _)| name != QQ);
    let read: Vec<_> = named.map(|(name, section)| one(&name, &section, log)).collect();
    read.into_iter().collect()
}

fn one(name: &str, section: &Section<'_>, log: &mut Findings) -> Option<Further> {
    let good_name = id(name, section, log);
    let kind = section.value("kind", log, read::choice(&[Kind::Oidc, Kind::GitHub]))?;
    let section = match kind.value {
        Kind::GitHub => &section.clone().with_defaults(GITHUB),
        Kind::Oidc => section,
    };
    let title = section.optional("title", log, read::text(title));
    let client_id = section.value("client_id", log, read::text(client_id));
    let client_secret = section.required_secret("client_secret", log);
    let client_secret = client_secret.and_then(|given| qq::visible(&given.value, &given.spot, log));
    let scope = section.each("scope", log, scope);
    let exchange_timeout = section.value("exchange_timeout", log, read::duration);
    let way = qq::way(section, log);
    let issuer = section.optional("issuer", log, read::text(issuer));
    let auth = section.value("token_auth", log, read::choice(&[TokenAuth::Basic, TokenAuth::Post]));
    let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];
    let algorithm = section.value("id_token_algorithm", log, read::choice(&algorithms));
    let mut endpoint = |name| endpoint(section, name, log);
    let (authorize, token, user) = (endpoint("authorize_url"), endpoint("token_url"), endpoint("user_url"));
    let title = title.map(|title| title.map_or_else(|| name.to_owned(), |title| title.value));
    let scope = scope.whole.then(|| scope.values().collect::<Vec<_>>());
    match kind.value {
        Kind::Oidc => {
            unused(section, &["authorize_url", "token_url", "user_url"], "the issuer tells it", log);
            let Some(issuer) = issuer? else {
                let remark = Remark::new("is missing").so("nobody could be sent there");
                let fix = "issuer = \"https://id.example\", or kind = \"github\"; of others Menshen knows QQ alone";
                log.missing(&section.spot("issuer"), remark.fix(fix));
                return None;
            };
            let mut scope = scope?;
            if scope.iter().all(|scope| scope != "openid") {
                scope.insert(0, "openid".to_owned());
            }
            Some(Further::Oidc(Box::new(oidc::Settings {
                id: good_name?,
                title: title?,
                issuer: issuer.value,
                client_id: client_id?.value,
                client_secret: client_secret?,
                token_auth: auth?.value,
                algorithm: algorithm?.value,
                scope,
                exchange_timeout: exchange_timeout?.value,
                way: way?,
            })))
        }
        Kind::GitHub => {
            unused(section, &["issuer", "token_auth", "id_token_algorithm"], "GitHub has none", log);
            Some(Further::GitHub(Box::new(github::Settings {
                id: good_name?,
                title: title?,
                client_id: client_id?.value,
                client_secret: client_secret?,
                authorize_url: authorize??,
                token_url: token??,
                user_url: user??,
                scope: scope?,
                exchange_timeout: exchange_timeout?.value,
                way: way?,
            })))
        }
    }
}

fn id(name: &str, section: &Section<'_>, log: &mut Findings) -> Option<ProviderId> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.is_empty() && name.len() <= 32 && name.bytes().all(is_plain) {
        return Some(ProviderId::new(name));
    }
    let remark = Remark::new("expected a provider's name of lower-case letters, digits and `-`, up to 32");
    let remark = remark.so("it stands in the paths of its login, and in every binding");
    log.error(&section.own_spot(), remark.fix("[providers.company]"));
    None
}

/// `Some(None)`: there is none.
fn endpoint(section: &Section<'_>, name: &str, log: &mut Findings) -> Option<Option<Url>> {
    let given = section.optional(name, log, read::text(web::provider_endpoint))?;
    given.iter().for_each(|given| qq::warn_of_plain_http(given, log));
    Some(given.map(|given| given.value))
}

/// Refuses keys that are of no use to this kind.
fn unused(section: &Section<'_>, names: &[&str], why: &str, log: &mut Findings) {
    for name in names.iter().filter(|name| section.node(name).is_some()) {
        let remark = Remark::new(format!("is of no use here: {why}")).so("it would have no effect");
        log.error(&section.spot(name), remark.fix("leave it out"));
    }
}

/// Compared letter by letter with what the provider says of itself.
fn issuer(text: &str) -> Result<String, Remark> {
    let url = web::provider_endpoint(text)?;
    if url.scheme() == "http" && !web::is_loopback(&url) {
        return Err(Remark::new("is plain http")
            .so("whoever sits on the way could say who somebody is")
            .fix("https; http is for tests on this machine alone"));
    }
    Ok(text.to_owned())
}

fn client_id(text: &str) -> Result<String, Remark> {
    let is_visible = !text.is_empty() && text.len() <= 256 && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_visible.then(|| text.to_owned()).ok_or_else(|| {
        Remark::expected("the client's id as the provider shows it")
            .so("the provider would know no client by it")
            .fix("copy it again, without what stands around it")
    })
}

fn title(text: &str) -> Result<String, Remark> {
    let is_shown = !text.trim().is_empty() && text.chars().count() <= 32 && !text.chars().any(char::is_control);
    is_shown.then(|| text.to_owned()).ok_or_else(|| {
        Remark::expected("a short name, such as \"GitHub\"")
            .so("visitors would see it on a button")
            .fix("up to 32 characters")
    })
}

fn scope(text: &str) -> Result<String, Remark> {
    // RFC 6749, 3.3.
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    let good = !text.is_empty() && text.bytes().all(is_token);
    good.then(|| text.to_owned()).ok_or_else(|| {
        Remark::expected("the name of a scope such as \"profile\"")
            .so("the provider would not grant it")
            .fix("each in quotes of its own")
    })
}
