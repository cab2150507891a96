//! What can be wrong with an answer, and QQ's error numbers (its page 公共返回码说明): the number decides, the text that
//! comes with it is never shown.

use crate::login::provider::calls::Failure;
use crate::login::provider::{Error, ProviderId, RefusedBy};

/// The endpoints, by QQ's own names for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Authorize,
    Token,
    OpenId,
    UserInfo,
}

impl Step {
    pub(super) fn name(self) -> &'static str {
        match self {
            Step::Authorize => "authorize",
            Step::Token => "token",
            Step::OpenId => "me",
            Step::UserInfo => "get_user_info",
        }
    }
}

/// Why an answer is no good, before it is known whose answer it is. Holds nothing that was sent or received but an
/// error number or a harmless error name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    Unavailable(String),
    Local(String),
    Busy(String),
    Refused { code: String, meaning: &'static str },
    Malformed(&'static str),
    ForeignClient,
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable(reason) => Fault::Unavailable(reason),
            Failure::Local(reason) => Fault::Local(reason),
            Failure::TooLong => Fault::Malformed("longer than 64 KiB"),
        }
    }
}

impl Fault {
    /// The same as the error of a provider.
    pub(super) fn at(self, provider: &ProviderId, step: Step) -> Error {
        let provider = provider.clone();
        match self {
            Fault::Unavailable(reason) => Error::Unavailable { provider, reason: format!("{}: {reason}", step.name()) },
            Fault::Local(reason) => Error::Local { provider, reason: format!("{}: {reason}", step.name()) },
            Fault::Busy(reason) => Error::Busy { provider, reason: format!("{}: {reason}", step.name()) },
            Fault::Refused { code, meaning } => RefusedBy { provider, step: step.name(), code, meaning }.into(),
            Fault::Malformed(reason) => Error::Malformed { provider, step: step.name(), reason },
            Fault::ForeignClient => Error::ForeignClient { provider },
        }
    }
}

/// An error QQ told, read.
pub(super) struct Told {
    kind: Kind,
    code: String,
    meaning: &'static str,
}

/// What a login can do about an error.
enum Kind {
    Refused,
    Busy,
    Unavailable,
}

impl Told {
    /// The error QQ means by a number.
    pub(super) fn number(number: i64) -> Self {
        let (kind, meaning) = explain(number);
        Told { kind, code: number.to_string(), meaning }
    }

    /// The error meant by a text: a number written out, or a name in the manner of RFC 6749, 5.2.
    pub(super) fn text(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            return Told::number(number);
        }
        // The text may have come from anybody and goes into a log line: only what looks like a name is repeated.
        let is_name = (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let code = if is_name { text } else { "(not a name)" };
        Told {
            kind: Kind::Refused,
            code: code.to_owned(),
            meaning: "QQ tells its errors by number: is this endpoint QQ's?",
        }
    }

    /// Whether it is no error at all: QQ's number 0.
    pub(super) fn is_success(&self) -> bool {
        self.code == "0"
    }

    /// As a refusal, whatever its kind: what was told through the browser has no other consequence.
    pub(super) fn refused_by(self, provider: &ProviderId, step: Step) -> RefusedBy {
        RefusedBy { provider: provider.clone(), step: step.name(), code: self.code, meaning: self.meaning }
    }
}

impl From<Told> for Fault {
    fn from(told: Told) -> Self {
        let Told { kind, code, meaning } = told;
        match kind {
            Kind::Refused => Fault::Refused { code, meaning },
            Kind::Busy => Fault::Busy(format!("error {code}: {meaning}")),
            Kind::Unavailable => Fault::Unavailable(format!("error {code}: {meaning}")),
        }
    }
}

fn explain(number: i64) -> (Kind, &'static str) {
    use Kind::{Busy, Refused, Unavailable};
    match number {
        -6 => (Busy, "called too often"),
        1001 => (Busy, "the service is busy"),

        // The configuration.
        100000 => (Refused, "response_type is missing or wrong"),
        100001 => (Refused, "client_id is missing or wrong: check client_id"),
        100002 => (Refused, "client_secret is missing or wrong: check client_secret"),
        100003 => (Refused, "the Authorization header is missing"),
        100004 => (Refused, "grant_type is missing or wrong"),
        100008 => (Refused, "there is no such appid: check client_id"),
        100009 => (Refused, "the appkey is wrong: check client_secret"),
        100010 => (
            Refused,
            "redirect_uri is not a registered callback: register it at connect.qq.com word for word (changes take up to \
             half an hour), or set redirect_uris to what is registered",
        ),
        100011 => (Refused, "the app is not online yet: only its developers' QQ accounts may log in"),
        100012 => (Refused, "the request was not a POST"),
        100030 => (Refused, "the user has not granted this API: check scope"),
        100031 => {
            (Refused, "the app has no right to this API: apply for it at connect.qq.com, or take it out of scope")
        }
        100044 => {
            (Refused, "the app is not the genuine one, or is under review and this QQ account is not a listed tester")
        }
        100048 => (
            Refused,
            "the app has no right to the unionid, and without it QQ gives no openid either: apply for it at \
             connect.qq.com, or set unionid = false",
        ),

        // The code.
        100005 => (Refused, "the code is missing"),
        100018 => (Refused, "the code could not be read: it may have expired (a code lives 10 minutes)"),
        100019 => (Refused, "the code could not be exchanged: it may have expired (a code lives 10 minutes)"),
        100020 => (Refused, "the code has been used before"),

        // The token.
        100006 => (Refused, "the refresh token is missing"),
        100007 => (Refused, "the access token is missing"),
        100013 => (Refused, "the access token is not valid: the user may have withdrawn it"),
        100014 => (Refused, "the access token has expired"),
        100015 => (Refused, "the access token has been revoked"),
        100016 => (Refused, "the access token did not pass the check"),
        100021 => (Refused, "no access token could be had: a refresh token works once"),
        100022 => (Refused, "no refresh token could be had"),
        -23 => (Refused, "the access token is not valid"),

        // The request for the name and the picture.
        -1 => (Refused, "the request's parameters are not valid"),
        -22 => (Refused, "the openid is not valid"),
        1002 => (Refused, "the user is not logged in"),

        // QQ's own affairs.
        100017 => (Unavailable, "QQ could not look up the appid"),
        100023..=100027 => (Unavailable, "QQ could not look up or store the user's permissions"),

        100028 => (Refused, "the parameter \"which\" is missing"),
        100029 => (Refused, "the HTTP request is not valid"),
        _ => (Refused, "QQ does not say what this number means"),
    }
}
