//! Accounts: whom an identity stands for.

use std::sync::Arc;

use crate::clock::{Clock, Timestamp};
use crate::login::provider::{Identity, ProviderId};
use crate::random::{self, NoRandomness};
use crate::rule::{self, Rule};
use crate::store::{self, IdentityKey, NewUser, Profile, SignedIn, Store, User, UserId, UserState};

/// What a user is called whose provider does not say.
fn nameless(provider: &ProviderId) -> &'static str {
    if provider.as_str() == "qq" { "QQ用户" } else { "用户" }
}

/// Why nobody was signed in.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignInError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The user may not log in.
    #[error("user {0} is blocked")]
    Blocked(UserId),
    /// No random bytes for an id.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// The users and the identities bound to them.
#[derive(Clone)]
pub struct Accounts {
    store: Arc<dyn Store>,
    /// How long a session can live: so long must a change to its user be remembered.
    session_lifetime: std::time::Duration,
}

impl Accounts {
    /// `session_lifetime`: the longest a session lasts.
    pub fn new(store: Arc<dyn Store>, session_lifetime: std::time::Duration) -> Self {
        Accounts { store, session_lifetime }
    }

    /// The user an identity is bound to; on first sight both are made, and are on disk when this returns.
    pub async fn sign_in(
        &self,
        provider: &ProviderId,
        identity: Identity,
        clock: &Clock,
    ) -> Result<(SignedIn, IdentityKey), SignInError> {
        let now = clock.now();
        let key = IdentityKey {
            provider: provider.as_str().to_owned(),
            client_id: identity.client_id,
            subject: identity.subject,
        };
        let profile = Profile { display_name: identity.display_name, avatar: identity.avatar };
        let signed_in = match self.store.find_user(&key).await? {
            Some(user) => SignedIn { user: self.take_over(user, profile, now).await, created: false },
            None => {
                let new = NewUser {
                    id: UserId::new(now, &random::bytes()?),
                    display_name: profile.display_name.unwrap_or_else(|| nameless(provider).to_owned()),
                    avatar: profile.avatar,
                    unionid: identity.unionid,
                };
                self.store.create_bound(&key, new, now).await?
            }
        };
        match signed_in.user.state {
            UserState::Blocked if rule::holds(Rule::BlockedUsersDoNotLogIn) => {
                Err(SignInError::Blocked(signed_in.user.id))
            }
            UserState::Active | UserState::Blocked => Ok((signed_in, key)),
        }
    }

    /// A new nickname is no reason to keep anybody out: if it cannot be stored, the old one serves.
    async fn take_over(&self, user: User, profile: Profile, now: Timestamp) -> User {
        let is_new = |new: &Option<String>, old: Option<&String>| new.as_ref().is_some_and(|new| Some(new) != old);
        let has_changed =
            is_new(&profile.display_name, Some(&user.display_name)) || is_new(&profile.avatar, user.avatar.as_ref());
        if !has_changed {
            return user;
        }
        match self.store.update_profile(user.id, profile, now, now.plus(self.session_lifetime)).await {
            Ok(user) => user,
            Err(error) => {
                tracing::warn!(%error, user = %user.id, "a user's new name could not be stored");
                user
            }
        }
    }
}

impl std::fmt::Debug for Accounts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accounts")
    }
}
