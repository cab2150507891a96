//! Whether the site's own addresses lead here, and whether QQ can be asked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::CertificateError;
use serde_json::json;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::{Host, Url};

use super::Finding;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::error_chain::ErrorChain;
use crate::http::client_certificate::ClientAuth;
use crate::site::Site;

const SITE: &str = "site";

/// How long a site's own address may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an operator has to look whose machine does not see what visitors see.
const FROM_OUTSIDE: &str = "ask from outside: not every router leads back in whoever asks from within";

/// Asks for the site as a visitor would, by each of its names, and sees whether it is us who answers.
pub(super) async fn site(site: &Site, prefix: &str) -> Vec<Finding> {
    let names = std::iter::once(site.origin.authority()).chain(site.aliases.iter().map(String::as_str));
    let mut findings = Vec::new();
    for name in names {
        let address = format!("{}://{name}{prefix}health", site.origin.scheme());
        findings.push(match Url::parse(&address) {
            Ok(url) => named(&address, &url, site.client_auth).await,
            Err(error) => Finding::bad(SITE, format!("{address} is no address: {error}"), "correct the site's names"),
        });
    }
    findings
}

/// One step after another, since each has a fix of its own: the name, the connection, the certificate, the answer.
async fn named(address: &str, url: &Url, asked: ClientAuth) -> Finding {
    let addresses = match timeout(PATIENCE, resolved(url)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => {
            let fix = "have DNS (or /etc/hosts) lead the name to this machine, or to the proxy before it";
            return Finding::bad(SITE, format!("{address}: the name stands for no address: {error}"), fix);
        }
        Err(_) => {
            let found = format!("{address}: no answer to what its name stands for within {PATIENCE:?}");
            return Finding::doubtful(SITE, found, "see whether this machine's DNS works");
        }
    };
    match timeout(PATIENCE, TcpStream::connect(addresses.as_slice())).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let fix = "start the proxy, and the one before it if there is one; have the port lead to server.listen";
            return Finding::bad(SITE, format!("{address}: nobody takes connections there: {error}"), fix);
        }
        Ok(Err(error)) => return Finding::doubtful(SITE, format!("{address}: {error}"), FROM_OUTSIDE),
        Err(_) => {
            let found = format!("{address}: no connection within {PATIENCE:?}");
            return Finding::doubtful(SITE, found, format!("look for a firewall between; {FROM_OUTSIDE}"));
        }
    }
    match ask(url).await {
        Ok(response) => answered(address, response).await,
        Err(error) => failed(address, &error, asked),
    }
}

async fn resolved(url: &Url) -> io::Result<Vec<SocketAddr>> {
    let port = url.port_or_known_default().unwrap_or_default();
    match url.host() {
        Some(Host::Ipv4(ip)) => Ok(vec![(ip, port).into()]),
        Some(Host::Ipv6(ip)) => Ok(vec![(ip, port).into()]),
        Some(Host::Domain(name)) => Ok(lookup_host((name, port)).await?.collect()),
        None => Ok(Vec::new()),
    }
}

async fn ask(url: &Url) -> reqwest::Result<reqwest::Response> {
    let client = reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).no_proxy();
    client.build()?.get(url.clone()).send().await
}

async fn answered(address: &str, response: reqwest::Response) -> Finding {
    let status = response.status();
    let location = response.headers().get(http::header::LOCATION).and_then(|location| location.to_str().ok());
    let leads_to = location.map(|location| format!(", to {location:?}")).unwrap_or_default();
    let body = response.text().await.unwrap_or_default();
    let is_ours = serde_json::from_str::<serde_json::Value>(&body).is_ok_and(|body| body == json!({ "status": "ok" }));
    if status.is_success() && is_ours {
        return Finding::good(SITE, format!("{address} leads to Menshen"));
    }
    if status.is_server_error() {
        let fix = "start the proxy; have the one before it lead to server.listen";
        return Finding::bad(SITE, format!("{address} answers {status}: who stands before us does not reach us"), fix);
    }
    let fix = format!("have its name and port lead to server.listen, every path of it; {FROM_OUTSIDE}");
    Finding::bad(SITE, format!("{address} answers {status}{leads_to}: somebody else is there"), fix)
}

/// Somebody took the connection, and no answer came.
fn failed(address: &str, error: &reqwest::Error, asked: ClientAuth) -> Finding {
    let found = format!("{address}: {}", ErrorChain(error));
    if let Some(fault) = certificate_fault(error) {
        return Finding::bad(SITE, found, format!("{}; {FROM_OUTSIDE}", certificate_fix(fault)));
    }
    if error.is_timeout() {
        return Finding::doubtful(SITE, found, format!("see why who is there does not answer; {FROM_OUTSIDE}"));
    }
    if asked == ClientAuth::Required {
        return Finding::doubtful(
            SITE,
            found,
            "the site requires a certificate, and doctor has none: ask from where there is one",
        );
    }
    let fix = "have whoever listens there speak the scheme of the site's origin, and lead to server.listen";
    Finding::bad(SITE, found, fix)
}

fn certificate_fix(fault: &CertificateError) -> &'static str {
    use CertificateError as Fault;
    if matches!(fault, Fault::Expired | Fault::ExpiredContext { .. }) {
        "renew the certificate, and have whoever holds it read it again"
    } else if matches!(fault, Fault::NotValidYet | Fault::NotValidYetContext { .. }) {
        "set this machine's clock, or wait until the certificate is good"
    } else if matches!(fault, Fault::NotValidForName | Fault::NotValidForNameContext { .. }) {
        "have a certificate made that names this host, alias or not"
    } else if matches!(fault, Fault::UnknownIssuer) {
        "take one from an authority that browsers know, sent with every certificate between"
    } else {
        "replace the certificate: no browser takes it"
    }
}

/// What is wrong with a certificate, if that is why no answer came.
fn certificate_fault<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e CertificateError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // What an I/O error holds is not its source.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let held = held.map(|held| held as &(dyn std::error::Error + 'static));
        if let Some(rustls::Error::InvalidCertificate(fault)) = held.unwrap_or(error).downcast_ref() {
            return Some(fault);
        }
        cause = held.or_else(|| error.source());
    }
    None
}

/// Asks QQ as a login would, for nobody; and what the answer says the time is.
pub(super) async fn qq(config: &Config) -> (Vec<Finding>, Option<Timestamp>) {
    const WHAT: &str = "QQ";
    let mut date = None;
    let mut findings = Vec::new();
    for (host, outcome) in config.qq.probe().await {
        findings.push(match outcome {
            Ok(reached) => {
                date = date.or(reached.date.map(Timestamp::from_secs));
                Finding::good(WHAT, format!("{host} answers within {} ms", reached.took.as_millis()))
            }
            Err(missed) => {
                let fix = match missed.is_foreign {
                    true => "have no firewall, portal or providers.qq.proxy answer in its place; see providers.qq's addresses",
                    false => "let this machine reach it by DNS and on port 443, or set providers.qq.proxy: nobody can log in without",
                };
                Finding::bad(WHAT, format!("{host}: {}", missed.reason), fix)
            }
        });
    }
    (findings, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_is_found_however_deep_it_lies() {
        let expired = || rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, expired()));
        assert_eq!(certificate_fault(&wrapped), Some(&CertificateError::Expired));
        assert_eq!(certificate_fault(&expired()), Some(&CertificateError::Expired));
        assert_eq!(certificate_fault(&io::Error::from(io::ErrorKind::TimedOut)), None);
    }
}
