//! What has been issued, and the checks before anything is. The order of the checks is QQ's as far as it is known. Time
//! is passed in, and nothing here waits: of any number of exchanges of one code, the first to take the lock succeeds.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use url::Url;

use super::model::{self, App, Rules, User};
use super::problem::Problem;
use super::query::Query;
use crate::clock::Timestamp;
use crate::random;

/// How long a code can be exchanged.
const CODE_LIFETIME: Duration = Duration::from_secs(600);
/// Longest redirect_uri, as QQ's console has it.
const REDIRECT_URI_BYTES: usize = 1024;

/// The simulated QQ.
pub(super) struct State {
    pub(super) apps: BTreeMap<String, App>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) rules: Rules,
    codes: HashMap<String, Code>,
    tokens: HashMap<String, Token>,
    refresh_tokens: HashMap<String, Refresh>,
}

/// An authorize request that passed its checks.
#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) client_id: String,
    /// As it was sent.
    pub(super) redirect_uri: String,
    /// As it was sent, decoded; `None` if it was not.
    pub(super) state: Option<Vec<u8>>,
    scope: Vec<String>,
}

/// Whom a token speaks for, and to which app.
#[derive(Clone)]
struct Grant {
    client_id: String,
    user: String,
    scope: Vec<String>,
}

struct Code {
    grant: Grant,
    redirect_uri: String,
    expires_at: Timestamp,
    spent: bool,
    issued: Option<String>,
}

struct Token {
    grant: Grant,
    expires_at: Timestamp,
    revoked: bool,
}

struct Refresh {
    grant: Grant,
    spent: bool,
}

/// What a token call yields.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) refresh_token: String,
    pub(super) seconds: u64,
    pub(super) openid: String,
}

/// What `me` tells.
#[derive(Debug, Clone)]
pub(super) struct Me {
    pub(super) client_id: String,
    pub(super) openid: String,
    pub(super) unionid: Option<String>,
}

/// What `get_user_info` tells.
#[derive(Debug, Clone)]
pub(super) struct Info {
    pub(super) client_id: String,
    pub(super) openid: String,
    pub(super) user: User,
}

impl State {
    pub(super) fn new(apps: Vec<App>, users: Vec<User>, rules: Rules) -> Self {
        State {
            apps: apps.into_iter().map(|app| (app.client_id.clone(), app)).collect(),
            users: users.into_iter().map(|user| (user.number.clone(), user)).collect(),
            rules,
            codes: HashMap::new(),
            tokens: HashMap::new(),
            refresh_tokens: HashMap::new(),
        }
    }

    /// Checks an authorize request.
    pub(super) fn authorize(&self, query: &Query) -> Result<Authorization, Problem> {
        ensure(query.text("response_type") == Some("code"), 100000)?;
        let client_id = query.text("client_id").ok_or_else(|| Problem::new(100001))?;
        let app = self.apps.get(client_id).ok_or_else(|| Problem::new(100008))?;
        let redirect_uri = query.text("redirect_uri").unwrap_or_default();
        ensure(self.is_registered(app, redirect_uri), 100010)?;
        ensure(app.online || !app.testers.is_empty(), 100011)?;
        let scope = query.text("scope").unwrap_or("get_user_info").split(',').map(str::to_owned);
        Ok(Authorization {
            client_id: client_id.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            state: query.bytes("state").map(<[u8]>::to_vec),
            scope: scope.filter(|api| app.scopes.contains(api)).collect(),
        })
    }

    /// The user says yes: a code for the app.
    pub(super) fn approve(&mut self, asked: &Authorization, user: &str, now: Timestamp) -> Result<String, Problem> {
        let app = self.apps.get(&asked.client_id).ok_or_else(|| Problem::new(100008))?;
        // A user the page did not offer: the form was made up.
        ensure(self.users.contains_key(user), 100018)?;
        ensure(app.online || app.testers.iter().any(|tester| tester == user), 100011)?;
        let grant = Grant { client_id: asked.client_id.clone(), user: user.to_owned(), scope: asked.scope.clone() };
        let code = fresh(100018)?;
        let redirect_uri = asked.redirect_uri.clone();
        let expires_at = now.plus(CODE_LIFETIME);
        self.codes.insert(code.clone(), Code { grant, redirect_uri, expires_at, spent: false, issued: None });
        Ok(code)
    }

    /// The token call, with either grant. `named` is the access token to issue instead of a random one.
    pub(super) fn exchange(&mut self, query: &Query, named: Option<&str>, now: Timestamp) -> Result<Issued, Problem> {
        let by_code = match query.text("grant_type") {
            Some("authorization_code") => true,
            Some("refresh_token") => false,
            _ => return Err(Problem::new(100004)),
        };
        let client_id = query.text("client_id").ok_or_else(|| Problem::new(100001))?;
        let secret = query.text("client_secret").ok_or_else(|| Problem::new(100002))?;
        let (name, missing) = if by_code { ("code", 100005) } else { ("refresh_token", 100006) };
        let proof = query.text(name).ok_or_else(|| Problem::new(missing))?;
        let app = self.apps.get(client_id).ok_or_else(|| Problem::new(100008))?;
        ensure(app.client_secret == secret, 100009)?;
        if !by_code {
            let grant = self.spend_refresh_token(client_id, proof)?;
            return self.issue(grant, named, now);
        }
        let redirect_uri = query.text("redirect_uri").unwrap_or_default();
        let grant = self.spend_code(client_id, proof, redirect_uri, now)?;
        let issued = self.issue(grant, named, now)?;
        if let Some(code) = self.codes.get_mut(proof) {
            code.issued = Some(issued.access_token.clone());
        }
        Ok(issued)
    }

