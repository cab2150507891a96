//! Addresses with a scheme.

use url::Url;

use crate::config::error::Remark;
use crate::config::tree::quoted;
use crate::site::Origin;

/// An `http` or `https` address that the library understands as it is written: without user, blanks, or a host that
/// would be rewritten.
pub(in crate::config) fn address(text: &str) -> Result<Url, Remark> {
    let expected = || {
        Remark::expected("an address such as \"http://www.meiduo.site:8000\"")
            .so("as it is written, nobody would find the way there")
    };
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(expected().fix("leave out blanks and backslashes"));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(expected().fix(format!("begin with the scheme: {}", quoted(&format!("http://{text}")))));
    };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(expected().fix("the scheme is http or https"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(expected().fix("give a host after ://"));
    }
    if authority.contains('@') {
        return Err(Remark::new("an address with a user or password is not accepted here")
            .so("addresses turn up in logs and in the browser, and it with them")
            .fix("leave out what stands before @"));
    }
    let url = Url::parse(text).map_err(|error| {
        expected().fix(if error == url::ParseError::InvalidPort {
            "the port is a number, 1 to 65535".to_owned()
        } else if !authority.starts_with('[') && authority.matches(':').count() > 1 {
            "an IPv6 address stands in brackets: \"http://[::1]:8001\"".to_owned()
        } else {
            format!("write the host as a name or an address: {error}")
        })
    })?;
    if url.port() == Some(0) {
        return Err(expected().fix("the port is a number, 1 to 65535"));
    }
    let host = url.host_str().unwrap_or_default();
    let is_label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    if !host.starts_with('[') && !host.strip_suffix('.').unwrap_or(host).split('.').all(is_label) {
        return Err(expected().fix("a host name has no empty part, and none that begins or ends with `-`"));
    }
    let is_bracketed = authority.starts_with('[');
    if authority.is_ascii() && !is_bracketed && !authority.to_ascii_lowercase().starts_with(host) {
        // `http://8001` is the host 0.0.31.65 to a browser.
        return Err(Remark::new(format!("reads as the host {host:?}"))
            .so("that is where it would lead")
            .fix("write the host in full"));
    }
    Ok(url)
}

fn without_root_dot(url: Url) -> Result<Url, Remark> {
    match url.host_str() {
        Some(host) if host.ends_with('.') => Err(Remark::new("the host ends in a dot")
            .so("QQ and browsers compare addresses letter by letter, and would see another one")
            .fix("leave the dot out: it is understood in requests either way")),
        Some(_) | None => Ok(url),
    }
}

/// Scheme, host and port alone.
pub(in crate::config) fn origin(text: &str) -> Result<Origin, Remark> {
    if text == "*" || text.contains("://*") {
        return Err(Remark::new("`*` stands for nothing here")
            .so("no address is equal to it, and it would never match")
            .fix("list every address by itself"));
    }
    let url = without_root_dot(address(text)?)?;
    Origin::parse(text).ok_or_else(|| {
        let origin = Origin::of(&url).map(|origin| origin.to_string()).unwrap_or_default();
        Remark::new("expected scheme, host and port, and nothing behind them")
            .so("what stands behind them would be lost")
            .fix(format!("{origin:?}"))
    })
}

/// A redirect_uri: sent word for word as it is written, so that it must not need rewriting.
pub(in crate::config) fn redirect_uri(text: &str) -> Result<Url, Remark> {
    if text.contains(';') {
        return Err(Remark::new("expected one address")
            .so("each login sends QQ one, word for word")
            .fix("of those registered, separated by `;`, write the one for this site"));
    }
    let url = without_root_dot(address(text)?)?;
    if url.fragment().is_some() {
        return Err(Remark::new("holds a `#`").so("QQ refuses it, error 100010").fix("leave out `#` and what follows"));
    }
    if url.as_str() != text {
        let remark = Remark::new(format!("would be sent as {:?}", url.as_str()));
        return Err(remark
            .so("QQ compares it with the registered one, error 100010")
            .fix("register and write it in that form"));
    }
    Ok(url)
}

