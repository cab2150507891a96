//! An upgraded connection that carries an identity goes on for as long as its session does, and not a moment longer; and
//! none outlasts the proxy.

use std::sync::Arc;

use super::{Gateway, Here};
use crate::rule::{self, Rule};
use crate::session::Proof;
use crate::upstream::{Farewell, Heard, Tunnel};

impl Gateway {
    /// Opens a tunnel. `proof`: the session that the upstream was told of, if any.
    pub(super) fn open(&self, tunnel: Tunnel, proof: Option<Arc<Proof>>, here: Here<'_>) {
        let heard = Heard::now(self.shared.clock.clone());
        let mut going_down = self.shared.going_down.clone();
        let going_down = async move {
            // An error means that the proxy is gone.
            drop(going_down.wait_for(|is_going_down| *is_going_down).await);
            Farewell::GoingAway
        };
        let Some(proof) = proof.filter(|_| rule::holds(Rule::TunnelsEndWithTheirSession)) else {
            return tunnel.open(heard, going_down);
        };
        let (sessions, last_heard) = (Arc::clone(&self.shared.sessions), heard.clone());
        let request_id = here.caller.id;
        tunnel.open(heard, async move {
            let why = tokio::select! {
                why = sessions.over(&proof, || last_heard.last()) => why,
                farewell = going_down => return farewell,
            };
            let session = proof.snapshot.session;
            tracing::info!(%request_id, %session, ?why, "an upgraded connection was closed: its session is over");
            Farewell::Policy
        });
    }
}
