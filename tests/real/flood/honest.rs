//! Somebody honest, from this machine's usual address.

use std::fmt;
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

use crate::backends::Proxy;

/// Between two logins.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks and logs in, and looks at the clock.
pub(super) struct Honest<'p>(&'p Proxy);

/// What somebody honest met.
pub(super) struct Met {
    logins: usize,
    requests: usize,
    /// For one request, a login's whole way being several of them.
    pub(super) longest: Duration,
}

impl<'p> Honest<'p> {
    pub(super) fn at(proxy: &'p Proxy) -> Self {
        Honest(proxy)
    }

    /// Comes again and again, for so long, and more slowly than the limits of an address allow.
    pub(super) fn stays(&self, time: Duration) -> Met {
        let begun = Instant::now();
        let mut met = Met { logins: 0, requests: 0, longest: Duration::ZERO };
        while begun.elapsed() < time {
            self.come(&mut met);
            thread::sleep(PAUSE);
        }
        met
    }

    /// Asks for one page.
    pub(super) fn asks(&self) {
        assert_eq!(self.0.browser().visit("/").text(), "hello");
    }

    fn come(&self, met: &mut Met) {
        let browser = self.0.browser();
        let mut timed = |ask: &dyn Fn()| {
            let begun = Instant::now();
            ask();
            met.longest = met.longest.max(begun.elapsed());
        };
        timed(&|| assert_eq!(browser.visit("/").text(), "hello"));
        timed(&|| drop(browser.log_in("10001")));
        timed(&|| assert_eq!(browser.visit("/").text(), "hello"));
        timed(&|| assert!(browser.user_id().is_some()));
        met.logins += 1;
        met.requests += 3;
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Met { logins, requests, longest } = self;
        write!(f, "{logins} honest logins and {requests} requests, the longest in {} ms", longest.as_millis())
    }
}
