//! What QQ sends the browser back with. Anybody can send a browser here, so nothing of it is believed yet.

use super::errors::{Step, Told};
use crate::login::provider::oauth::once;
use crate::login::provider::{Code, ProviderId, Returned};
use crate::rule::{self, Rule};

/// Reads the callback's query.
pub(super) fn read(provider: &ProviderId, query: &[(String, String)]) -> Returned {
    // A parameter that comes twice has no value: two readers would take different ones (RFC 6749, 3.1).
    let (Ok(cancel), Ok(error), Ok(code), Ok(message)) =
        (once(query, "usercancel"), once(query, "error"), once(query, "code"), once(query, "msg"))
    else {
        return Returned::Malformed;
    };
    if cancel.is_some_and(|value| !matches!(value, "" | "0")) {
        return Returned::Cancelled;
    }
    match (error, code, message) {
        // Nobody has seen QQ say it so; it means the same (RFC 6749, 4.1.2.1).
        (Some("access_denied"), _, _) => Returned::Cancelled,
        (Some(error), _, _) => refused(provider, error),
        // QQ's older pages tell an error as `code` and `msg`.
        (None, Some(number), Some(_)) => refused(provider, number),
        (None, Some(code), None) => {
            Code::parse(code).filter(|_| is_plain(code)).map_or(Returned::Malformed, Returned::Code)
        }
        (None, None, _) => Returned::Cancelled,
    }
}

/// QQ's codes are 32 hexadecimal digits wherever one has been seen. A text with quotes, brackets or the like is none, and
/// could make a filter before QQ drop the call, which would count as QQ's own silence (RFC 3986, 2.3: unreserved).
fn is_plain(code: &str) -> bool {
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    code.bytes().all(is_unreserved) || !rule::holds(Rule::CodesHaveAShape)
}

fn refused(provider: &ProviderId, error: &str) -> Returned {
    Returned::Refused(Told::text(error).refused_by(provider, Step::Authorize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returned(query: &str) -> String {
        let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        match read(&ProviderId::new("qq"), &pairs) {
            Returned::Code(code) => format!("code {}", code.expose()),
            Returned::Cancelled => "cancelled".into(),
            Returned::Refused(refused) => format!("refused {}", refused.code),
            Returned::Malformed => "malformed".into(),
        }
    }

    #[test]
    fn a_return_is_a_code_a_cancel_an_error_or_nothing_to_exchange() {
        let cases = [
            ("code=D8B56CC1DB5D416A32D7D383FEDF7C07&state=1", "code D8B56CC1DB5D416A32D7D383FEDF7C07"),
            ("a=1&a=2&code=abc&state=", "code abc"),
            ("usercancel=0&code=abc", "code abc"),
            ("usercancel=&code=abc", "code abc"),
            ("usercancel=1&state=x", "cancelled"),
            ("usercancel=1&code=abc", "cancelled"),
            ("usercancel=2", "cancelled"),
            ("", "cancelled"),
            ("state=x", "cancelled"),
            ("msg=x", "cancelled"),
            ("code=100010&msg=redirect+uri+is+illegal", "refused 100010"),
            ("code=100010&msg=", "refused 100010"),
            ("error=100010&error_description=redirect+uri+is+illegal", "refused 100010"),
            ("error=access_denied", "cancelled"),
            ("error=access_denied&code=abc", "cancelled"),
            ("error=<script>", "refused (not a name)"),
            ("error=a%0Ab", "refused (not a name)"),
            ("error=", "refused (not a name)"),
            ("code=abc&code=abc", "malformed"),
            ("code=abc&code=def&usercancel=1", "malformed"),
            ("error=1&error=2", "malformed"),
            ("code=", "malformed"),
            ("code=a%20b", "malformed"),
            ("code=a%00b", "malformed"),
            ("code=%E4%BB%A3", "malformed"),
            ("code=1'+or+'1'='1", "malformed"),
            ("code=%3Cscript%3E", "malformed"),
            ("code=a%2525b", "malformed"),
        ];
        for (query, expected) in cases {
            assert_eq!(returned(query), expected, "{query}");
        }
        assert_eq!(returned(&format!("code={}", "a".repeat(513))), "malformed");
    }

    #[test]
    fn a_refusal_says_what_the_number_means() {
        let pairs = [("error".to_owned(), "100010".to_owned())];
        let Returned::Refused(refused) = read(&ProviderId::new("qq"), &pairs) else { panic!("not a refusal") };
        assert!(
            refused.to_string().starts_with("qq refused at authorize: error 100010: redirect_uri is not a registered")
        );
    }
}
