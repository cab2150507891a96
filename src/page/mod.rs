//! The pages visitors see: small, self-contained, in both languages, useful without JavaScript.
//!
//! [`render`] makes the HTML; [`Page::status`], [`Page::code`] and [`Page::errmsg`] say the same to scripts, so that one
//! value decides both answers. `templates/` holds the markup, [`texts`] the words.

mod answer;
mod foreign;
mod style;
mod texts;
mod view;

pub use self::answer::{code, errmsg, status};
pub use self::style::content_security_policy;
pub use self::view::render;

/// A page of ours and what it has to say. Addresses are paths on this site, ready for `href`.
#[derive(Debug)]
pub enum Page<'a> {
    /// Choose a way to log in.
    Login {
        /// What there is to choose from.
        providers: &'a [ProviderChoice],
        /// A provider or the store is down; try again after so many seconds.
        unavailable: Option<u64>,
        /// Whether the login ends at the page it was begun on, rather than at home.
        leads_back: bool,
        /// Who is logged in already: text a person chose, to be escaped.
        known: Option<&'a str>,
        /// The way out.
        back: Back<'a>,
    },
    /// The user pressed cancel at the provider.
    Cancelled {
        /// Starts a fresh login.
        login: &'a str,
        /// The way out.
        back: Back<'a>,
    },
    /// The browser came back with an attempt that is not good.
    AttemptRefused {
        /// What is wrong with it.
        why: AttemptRefusal,
        /// Starts a fresh login.
        login: &'a str,
        /// The way out.
        back: Back<'a>,
    },
    /// The session is over.
    LoggedOut {
        /// Starts a fresh login.
        login: &'a str,
    },
    /// Asks before logging out (a form that posts to `action`).
    ConfirmLogout {
        /// Where the form goes.
        action: &'a str,
        /// Who is logged in: text a person chose, to be escaped.
        display_name: &'a str,
    },
    /// Something went wrong or is not allowed.
    Error {
        /// What.
        kind: ErrorKind<'a>,
        /// For the visitor to quote and the operator to search for.
        request_id: &'a str,
        /// A login link, where logging in would help.
        login: Option<&'a str>,
        /// The way out, where loading the page again would not help.
        back: Back<'a>,
    },
}

/// Where a visitor goes on to who does not log in. Never a page that would at once ask for a login again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back<'a> {
    /// The page from which the login was begun: a path on this site.
    Page(&'a str),
    /// The home page.
    Home,
    /// There is no page for strangers.
    Nowhere,
}

/// One way to log in.
#[derive(Debug, Clone)]
pub struct ProviderChoice {
    /// The provider's name in the configuration.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// Starts a login there.
    pub href: String,
}

/// Why a returning login was not accepted. The page says so in a sentence a visitor understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptRefusal {
    /// No attempt cookie came at all: cookies blocked, Secure over http, another host name, or another browser
    /// (on phones, the QQ app may have opened one). The page names these causes.
    NoCookie {
        /// Whether the site's cookies travel over https alone.
        is_https: bool,
    },
    /// This browser has attempts, but not this one: most likely begun in another browser.
    Foreign,
    /// Took longer than an attempt lives.
    Expired,
    /// Was used already.
    Used,
}

/// What went wrong, as far as a visitor is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind<'a> {
    /// 400: the request cannot be understood safely.
    BadRequest,
    /// 401: log in first.
    LoginNeeded,
    /// 403: logged in or not, this is not allowed.
    Forbidden,
    /// 403: the account is blocked.
    Blocked,
    /// The user is none of the application's, as far as is known.
    UnknownThere,
    /// 403: the request came from another site.
    ForeignOrigin,
    /// 404, under our own prefix.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 408: the request's body did not come.
    RequestTimeout,
    /// 414.
    TargetTooLong,
    /// 421: no site of ours has this name. Names the Host asked for and the sites, and nginx's
    /// `proxy_set_header Host $http_host`.
    UnknownHost {
        /// As the client sent it: to be escaped.
        host: &'a str,
        /// The configured origins.
        sites: &'a [String],
    },
    /// 421: the site asks for certificates in another way than the connection was asked.
    Misdirected,
    /// 429: too many tries; try again after so many seconds.
    TooOften(u64),
    /// 500: the exchange with the provider failed (`OAuth2.0认证失败`).
    LoginFailed,
    /// 500.
    Internal,
    /// 502: the application cannot be reached or answers nonsense.
    BadGateway,
    /// 503: logins cannot be served now; try again after so many seconds.
    LoginUnavailable(u64),
    /// 503: the proxy is overloaded or going down.
    Overloaded(u64),
    /// 503: the operator says that the site is being worked on; try again after so many seconds.
    Maintenance(u64),
    /// 504: the application takes too long.
    GatewayTimeout,
}

#[cfg(test)]
mod tests;