    fn spend_code(
        &mut self,
        client_id: &str,
        code: &str,
        redirect_uri: &str,
        now: Timestamp,
    ) -> Result<Grant, Problem> {
        let unknown = Problem::new(self.rules.unknown_code);
        let code = self.codes.get_mut(code).filter(|code| code.grant.client_id == client_id && now < code.expires_at);
        let code = code.ok_or(unknown)?;
        if code.redirect_uri != redirect_uri {
            code.spent |= self.rules.mismatch_spends_code;
            return Err(Problem::new(100010));
        }
        if code.spent {
            let issued = code.issued.as_ref().filter(|_| self.rules.reuse_revokes);
            if let Some(token) = issued.and_then(|token| self.tokens.get_mut(token)) {
                token.revoked = true;
            }
            return Err(Problem::new(100020));
        }
        code.spent = true;
        Ok(code.grant.clone())
    }

    fn spend_refresh_token(&mut self, client_id: &str, token: &str) -> Result<Grant, Problem> {
        let known =
            self.refresh_tokens.get_mut(token).filter(|token| token.grant.client_id == client_id && !token.spent);
        let token = known.ok_or_else(|| Problem::new(100021))?;
        token.spent = true;
        Ok(token.grant.clone())
    }

    fn issue(&mut self, grant: Grant, named: Option<&str>, now: Timestamp) -> Result<Issued, Problem> {
        let access_token = named.map_or_else(|| fresh(100021), |name| Ok(name.to_owned()))?;
        let refresh_token = fresh(100022)?;
        let openid = model::openid(&grant.user, &grant.client_id);
        let expires_at = now.plus(self.rules.token_lifetime());
        self.refresh_tokens.insert(refresh_token.clone(), Refresh { grant: grant.clone(), spent: false });
        self.tokens.insert(access_token.clone(), Token { grant, expires_at, revoked: false });
        Ok(Issued { access_token, refresh_token, seconds: self.rules.token_seconds, openid })
    }

    /// Issues a token without a login, for any app: what somebody would try to log in here with.
    pub(super) fn mint(&mut self, client_id: &str, user: &str, now: Timestamp) -> Result<Issued, Problem> {
        let app = self.apps.get(client_id).ok_or_else(|| Problem::new(100008))?;
        ensure(self.users.contains_key(user), 100018)?;
        let grant = Grant { client_id: client_id.to_owned(), user: user.to_owned(), scope: app.scopes.clone() };
        self.issue(grant, None, now)
    }

    /// Whom a token speaks for.
    pub(super) fn me(&self, query: &Query, now: Timestamp) -> Result<Me, Problem> {
        let token = query.text("access_token").ok_or_else(|| Problem::new(100007))?;
        let token = self.tokens.get(token).ok_or_else(|| Problem::new(self.rules.unknown_token))?;
        ensure(!token.revoked, 100015)?;
        ensure(now < token.expires_at, 100014)?;
        let Grant { client_id, user, .. } = &token.grant;
        let app = self.apps.get(client_id).ok_or_else(|| Problem::new(100008))?;
        let unionid = match query.text("unionid") {
            Some("1") if !app.unionid => return Err(Problem::new(100048)),
            Some("1") => Some(model::unionid(user, &app.developer)),
            _ => None,
        };
        Ok(Me { client_id: client_id.clone(), openid: model::openid(user, client_id), unionid })
    }

    /// What is known of the user whom token, app and openid agree on.
    pub(super) fn user_info(&self, query: &Query, now: Timestamp) -> Result<Info, Problem> {
        let token = query.text("access_token").ok_or_else(|| Problem::new(100007))?;
        let token = self.tokens.get(token).ok_or_else(|| Problem::new(-23))?;
        ensure(!token.revoked && now < token.expires_at, self.rules.dead_token)?;
        let Grant { client_id, user, scope } = &token.grant;
        let openid = model::openid(user, client_id);
        let asked_by = query.text("oauth_consumer_key").or_else(|| query.text("appid"));
        ensure(asked_by == Some(client_id) && query.text("openid") == Some(&openid), -1)?;
        ensure(scope.iter().any(|api| api == "get_user_info"), 100030)?;
        let user = self.users.get(user).ok_or_else(|| Problem::new(-1))?;
        Ok(Info { client_id: client_id.clone(), openid, user: user.clone() })
    }

    /// Whether scheme, host, port and path are those of a registered callback. A query may be added, a fragment may not.
    fn is_registered(&self, app: &App, redirect_uri: &str) -> bool {
        let is_plain = redirect_uri.bytes().all(|byte| byte.is_ascii_graphic()) && !redirect_uri.contains('#');
        let Some(url) = Url::parse(redirect_uri).ok().filter(|_| is_plain && redirect_uri.len() <= REDIRECT_URI_BYTES)
        else {
            return false;
        };
        if self.rules.strict_host && (url.port().is_some() || url.host_str() == Some("localhost")) {
            return false;
        }
        let registered = app.callbacks.split(';').filter_map(|callback| Url::parse(callback.trim()).ok());
        let parts = |url: &Url| (url.origin(), url.path().to_owned());
        url.has_host() && registered.into_iter().any(|callback| parts(&callback) == parts(&url))
    }
}

fn ensure(holds: bool, number: i64) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::new(number)) }
}

/// A random code or token: 32 upper-case hexadecimal digits. Without randomness, an error of this number.
fn fresh(number: i64) -> Result<String, Problem> {
    random::token_128().map(|token| token.to_ascii_uppercase()).map_err(|_| Problem::new(number))
}
