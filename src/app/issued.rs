//! What is said of certificates that were asked for.

use std::error::Error as _;
use std::time::Duration;

use crate::acme::Outcome;
use crate::telemetry::metrics::Metrics;

/// Visitors are close to being kept out.
const SHORT: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn tell(outcome: &Outcome, metrics: &Metrics) {
    match outcome {
        Outcome::Issued(validity) => {
            metrics.certificate_ordered("issued");
            let (names, not_after) = (&validity.names, validity.not_after);
            tracing::info!(?names, %not_after, "a certificate was issued: clients are shown it from now on");
        }
        Outcome::Failed { name, error, next_in, lasts } => {
            metrics.certificate_ordered("failed");
            let cause = error.source().map(tracing::field::display);
            match lasts {
                Some(lasts) if *lasts > SHORT => tracing::warn!(
                    name, %error, cause, ?next_in, ?lasts, "a certificate could not be renewed: the old one is shown"
                ),
                lasts => tracing::error!(
                    name, %error, cause, ?next_in, ?lasts,
                    "a certificate could not be issued: visitors of this name are kept out, or soon will be"
                ),
            }
        }
    }
}
