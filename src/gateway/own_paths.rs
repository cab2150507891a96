//! Where our own endpoints are.

use super::Dialect;
use crate::http::fold_case::fold_case;
use crate::http::request_path::Readings;

/// A way of our own, before any route of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnPath {
    /// Starts a login with a provider, by its place; 0 is the contract's.
    LoginStart(usize),
    /// Where that provider sends browsers back to.
    Callback(usize),
    /// Starts a login for a site's separate front end.
    FrontEndStart,
    /// Where a site's separate front end hands the code in.
    FrontEndCallback,
    /// The page of providers.
    LoginPage,
    /// Ends the session.
    Logout,
    /// The session as JSON.
    UserInfo,
    /// Whether a request may pass that another proxy carries.
    Auth,
    /// Whether the process lives and serves.
    Health,
    /// The key set.
    Jwks,
    /// The discovery document.
    OpenIdConfiguration,
    /// Under our prefix, and nothing.
    Nothing,
}

impl OwnPath {
    /// Its name in the access log.
    pub fn name(self) -> &'static str {
        match self {
            OwnPath::LoginStart(_) => "LoginStart",
            OwnPath::Callback(_) => "Callback",
            OwnPath::FrontEndStart => "FrontEndStart",
            OwnPath::FrontEndCallback => "FrontEndCallback",
            OwnPath::LoginPage => "LoginPage",
            OwnPath::Logout => "Logout",
            OwnPath::UserInfo => "UserInfo",
            OwnPath::Auth => "Auth",
            OwnPath::Health => "Health",
            OwnPath::Jwks => "Jwks",
            OwnPath::OpenIdConfiguration => "OpenIdConfiguration",
            OwnPath::Nothing => "Nothing",
        }
    }

    /// Whether a login begins or ends there.
    fn is_of_a_login(self) -> bool {
        match self {
            OwnPath::LoginStart(_) | OwnPath::Callback(_) | OwnPath::FrontEndStart | OwnPath::FrontEndCallback => true,
            OwnPath::LoginPage
            | OwnPath::Logout
            | OwnPath::UserInfo
            | OwnPath::Auth
            | OwnPath::Health
            | OwnPath::Jwks
            | OwnPath::OpenIdConfiguration
            | OwnPath::Nothing => false,
        }
    }

    /// Whether it says the same at every site, to whoever asks: a health check and a backend that fetches keys may know
    /// us by address alone.
    pub fn is_the_same_everywhere(self) -> bool {
        match self {
            OwnPath::Health | OwnPath::Jwks => true,
            OwnPath::LoginStart(_)
            | OwnPath::Callback(_)
            | OwnPath::FrontEndStart
            | OwnPath::FrontEndCallback
            | OwnPath::LoginPage
            | OwnPath::Logout
            | OwnPath::UserInfo
            | OwnPath::Auth
            | OwnPath::OpenIdConfiguration
            | OwnPath::Nothing => false,
        }
    }
}

/// Endpoints by their paths.
#[derive(Debug, Clone, Default)]
pub struct Endpoints(Vec<(String, OwnPath)>);

impl Endpoints {
    /// One more, with a last slash and without.
    pub fn add(&mut self, path: &str, own: OwnPath) {
        let bare = path.trim_end_matches('/');
        self.0.push((format!("{bare}/"), own));
        self.0.push((bare.to_owned(), own));
    }

    /// The endpoint that a raw path names. Compared as sent: no other spelling of it is ours.
    pub fn find(&self, path: &str) -> Option<OwnPath> {
        self.0.iter().find(|(own, _)| own == path).map(|(_, own)| *own)
    }

    /// Whether a path of another spelling would be taken, by some server behind us, for one where a login begins or ends:
    /// the application's own login there would go round this one. Some do not look at the case.
    pub fn is_shadowed(&self, readings: &Readings<'_>) -> bool {
        let mut all = std::iter::once(readings.usual.as_ref()).chain(readings.others.iter().map(String::as_str));
        all.any(|reading| {
            let mut contract = self.0.iter().filter(|(_, own)| own.is_of_a_login());
            contract.any(|(path, _)| match reading.is_ascii() {
                true => path.eq_ignore_ascii_case(reading),
                false => fold_case(path) == fold_case(reading),
            })
        })
    }
}

