//! What the remote control answers to `GET /`: a command for everything that can be made to go wrong.

use std::fmt::Write as _;

use serde_json::json;

use super::answer::Format;
use super::mangle::Mangle;
use super::redirect::CallbackFault;
use super::switch::{Effect, Endpoint, Switch};
use super::wire::WireFault;

const JSON: &str = "-H 'Content-Type: application/json'";

/// The help, with commands for the remote control at `address`.
pub(super) fn text(address: &str) -> String {
    let mut text = format!(
        "The remote control of the QQ simulator: has it fail on purpose.\n\
         QQ 模拟器的遥控器：想让它怎么出错，就发哪条命令。\n\n\
         Each switch works once; another number in \"times\", or none for until it is cleared.\n\
         每个开关只管一次；\"times\" 可以改成别的次数，去掉则一直有效，直到清除。\n\n\
         clear all switches, let held answers go / 清除所有开关，放行被扣住的应答\n  \
           curl -X DELETE http://{address}/switches\n\
         let held answers go, keep the switches / 只放行，不清除开关\n  \
           curl {JSON} -d '{{}}' http://{address}/release\n\
         what QQ was asked / QQ 被问过什么\n  \
           curl http://{address}/requests\n\
         QQ's clock, ten minutes ahead: codes run out / 把 QQ 的时钟拨快十分钟，授权码随之过期\n  \
           curl {JSON} -d '{{\"advance_seconds\":600}}' http://{address}/clock\n\
         another user / 加一个用户\n  \
           curl {JSON} -d '{{\"number\":\"10009\",\"nickname\":\"小九\"}}' http://{address}/users\n"
    );
    for switch in switches() {
        // A value in single quotes: none of ours holds one.
        let body = json!(switch);
        let _ = write!(
            text,
            "{}\n  curl {JSON} -d '{body}' http://{address}/switches\n",
            words(switch.endpoint, &switch.effect)
        );
    }
    text
}

/// One switch of every kind, each at an endpoint where it tells.
pub(super) fn switches() -> Vec<Switch> {
    let mut all = vec![
        Switch::once(Endpoint::Authorize, Effect::Error { number: 100_010, text: None }),
        Switch::once(Endpoint::Token, Effect::Error { number: 100_020, text: None }),
        Switch::once(Endpoint::Me, Effect::Error { number: 100_016, text: None }),
        Switch::once(Endpoint::UserInfo, Effect::Error { number: 1002, text: None }),
        Switch::once(Endpoint::Token, Effect::Format(Format::Native)),
        Switch::once(Endpoint::Token, Effect::Format(Format::Json)),
        Switch::once(Endpoint::Token, Effect::AccessToken("a+b".to_owned())),
        Switch::once(Endpoint::Me, Effect::ForeignClient("101000002".to_owned())),
        Switch::once(Endpoint::UserInfo, Effect::Nickname(String::new())),
        Switch::once(Endpoint::UserInfo, Effect::Avatar(String::new())),
    ];
    all.extend(callbacks().map(|fault| Switch::once(Endpoint::Approve, Effect::Callback(fault))));
    all.extend(wires().map(|fault| Switch::once(Endpoint::Token, Effect::Wire(fault))));
    all.extend(bodies().map(|mangle| {
        let endpoint = if is_of_the_token(&mangle) { Endpoint::Token } else { Endpoint::Me };
        Switch::once(endpoint, Effect::Body(mangle))
    }));
    all
}

fn callbacks() -> impl Iterator<Item = CallbackFault> {
    [
        CallbackFault::State("forged".to_owned()),
        CallbackFault::NoState,
        CallbackFault::NoCode,
        CallbackFault::TwoCodes,
        CallbackFault::UserCancel,
        CallbackFault::Error(100_044),
        CallbackFault::CodeAndMessage(100_044),
        CallbackFault::Twice,
    ]
    .into_iter()
}

fn wires() -> impl Iterator<Item = WireFault> {
    [
        WireFault::Hold,
        WireFault::Silence,
        WireFault::SlowHead(3000),
        WireFault::SlowBody(100),
        WireFault::CutBody,
        WireFault::CutChunk,
        WireFault::ResetBeforeHead,
        WireFault::ResetAfterHead,
        WireFault::Huge,
        WireFault::Endless,
        WireFault::GzipBomb,
        WireFault::Status(503),
        WireFault::Redirect("http://127.0.0.1:9/".to_owned()),
        WireFault::ContentType(None),
    ]
    .into_iter()
}

fn bodies() -> impl Iterator<Item = Mangle> {
    [
        Mangle::Replace("not at all".to_owned()),
        Mangle::Html,
        Mangle::OpenIdMissing,
        Mangle::OpenIdEmpty,
        Mangle::OpenIdLowerCase,
        Mangle::OpenIdTooLong,
        Mangle::OpenIdNumber,
        Mangle::OpenIdTwice,
        Mangle::ExpiresInNumber,
        Mangle::ExpiresInText,
        Mangle::ExpiresInMissing,
        Mangle::ExpiresInNegative,
        Mangle::ExpiresInHuge,
        Mangle::LineFeed,
        Mangle::NoLineFeed,
        Mangle::TwoLineFeeds,
        Mangle::CarriageReturn,
        Mangle::NoBlanks,
        Mangle::SeveralLines,
        Mangle::OtherCallback,
        Mangle::Unclosed,
        Mangle::NoSemicolon,
        Mangle::TextBefore,
        Mangle::TextAfter,
        Mangle::ParenthesisInValue,
        Mangle::ByteOrderMark,
        Mangle::BrokenUtf8,
        Mangle::ErrorPairs,
    ]
    .into_iter()
}

fn is_of_the_token(mangle: &Mangle) -> bool {
    matches!(
        mangle,
        Mangle::ExpiresInNumber
            | Mangle::ExpiresInText
            | Mangle::ExpiresInMissing
            | Mangle::ExpiresInNegative
            | Mangle::ExpiresInHuge
    )
}

/// What a switch does, for who reads the list.
fn words(endpoint: Endpoint, effect: &Effect) -> String {
    let (english, chinese) = match effect {
        Effect::Error { .. } => ("QQ answers with an error number", "QQ 回答一个错误码"),
        Effect::Format(_) => ("the answer's form, whatever was asked for", "不管要的是什么，都用这种格式回答"),
        Effect::AccessToken(_) => ("the token is this text", "签发的令牌就是这段文字"),
        Effect::ForeignClient(_) => ("the token is another application's", "令牌属于别的应用"),
        Effect::Nickname(_) => ("the user's name", "用户的昵称"),
        Effect::Avatar(_) => ("the user's picture", "用户的头像"),
        Effect::Callback(_) => ("the browser comes back in a way of its own", "浏览器回来时与众不同"),
        Effect::Body(_) => ("the body is spoilt", "应答内容被弄坏"),
        Effect::Wire(_) => ("the answer is spoilt on its way", "应答在路上出事"),
    };
    let at = match endpoint {
        Endpoint::Authorize => "authorize",
        Endpoint::Show => "login page",
        Endpoint::Approve => "user's answer",
        Endpoint::Token => "token",
        Endpoint::Me => "openid",
        Endpoint::UserInfo => "user info",
    };
    format!("{at}: {english} / {chinese}")
}
