//! Upgraded connections: bytes both ways until either side is done.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional_with_sizes;

/// For each direction.
const BUFFER: usize = 16 * 1024;

/// Joins the client's connection with the upstream's, once both have switched. A side that closes its half ends that
/// direction alone; an error ends both.
pub(super) fn spawn_tunnel(client: OnUpgrade, upstream: OnUpgrade) {
    tokio::task::spawn_local(async move {
        let (client, upstream) = match futures_util::try_join!(client, upstream) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "an upgrade did not come about");
                return;
            }
        };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        if let Err(error) = copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER).await {
            tracing::debug!(%error, "an upgraded connection broke off");
        }
    });
}
