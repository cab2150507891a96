//! An upgraded connection that carries an identity goes on for as long as its session does, and not a moment longer.

use std::future::pending;
use std::sync::Arc;

use super::{Gateway, Here};
use crate::rule::{self, Rule};
use crate::session::Proof;
use crate::upstream::{Heard, Tunnel};

impl Gateway {
    /// Opens a tunnel. `proof`: the session that the upstream was told of, if any.
    pub(super) fn open(&self, tunnel: Tunnel, proof: Option<Arc<Proof>>, here: Here<'_>) {
        let heard = Heard::now(self.shared.clock.clone());
        let Some(proof) = proof.filter(|_| rule::holds(Rule::TunnelsEndWithTheirSession)) else {
            return tunnel.open(heard, pending());
        };
        let (sessions, last_heard) = (Arc::clone(&self.shared.sessions), heard.clone());
        let request_id = here.caller.id;
        tunnel.open(heard, async move {
            let why = sessions.over(&proof, || last_heard.last()).await;
            let session = proof.snapshot.session;
            tracing::info!(%request_id, %session, ?why, "an upgraded connection was closed: its session is over");
        });
    }
}
