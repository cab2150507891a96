//! A limit on silence, which costs a timer only once there is silence.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// Fires after `limit` of silence.
#[derive(Debug)]
pub struct IdleLimit {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_running: bool,
}

impl IdleLimit {
    /// A limit that is not running yet.
    pub fn new(limit: Duration) -> Self {
        IdleLimit { limit, timer: None, is_running: false }
    }

    /// Something came: the silence, if there was one, is over.
    pub fn heard(&mut self) {
        self.is_running = false;
    }

    /// Whether there is silence.
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// Nothing has come; ready once that has been so for too long.
    pub fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !self.is_running {
            self.is_running = true;
            timer.as_mut().reset(tokio::time::Instant::now() + limit);
        }
        timer.as_mut().poll(cx)
    }
}