/// Where the endpoints are that every site has.
#[derive(Debug, Clone)]
pub struct OwnPaths {
    endpoints: Endpoints,
    prefix: String,
    /// What lies below is a question about what is named there.
    questions: Option<String>,
}

impl OwnPaths {
    /// `start`, `callback` and `prefix` end in `/`. Our pages are answered with a last slash and without.
    pub fn new(start: &str, callback: &str, prefix: &str, has_jwks: bool, has_discovery: bool) -> Self {
        let mut endpoints = Endpoints::default();
        endpoints.add(start, OwnPath::LoginStart(0));
        endpoints.add(callback, OwnPath::Callback(0));
        let under = [
            ("login", OwnPath::LoginPage),
            ("logout", OwnPath::Logout),
            ("userinfo", OwnPath::UserInfo),
            ("health", OwnPath::Health),
        ];
        for (name, own) in under {
            endpoints.add(&format!("{prefix}{name}"), own);
        }
        if has_jwks {
            endpoints.0.push(("/.well-known/jwks.json".to_owned(), OwnPath::Jwks));
        }
        if has_discovery {
            endpoints.0.push(("/.well-known/openid-configuration".to_owned(), OwnPath::OpenIdConfiguration));
        }
        OwnPaths { endpoints, prefix: prefix.to_owned(), questions: None }
    }

    /// With those of further providers, each by its name.
    pub fn with_providers<'n>(mut self, names: impl Iterator<Item = &'n str>) -> Self {
        for (at, name) in names.enumerate() {
            let (start, callback) = (self.start_of(name), self.callback_of(name));
            self.endpoints.add(&start, OwnPath::LoginStart(at + 1));
            self.endpoints.add(&callback, OwnPath::Callback(at + 1));
        }
        self
    }

    /// Where a login with a further provider begins.
    pub fn start_of(&self, name: &str) -> String {
        self.under_prefix(&format!("login/{name}/"))
    }

    /// Where a further provider sends browsers back to: no two have the same (RFC 9700, 4.4.2).
    pub fn callback_of(&self, name: &str) -> String {
        self.under_prefix(&format!("callback/{name}/"))
    }

    /// With the endpoint that other proxies ask at.
    pub fn with_questions(mut self, dialect: Dialect) -> Self {
        let path = self.under_prefix("auth");
        match dialect {
            Dialect::Nginx | Dialect::Forwarded | Dialect::Caddy => self.endpoints.0.push((path, OwnPath::Auth)),
            Dialect::Envoy => self.questions = Some(format!("{path}/")),
        }
        self
    }

    /// As [`Endpoints::is_shadowed`].
    pub fn is_shadowed(&self, readings: &Readings<'_>) -> bool {
        self.endpoints.is_shadowed(readings)
    }

    /// Whether a path is kept from the application: an endpoint of ours, or a spelling that could be taken for one.
    pub fn is_ours(&self, path: &str, readings: &Readings<'_>) -> bool {
        self.find(path).is_some() || self.is_shadowed(readings)
    }

    /// The endpoint of ours that a raw path names. Compared as sent: no other spelling of it is ours.
    pub fn find(&self, path: &str) -> Option<OwnPath> {
        let named = self.endpoints.find(path);
        let is_question = || self.questions.as_ref().is_some_and(|below| path.starts_with(below));
        let named = named.or_else(|| is_question().then_some(OwnPath::Auth));
        named.or_else(|| path.starts_with(&self.prefix).then_some(OwnPath::Nothing))
    }

    /// The path of one of our pages.
    pub fn under_prefix(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_paths_are_found_with_and_without_their_last_slash() {
        let own = OwnPaths::new("/qq/login/", "/oauth_callback/", "/.menshen/", true, false);
        for (path, found) in [
            ("/qq/login/", Some(OwnPath::LoginStart(0))),
            ("/qq/login", Some(OwnPath::LoginStart(0))),
            ("/oauth_callback", Some(OwnPath::Callback(0))),
            ("/.menshen/login", Some(OwnPath::LoginPage)),
            ("/.menshen/", Some(OwnPath::Nothing)),
            ("/.menshen/x", Some(OwnPath::Nothing)),
            ("/.well-known/jwks.json", Some(OwnPath::Jwks)),
            ("/.well-known/openid-configuration", None),
            ("/qq/login/x", None),
            ("/", None),
        ] {
            assert_eq!(own.find(path), found, "{path}");
        }
    }
}
