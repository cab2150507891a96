//! Why a request's cookies prove no session, for an operator who asks.

use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;

use super::load::{CoreSessions, MAX_CANDIDATES, Wire, session_cookies};
use super::watch::Standing;
use crate::clock::Timestamp;
use crate::store::{UserId, UserState};

/// How long the store is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

impl CoreSessions {
    /// What keeps the session cookies of a request from proving a session, one reason for each cookie that has its own.
    pub async fn reasons(&self, headers: &HeaderMap, wire: &Wire, now: Timestamp) -> Vec<String> {
        let cookies: Vec<&[u8]> = session_cookies(headers, wire).collect();
        if cookies.is_empty() {
            return vec![format!("no cookie is called {}", wire.jar.session())];
        }
        let proven = cookies.iter().filter_map(|value| self.shared().prove_cookie(value, &wire.site));
        if proven.filter(|proof| proof.standing(now) != Standing::Revoked).nth(MAX_CANDIDATES).is_some() {
            return vec![format!("more than {MAX_CANDIDATES} cookies called {} prove a session", wire.jar.session())];
        }
        let (mut reasons, mut users) = (Vec::new(), Vec::new());
        for value in cookies {
            match self.user_of(value, wire, now).await {
                Ok(user) if users.contains(&user) => {}
                Ok(user) => users.push(user),
                Err(reason) if reasons.contains(&reason) => {}
                Err(reason) => reasons.push(reason),
            }
        }
        if let [first, second, ..] = users.as_slice() {
            reasons.push(format!("its cookies are of two users, {first} and {second}"));
        }
        reasons
    }

    /// The user of whom a cookie proves a session, or why it proves none.
    async fn user_of(&self, value: &[u8], wire: &Wire, now: Timestamp) -> Result<UserId, String> {
        let sessions = self.shared();
        let Some(proof) = sessions.prove_cookie(value, &wire.site) else {
            let mut others = wire.issuers.iter().filter(|issuer| **issuer != wire.site);
            return Err(match others.find(|site| sessions.prove_cookie(value, site).is_some()) {
                Some(site) => format!("its cookie is another site's: {site}"),
                None => "its cookie was sealed by none of this proxy's keys, or changed since".to_owned(),
            });
        };
        let (session, user) = (proof.snapshot.session, proof.snapshot.user);
        if proof.is_ahead(now) {
            return Err(format!("session {session} is dated ahead of this machine's clock"));
        }
        if proof.expires <= now {
            return Err(format!("session {session} of user {user} ran out at {}", proof.expires));
        }
        let standing = proof.watch.standing();
        if standing == Standing::Good {
            return Ok(user);
        }
        let store = Arc::clone(&sessions.store);
        match (tokio::time::timeout(PATIENCE, store.user(user)).await, standing) {
            (Ok(Ok(None)), _) => Err(format!("user {user} is no more")),
            (Ok(Ok(Some(known))), _) if known.state != UserState::Active => Err(format!("user {user} is blocked")),
            (_, Standing::Revoked) => Err(format!("session {session} of user {user} was ended")),
            // Changed, and good as it is now.
            (_, Standing::Good | Standing::Stale) => Ok(user),
        }
    }
}
