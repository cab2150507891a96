//! `[providers.qq]`.

use std::path::PathBuf;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use crate::config::error::{Findings, Remark, Spot};
use crate::config::file;
use crate::config::parse::web;
use crate::config::read;
use crate::config::secrets;
use crate::config::section::{Given, Section};
use crate::login::provider::qq::Settings;
use crate::login::provider::{ProviderId, Way};
use crate::secret::Secret;

/// The appkey that `config.toml` is delivered with.
pub(in crate::config) const PLACEHOLDER: &str = "put-the-appkey-here";

/// What is known of the QQ app.
pub(super) struct Qq {
    pub(super) settings: Settings,
}

/// Reads the section; there has to be one.
pub(super) fn read(section: &Section<'_>, log: &mut Findings) -> Option<Qq> {
    if !section.is_written() {
        let spot = section.own_spot();
        let remark = Remark::new("there is no QQ app").so("nobody could log in");
        log.missing(&spot, remark.fix("[providers.qq]\nclient_id = \"your appid\"\nclient_secret = \"your appkey\""));
        return None;
    }
    let client_id = client_id(section, log);
    let client_secret = client_secret(section, log);
    let authorize_url = section.value("authorize_url", log, read::text(web::provider_endpoint));
    let token_url = section.value("token_url", log, read::text(web::provider_endpoint));
    let openid_url = section.value("openid_url", log, read::text(web::provider_endpoint));
    let user_info_url = section.value("user_info_url", log, read::text(web::provider_endpoint));
    let unionid = section.value("unionid", log, read::flag);
    let scope = section.each("scope", log, scope);
    let exchange_timeout = section.value("exchange_timeout", log, read::duration);
    let way = way(section, log);
    for endpoint in [&token_url, &openid_url, &user_info_url].into_iter().flatten() {
        warn_of_plain_http(endpoint, log);
    }
    Some(Qq {
        settings: Settings {
            id: ProviderId::new("qq"),
            client_id: client_id?,
            client_secret: client_secret?,
            authorize_url: authorize_url?.value,
            token_url: token_url?.value,
            openid_url: openid_url?.value,
            user_info_url: user_info_url?.value,
            unionid: unionid?.value,
            scope: scope.values().collect(),
            exchange_timeout: exchange_timeout?.value,
            way: way?,
        },
    })
}

/// How calls to a provider go out.
pub(super) fn way(section: &Section<'_>, log: &mut Findings) -> Option<Way> {
    let connect_timeout = section.value("connect_timeout", log, read::duration);
    let exchange_timeout = section.value("exchange_timeout", &mut Findings::new(""), read::duration);
    let proxy = proxy(section, log);
    let extra_ca = section.file("extra_ca_file", log).and_then(|file| match file {
        Some(file) => certificates(&file, log).map(Some),
        None => Some(None),
    });
    let (connect_timeout, exchange_timeout) = (connect_timeout?, exchange_timeout?);
    if connect_timeout.value > exchange_timeout.value {
        let spot = if connect_timeout.is_default() { &exchange_timeout.spot } else { &connect_timeout.spot };
        let remark = Remark::new("connect_timeout is longer than exchange_timeout, which ends the whole conversation")
            .so("it would never be reached");
        log.error(spot, remark.fix("keep connect_timeout below exchange_timeout"));
        return None;
    }
    Some(Way { connect_timeout: connect_timeout.value, proxy: proxy?, extra_ca: extra_ca? })
}

fn client_id(section: &Section<'_>, log: &mut Findings) -> Option<String> {
    let given = section.value("client_id", log, read::text(|text| Ok(text.to_owned())))?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(&given.value) {
        return Some(given.value);
    }
    let remark = Remark::expected("the appid from connect.qq.com, digits alone: \"101000001\"")
        .so("QQ would know no app by it, and refuse every login");
    let trimmed = given.value.trim();
    let fix = match digits(trimmed) {
        true => format!("without the blanks: {trimmed:?}"),
        false if trimmed.is_empty() => "write it in".to_owned(),
        false => "make sure that appid and appkey have not changed places".to_owned(),
    };
    // It may be the appkey, which is not for showing.
    log.error(&Spot { found: None, ..given.spot }, remark.fix(fix));
    None
}

fn client_secret(section: &Section<'_>, log: &mut Findings) -> Option<Secret<String>> {
    let given = section.required_secret("client_secret", log)?;
    let secret = visible(&given.value, &given.spot, log)?;
    if secret.expose() == PLACEHOLDER {
        let remark = Remark::new("is still the placeholder").so("QQ refuses every login, error 100009");
        let variable = "MENSHEN__PROVIDERS__QQ__CLIENT_SECRET";
        log.warn(&given.spot, remark.fix(format!("put in the appkey from connect.qq.com, or give {variable}")));
    }
    Some(secret)
}

/// A secret that travels in an address: visible ASCII. A blank at its end came along when it was copied.
pub(super) fn visible(bytes: &[u8], spot: &Spot, log: &mut Findings) -> Option<Secret<String>> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Some(Secret::from(text)),
        Ok(_) | Err(_) => {
            let remark = Remark::new("holds a blank, a line break or another character that is no visible ASCII")
                .so("it would be refused, or sent as another one");
            log.error(spot, remark.fix("copy it again, without what stands around it"));
            None
        }
    }
}

fn scope(text: &str) -> Result<String, Remark> {
    let name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let good = !text.is_empty() && text.bytes().all(name);
    good.then(|| text.to_owned()).ok_or_else(|| {
        Remark::expected("the name of an API such as \"get_user_info\"")
            .so("QQ would not grant it")
            .fix("each in quotes of its own")
    })
}

fn proxy(section: &Section<'_>, log: &mut Findings) -> Option<Option<Secret<String>>> {
    let Some(given) = section.secret("proxy", log)? else { return Some(None) };
    let address = visible(&given.value, &given.spot, log)?;
    match web::proxy(address.expose()) {
        Ok(()) => Some(Some(address)),
        Err(remark) => {
            log.error(&given.spot, remark);
            None
        }
    }
}

fn certificates(given: &Given<PathBuf>, log: &mut Findings) -> Option<Vec<u8>> {
    let pem = match file::read(&given.value) {
        Ok(pem) => pem,
        Err(error) => {
            log.error(&given.spot, secrets::unreadable(&given.value, &error));
            return None;
        }
    };
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    if certificates.is_ok_and(|certificates| !certificates.is_empty()) {
        return Some(pem.to_vec());
    }
    let remark = Remark::new(format!("{} holds no certificate as PEM", given.value.display()))
        .so("connections that it should vouch for would fail");
    log.error(&given.spot, remark.fix("from DER: openssl x509 -inform der -in ca.cer -out ca.pem"));
    None
}

pub(super) fn warn_of_plain_http(endpoint: &Given<Url>, log: &mut Findings) {
    if endpoint.value.scheme() == "http" && !web::is_loopback(&endpoint.value) {
        let remark = Remark::new("is plain http").so("the appkey and every user's token can be read on the way");
        log.warn(&endpoint.spot, remark.fix("https, unless this is a test"));
    }
}
