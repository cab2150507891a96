//! What the simulator was asked: every request, with its query, so that a test can say what must not have been sent.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::watch;

use super::switch::Endpoint;
use crate::clock::Timestamp;

/// How many requests are remembered; older ones are forgotten.
const REMEMBERED: usize = 10_000;

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Request {
    /// When it came, in milliseconds, by the simulator's clock.
    pub at: Timestamp,
    /// The endpoint it came to.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, as sent.
    pub query: String,
    /// Its headers, in order; what is not text is shown as text can.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

/// The requests so far.
pub(super) struct RequestLog {
    requests: Mutex<VecDeque<Request>>,
    /// Changes with each request, for whoever waits for one.
    changed: watch::Sender<()>,
}

impl RequestLog {
    pub(super) fn new() -> Self {
        RequestLog { requests: Mutex::default(), changed: watch::Sender::new(()) }
    }

    pub(super) fn push(&self, request: Request) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() == REMEMBERED {
            requests.pop_front();
        }
        requests.push_back(request);
        drop(requests);
        self.changed.send_replace(());
    }

    pub(super) fn all(&self) -> Vec<Request> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn count(&self, endpoint: Endpoint) -> usize {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// Waits until the endpoint has been asked so many times.
    pub(super) async fn reached(&self, endpoint: Endpoint, count: usize) {
        let mut changed = self.changed.subscribe();
        while self.count(endpoint) < count {
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }
}
