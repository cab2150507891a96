//! Answers byte for byte as QQ gives them, before any switch has spoilt them.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::query::{self, Query};
use super::state::{Info, Issued, Me};

/// The two forms of an answer to `token` and `me`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// QQ's own: form pairs for a token, `callback( … );` for all else.
    Native,
    /// A bare object, as `fmt=json` asks for.
    Json,
}

impl Format {
    pub(super) fn asked_for(query: &Query) -> Self {
        if query.text("fmt") == Some("json") { Format::Json } else { Format::Native }
    }
}

/// The answer to a token call; `with_openid` is what `need_openid=1` asks for.
pub(super) fn token(issued: &Issued, with_openid: bool, format: Format) -> String {
    let Issued { access_token, refresh_token, seconds, openid } = issued;
    match format {
        Format::Native => {
            let [access, refresh] = [access_token, refresh_token].map(|token| query::encode(token.as_bytes()));
            let openid = if with_openid { format!("&openid={openid}") } else { String::new() };
            format!("access_token={access}&expires_in={seconds}&refresh_token={refresh}{openid}")
        }
        Format::Json => {
            let [access, refresh] = [access_token, refresh_token].map(|token| quoted(token));
            let openid = if with_openid { format!(r#","openid":"{openid}""#) } else { String::new() };
            // The number in quotes is QQ's: strict readers have fallen over it.
            format!(r#"{{"access_token":{access},"expires_in":"{seconds}","refresh_token":{refresh}{openid}}}"#)
        }
    }
}

/// The answer of `me`.
pub(super) fn me(me: &Me, format: Format) -> String {
    let Me { client_id, openid, unionid } = me;
    let unionid = unionid.as_ref().map_or_else(String::new, |unionid| format!(r#","unionid":"{unionid}""#));
    wrapped(&format!(r#"{{"client_id":{},"openid":"{openid}"{unionid}}}"#, quoted(client_id)), format)
}

/// An error of `token` or `me`.
pub(super) fn problem(problem: &Problem, format: Format) -> String {
    let Problem { number, text } = problem;
    wrapped(&format!(r#"{{"error":{number},"error_description":{}}}"#, quoted(text)), format)
}

fn wrapped(json: &str, format: Format) -> String {
    match format {
        Format::Native => format!("callback( {json} );\n"),
        Format::Json => json.to_owned(),
    }
}

/// An error of `get_user_info`.
pub(super) fn info_problem(problem: &Problem) -> String {
    format!(r#"{{"ret":{},"msg":{}}}"#, problem.number, quoted(&problem.text))
}

/// The answer of `get_user_info`, with QQ's own uneven spacing and escapes.
pub(super) fn info(info: &Info) -> String {
    let Info { client_id, openid, user } = info;
    let nickname = quoted(&user.nickname);
    let old = |size: u32| format!(r#""http:\/\/qzapp.qlogo.cn\/qzapp\/{client_id}\/{openid}\/{size}""#);
    let new = |size: u32| match &user.avatar {
        Some(avatar) => quoted(avatar),
        None => {
            format!(r#""http://thirdqq.qlogo.cn/g?b=oidb&k={}&s={size}&t=1""#, openid.get(..13).unwrap_or_default())
        }
    };
    format!(
        r#"{{
    "ret": 0,
    "msg": "",
    "is_lost":0,
    "nickname": {nickname},
    "gender": "男",
    "gender_type": 2,
    "province": "",
    "city": "",
    "year": "0",
    "constellation": "",
    "figureurl": {},
    "figureurl_1": {},
    "figureurl_2": {},
    "figureurl_qq_1": {},
    "figureurl_qq_2": {},
    "figureurl_qq": {},
    "figureurl_type": "1",
    "is_yellow_vip": "0",
    "vip": "0",
    "yellow_vip_level": "0",
    "level": "0",
    "is_yellow_year_vip": "0"
}}
"#,
        old(30),
        old(50),
        old(100),
        new(40),
        new(100),
        new(640),
    )
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
