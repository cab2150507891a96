//! Whether a login that goes out to QQ comes back to us, as far as the addresses tell.

use url::Url;

use super::sites;
use crate::config::error::{Findings, Remark, Spot};
use crate::config::parse::web;
use crate::config::usual_redirect_uri;

/// The provider whose callback is the contract's.
const QQ: &str = "qq";

/// Checks the redirect_uris of every site. `prefix`: where the callbacks of further providers are.
pub(super) fn check(sites: &[sites::Known], callback: &str, prefix: Option<&str>, log: &mut Findings) {
    for known in sites {
        if known.redirect_uris.whole
            && known.redirect_uris.items.iter().all(|given| given.value.0 != QQ)
            && let Some(usual) = known.site.as_ref().and_then(|site| usual_redirect_uri(site, callback))
        {
            let asked = Spot { found: None, key: format!("redirect_uri {usual}"), ..known.origin.clone() };
            qq_rules(&usual, &asked, log);
        }
        for given in &known.redirect_uris.items {
            let (provider, uri) = &given.value;
            if provider == QQ {
                if leads_to_the_callback(uri, &given.spot, callback, log) {
                    leads_to_the_site(uri, &given.spot, known, log);
                    qq_rules(uri, &given.spot, log);
                }
            } else if let Some(prefix) = prefix
                && leads_to_its_callback(uri, &given.spot, &format!("{prefix}callback/{provider}"), log)
            {
                leads_to_the_site(uri, &given.spot, known, log);
            }
        }
    }
}

fn leads_to_its_callback(uri: &Url, spot: &Spot, callback: &str, log: &mut Findings) -> bool {
    let leads = uri.path().trim_end_matches('/') == callback;
    if !leads {
        let remark = Remark::new(format!("does not lead to {callback:?}, where this provider's logins come back"));
        let remark = remark.so("the browser would come back to the application, and no login would ever end");
        log.error(spot, remark.fix(format!("end it in {callback:?}, and register it so")));
    }
    leads
}

fn leads_to_the_callback(uri: &Url, spot: &Spot, callback: &str, log: &mut Findings) -> bool {
    let bare = callback.trim_end_matches('/');
    let leads = uri.path() == callback || uri.path() == bare;
    if !leads {
        let remark = Remark::new(format!("does not lead to login.callback = {callback:?}"));
        let remark = remark.so("the browser would come back to the application, and no login would ever end");
        log.error(spot, remark.fix(format!("end it in {bare:?}, or set login.callback to its path")));
    }
    leads
}

fn leads_to_the_site(uri: &Url, spot: &Spot, known: &sites::Known, log: &mut Findings) {
    let Some(site) = &known.site else { return };
    let host = uri.host_str().unwrap_or_default();
    let authority = uri.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let shares_cookies = site.cookie_domain.as_ref().is_some_and(|domain| sites::lies_in(host, domain));
    if !site.answers_to(&authority) && !shares_cookies {
        let remark = Remark::new(format!("leads to {authority}, which is not the site {}", site.origin));
        let remark = remark.so("the browser comes back without the cookie of its attempt, and no login ends");
        log.warn(spot, remark.fix("use the site's own host, or set cookie_domain to the domain of both"));
    } else if uri.scheme() != site.origin.scheme() {
        let remark = Remark::new(format!("is {}, while the site is {}", uri.scheme(), site.origin.scheme()));
        let remark = remark.so("the browser may come back without the cookie of its attempt");
        log.warn(spot, remark.fix(format!("register it with {}://", site.origin.scheme())));
    }
}

/// QQ's present rules for what is registered (wiki.connect.qq.com, 回调地址常见问题).
fn qq_rules(uri: &Url, spot: &Spot, log: &mut Findings) {
    let why = "QQ may refuse the login with error 100010";
    if web::is_loopback(uri) {
        let remark = Remark::new("names this machine, which QQ's present rules do not allow");
        log.warn(spot, remark.so(why).fix("use a name of your own; the hosts file can point it at this machine"));
    } else if uri.port().is_some() {
        let remark = Remark::new("has a port, which QQ's present rules do not allow");
        log.warn(spot, remark.so(why).fix("listen on port 80 or 443, or stand behind a server that does"));
    }
}
