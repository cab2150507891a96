//! QQ's error numbers and the words it has been seen to send with them.

/// An error as QQ tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Problem {
    pub(super) number: i64,
    pub(super) text: String,
}

impl Problem {
    /// The number with QQ's own words, where they are known.
    pub(super) fn new(number: i64) -> Self {
        Problem { number, text: words(number).to_owned() }
    }
}

fn words(number: i64) -> &'static str {
    match number {
        // Seen in captures of real answers.
        -1 => "client request's parameters are invalid, invalid openid",
        -23 => "token is invalid",
        1002 => "请先登录",
        100001 => "param client_id is wrong or lost ",
        100005 => "param code is wrong or lost",
        100008 => "client id is illegal",
        100009 => "client secret is illegal",
        100010 => "redirect uri is illegal",
        100013 => "access token is illegal",
        100016 => "access token check failed",
        100019 => "code to access token error",
        100020 => "code is reused error",
        100030 => "this api without user authorization",
        100048 => "CompanyID not set",
        // By analogy: the numbers are documented, their words are not.
        100000 => "param response_type is wrong or lost",
        100002 => "param client_secret is wrong or lost",
        100004 => "param grant_type is wrong or lost",
        100006 => "param refresh_token is wrong or lost",
        100007 => "param access_token is wrong or lost",
        100011 => "app is not online",
        100014 => "access token is expired",
        100015 => "access token is revoked",
        100018 => "get code error",
        100021 => "get access token error",
        _ => "error",
    }
}
