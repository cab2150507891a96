//! Every way to log in: the contract's first, then the further providers in the configuration's order.

use std::sync::Arc;

use super::Login;

/// One for each provider. Each has its own limits, its own breaker and its own spent states.
#[derive(Debug, Clone)]
pub struct Logins {
    first: Arc<Login>,
    further: Vec<Arc<Login>>,
}

impl Logins {
    /// `first`: the one that the contract's endpoints are for.
    pub fn new(first: Arc<Login>, further: Vec<Arc<Login>>) -> Self {
        Logins { first, further }
    }

    /// The contract's.
    pub fn first(&self) -> &Arc<Login> {
        &self.first
    }

    /// By its place; 0 is the contract's.
    pub fn at(&self, place: usize) -> Option<&Arc<Login>> {
        self.iter().nth(place)
    }

    /// By its provider's name.
    pub fn with(&self, provider: &str) -> Option<&Arc<Login>> {
        self.iter().find(|login| login.provider().id().as_str() == provider)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Login>> {
        std::iter::once(&self.first).chain(&self.further)
    }

    /// Ready once no exchange is under way anywhere; none begins any more.
    pub async fn end(&self) {
        for login in self.iter() {
            login.end().await;
        }
    }
}
