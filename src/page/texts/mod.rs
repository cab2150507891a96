//! What the pages say. One struct per language, so that a text that lacks its translation does not compile.

mod chinese;
mod english;

use std::borrow::Cow;

use crate::http::language::Language;

/// Every text, in one language.
#[derive(Debug)]
pub(super) struct Texts {
    pub(super) guarded_by: &'static str,
    /// Before and after an error's status; the request id follows.
    pub(super) quote_this: (&'static str, &'static str),

    pub(super) log_in: &'static str,
    pub(super) log_in_in_this_browser: &'static str,
    /// Before and after the provider's name.
    pub(super) log_in_with: (&'static str, &'static str),
    pub(super) log_out: &'static str,
    pub(super) stay: &'static str,
    pub(super) home: &'static str,
    pub(super) back: &'static str,
    pub(super) retry: &'static str,

    pub(super) retry_in_a_moment: &'static str,
    /// Before and after a number of seconds, never 1.
    pub(super) retry_in_seconds: (&'static str, &'static str),
    /// Before and after a number of minutes, never 1.
    pub(super) retry_in_minutes: (&'static str, &'static str),
    pub(super) retry_later: &'static str,

    pub(super) login_heading: &'static str,
    pub(super) login_invitation: &'static str,
    pub(super) password_stays_there: &'static str,
    pub(super) no_way_to_log_in: &'static str,

    pub(super) confirm_logout_heading: &'static str,
    /// Before and after the user's name.
    pub(super) logged_in_as: (&'static str, &'static str),
    pub(super) logged_out: Saying,

    pub(super) cancelled: Saying,
    pub(super) no_cookie: Saying,
    pub(super) no_cookie_causes_heading: &'static str,
    /// Another browser, cookies blocked, another host name.
    pub(super) no_cookie_causes: [&'static str; 3],
    /// A `Secure` cookie over http.
    pub(super) no_cookie_over_http: &'static str,
    pub(super) foreign_attempt: Saying,
    pub(super) expired_attempt: Saying,
    pub(super) used_attempt: Saying,

    pub(super) bad_request: Saying,
    pub(super) request_timeout: Saying,
    pub(super) login_needed: Saying,
    pub(super) forbidden: Saying,
    pub(super) blocked: Saying,
    pub(super) unknown_there: Saying,
    pub(super) foreign_origin: Saying,
    pub(super) not_found: Saying,
    pub(super) method_not_allowed: Saying,
    pub(super) target_too_long: Saying,
    pub(super) unknown_host: Saying,
    pub(super) sites_here: &'static str,
    pub(super) for_the_operator: &'static str,
    pub(super) pass_the_host_on: &'static str,
    pub(super) misdirected: Saying,
    pub(super) too_often: Saying,
    pub(super) login_failed: Saying,
    pub(super) internal: Saying,
    pub(super) bad_gateway: Saying,
    pub(super) login_unavailable: Saying,
    pub(super) overloaded: Saying,
    pub(super) maintenance: Saying,
    pub(super) gateway_timeout: Saying,
}

/// One thing to say, to people and to scripts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saying {
    /// `errmsg` in JSON: front ends show it as it stands.
    pub(super) errmsg: &'static str,
    pub(super) heading: &'static str,
    pub(super) body: &'static str,
}

impl Texts {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::Chinese => &chinese::TEXTS,
            Language::English => &english::TEXTS,
        }
    }

    /// When to try again. Rounded up: who comes back too early is turned away again.
    pub(super) fn retry_after(&self, seconds: u64) -> Cow<'static, str> {
        let minutes = seconds.div_ceil(60);
        let ((before, after), number) = match seconds {
            0..=1 => return Cow::Borrowed(self.retry_in_a_moment),
            2..=90 => (self.retry_in_seconds, seconds),
            91..=3600 => (self.retry_in_minutes, minutes),
            3601.. => return Cow::Borrowed(self.retry_later),
        };
        Cow::Owned(format!("{before}{number}{after}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_rounded_up_and_never_say_one_of_a_plural() {
        let english = |seconds| Texts::of(Language::English).retry_after(seconds).into_owned();
        assert_eq!(english(1), "Please try again in a moment.");
        assert_eq!(english(30), "Please try again in about 30 seconds.");
        assert_eq!(english(91), "Please try again in about 2 minutes.");
        assert_eq!(english(3600), "Please try again in about 60 minutes.");
        assert_eq!(english(u64::MAX), "Please try again later today.");
        assert_eq!(Texts::of(Language::Chinese).retry_after(30), "请在大约 30 秒后再试。");
    }
}