/// An endpoint of a provider.
pub(in crate::config) fn provider_endpoint(text: &str) -> Result<Url, Remark> {
    if !text.contains("://") {
        let remark = Remark::expected("an address such as \"https://graph.qq.com/oauth2.0/token\"")
            .so("the provider could not be asked");
        return Err(remark.fix(format!("begin with the scheme: {}", quoted(&format!("https://{text}")))));
    }
    let url = address(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Remark::new("expected an address without `?` and `#`")
            .so("the parameters of the call are added to it")
            .fix("leave out `?`, `#` and what follows them"));
    }
    Ok(url)
}

/// A proxy for outgoing calls; it may hold a password, so that no remark quotes it.
pub(in crate::config) fn proxy(text: &str) -> Result<(), Remark> {
    const SCHEMES: [&str; 4] = ["http", "https", "socks5", "socks5h"];
    let expected = || {
        Remark::expected("\"http://host:port\", \"socks5://host:port\" or \"socks5h://host:port\"")
            .so("QQ could not be asked through it")
            .fix("begin with one of these schemes")
    };
    let url = Url::parse(text).map_err(|_| expected())?;
    if !SCHEMES.contains(&url.scheme())
        || url.host_str().is_none_or(str::is_empty)
        || text.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        return Err(expected().fix("with a user: \"http://user:password@host:port\""));
    }
    Ok(())
}

/// Whether anybody on the internet could know this host, as far as its name tells.
pub(in crate::config) fn is_public(url: &Url) -> bool {
    const PRIVATE: [&str; 9] =
        ["localhost", "local", "lan", "internal", "intranet", "test", "example", "invalid", "arpa"];
    match url.host() {
        Some(url::Host::Domain(name)) => {
            let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
            name.contains('.') && !PRIVATE.contains(&last)
        }
        Some(url::Host::Ipv4(ip)) => {
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified())
        }
        Some(url::Host::Ipv6(ip)) => !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()),
        None => false,
    }
}

/// Whether the host is this machine by its own names.
pub(in crate::config) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_a_library_would_bend_are_refused() {
        let bad = [
            "",
            "www.meiduo.site",
            "http:www.meiduo.site",
            "http:///www.meiduo.site",
            "http://",
            "http://8001",
            "http://127.1",
            "http://0x7f.1",
            "http://a b",
            " http://a",
            "http://a\t",
            "http:\\\\a",
            "ftp://a",
            "http://u:p@a",
            "http://a:99999",
            "http://[::1",
            "http://a:x",
            "http://a:0",
            "http://::1:8001",
            "http://www..site",
            "http://.meiduo.site",
            "http://-a.b",
            "http://a-.b",
        ];
        for text in bad {
            assert!(address(text).is_err(), "{text}");
        }
        for text in [
            "http://a",
            "HTTPS://A.b:8443/c?d#e",
            "http://[::1]:80",
            "http://[0:0::1]",
            "http://门神.cn/",
            "http://web.:80",
        ] {
            assert!(address(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_redirect_uri_is_sent_word_for_word_or_not_at_all() {
        assert!(redirect_uri("http://www.meiduo.site:8000/oauth_callback").is_ok());
        for text in
            ["http://a:80/b", "http://A/b", "http://a/b;http://c/d", "http://a/b#c", "http://a", "http://a/../b"]
        {
            assert!(redirect_uri(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_that_only_this_network_knows_are_not_public() {
        for (text, public) in [
            ("http://www.meiduo.site:8000", true),
            ("http://8.8.8.8", true),
            ("http://localhost:8000", false),
            ("http://10.0.0.1", false),
            ("http://mall", false),
            ("http://shop.test", false),
            ("http://[::1]", false),
        ] {
            assert_eq!(is_public(&Url::parse(text).unwrap()), public, "{text}");
        }
    }
}
