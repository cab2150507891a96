//! A limit on silence, which costs a timer only once there is silence, and no more than one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Fires after `limit` of silence. Its timer is set once and looked at again when it fires: silences come and go with
/// every request, and setting a timer for each would cost more than the rest of the request's bookkeeping.
#[derive(Debug)]
pub struct IdleLimit {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    since: Option<Instant>,
}

/// What was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was silent for too long.
    Silence,
    /// The time for all of it was over.
    Time,
}

impl IdleLimit {
    /// A limit that is not running yet.
    pub fn new(limit: Duration) -> Self {
        IdleLimit { limit, timer: None, since: None }
    }

    /// Something came: the silence, if there was one, is over.
    pub fn heard(&mut self) {
        self.since = None;
    }

    /// Whether there is silence.
    pub fn is_running(&self) -> bool {
        self.since.is_some()
    }

    /// Nothing has come; ready once that has been so for too long.
    pub fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.poll_until(cx, since + self.limit)
    }

    /// Another limit, for who uses it next.
    pub fn set(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// As [`IdleLimit::poll_silence`], but that there may be a time at which all has to be over, silence or not.
    pub fn poll_silence_until(&mut self, cx: &mut Context<'_>, until: Option<Instant>) -> Poll<Ended> {
        let silent = *self.since.get_or_insert_with(Instant::now) + self.limit;
        match until.filter(|until| *until < silent) {
            Some(until) => self.poll_until(cx, until).map(|()| Ended::Time),
            None => self.poll_until(cx, silent).map(|()| Ended::Silence),
        }
    }

    /// Waits, by the same timer, for another deadline than the limit's own. It may be a later one each time.
    pub fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn once(poll: impl FnOnce(&mut Context<'_>) -> Poll<()>) -> bool {
        let mut poll = Some(poll);
        poll_fn(|cx| Poll::Ready(poll.take().unwrap()(cx).is_ready())).await
    }

    #[tokio::test]
    async fn a_silence_ends_at_its_own_deadline_whatever_the_timer_was_set_to_before() {
        let (long, short) = (Duration::from_secs(3600), Duration::from_millis(20));
        let mut limit = IdleLimit::new(short);
        let until = Instant::now() + long;
        assert!(!once(|cx| limit.poll_until(cx, until)).await);
        for _ in 0..2 {
            let began = Instant::now();
            poll_fn(|cx| limit.poll_silence(cx)).await;
            assert!(limit.is_running() && began.elapsed() >= short, "{:?}", began.elapsed());
            limit.heard();
            assert!(!limit.is_running());
        }
        // The timer has fired before this deadline, and is set anew.
        let deadline = Instant::now() + short;
        poll_fn(|cx| limit.poll_until(cx, deadline)).await;
        assert!(Instant::now() >= deadline);
    }
}
