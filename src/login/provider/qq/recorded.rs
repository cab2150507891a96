//! The recorded and the hostile answers of `tests/data/qq`, and what each must come to.
//!
//! A file's name begins with the endpoint it answers for. The good, refused and malformed ones are shapes seen in real
//! traffic or one step away from them; the hostile ones are what somebody would try.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::answer::Members;
use super::errors::{Fault, Step};
use super::openid::{self, OpenId};
use super::profile::Profile;

const TOKEN: &str = "token FE04A1B2C3D4E5F60718293A4B5CCCE2";
const OPENID: &str = "openid 1A376CE57476A73F2FCA3BE9D5397DFC";
const WITH_UNIONID: &str = "openid 1A376CE57476A73F2FCA3BE9D5397DFC UID_3C62A1B2C3D4E5F60718293A4B5CF497";
const LARGE: &str = "https://thirdqq.qlogo.cn/g?b=oidb&k=abc&s=100&t=1";
const SMALL: &str = "https://thirdqq.qlogo.cn/g?b=oidb&k=abc&s=40&t=1";

/// Every file that does not come to "malformed": those of `malformed/` do all, and of `hostile/` all not named here.
fn expected() -> Vec<(&'static str, String)> {
    let cases = [
        ("good/token-form", TOKEN),
        ("good/token-form-line-feed-after-token", TOKEN),
        ("good/token-form-without-refresh", TOKEN),
        ("good/token-form-with-openid", TOKEN),
        ("good/token-form-encoded", "token A+&#%"),
        ("good/token-json", TOKEN),
        ("good/token-json-openid", TOKEN),
        ("good/token-json-number", TOKEN),
        ("good/token-json-negative-life", TOKEN),
        ("good/token-json-huge-life", TOKEN),
        ("good/token-json-without-life", TOKEN),
        ("good/token-json-special", "token +&#%"),
        ("good/token-json-error-zero", TOKEN),
        ("good/token-jsonp", TOKEN),
        ("good/me-jsonp", OPENID),
        ("good/me-jsonp-no-line-feed", OPENID),
        ("good/me-jsonp-two-line-feeds", OPENID),
        ("good/me-jsonp-carriage-return", OPENID),
        ("good/me-jsonp-no-blanks", OPENID),
        ("good/me-jsonp-no-semicolon", OPENID),
        ("good/me-jsonp-several-lines", OPENID),
        ("good/me-jsonp-parenthesis-in-value", OPENID),
        ("good/me-jsonp-unionid", WITH_UNIONID),
        ("good/me-json", OPENID),
        ("good/me-json-unionid", WITH_UNIONID),
        ("good/me-json-byte-order-mark", OPENID),
        ("good/me-json-lower-case", OPENID),
        ("good/info", &format!("小明 {LARGE}")),
        ("good/info-no-large-picture", &format!("小明 {SMALL}")),
        ("good/info-emoji", &format!("👨‍👩‍👧 快乐😀 {LARGE}")),
        ("good/info-empty-name", "- -"),
        ("refused/token-used-jsonp", "refused 100020"),
        ("refused/token-callback-json", "refused 100010"),
        ("refused/token-secret-text", "refused 100009"),
        ("refused/token-form-code-msg", "refused 100020"),
        ("refused/token-form-error", "refused 100019"),
        ("refused/token-named", "refused invalid_grant"),
        ("refused/token-error-beside-token", "refused 100020"),
        ("refused/token-unknown-number", "refused 999999"),
        ("refused/me-check-failed", "refused 100016"),
        ("refused/me-illegal", "refused 100013"),
        ("refused/me-unionid", "refused 100048"),
        ("refused/me-busy", "busy error -6: called too often"),
        ("refused/me-own-trouble", "unavailable error 100024: QQ could not look up or store the user's permissions"),
        ("refused/info-openid", "refused -1"),
        ("refused/info-token", "refused -23"),
        ("refused/info-login", "refused 1002"),
        ("refused/info-authorization", "refused 100030"),
        ("refused/info-busy", "busy error 1001: the service is busy"),
        ("hostile/token-error-name", "refused (not a name)"),
        ("hostile/me-foreign-client", "foreign"),
        ("hostile/me-foreign-client-and-bad-openid", "foreign"),
        ("hostile/info-script", "<script>alert(1)</script> -"),
        ("hostile/info-control", "ab -"),
        ("hostile/info-long-name", &format!("{} -", "名".repeat(64))),
        ("hostile/info-odd-types", "- -"),
        ("hostile/info-two-verdicts", "refused -1"),
    ];
    cases.into_iter().map(|(name, result)| (name, result.to_owned())).collect()
}

#[test]
fn every_recorded_answer_comes_to_what_it_must() {
    let expected = expected();
    let mut met = BTreeSet::new();
    for (name, path) in answers() {
        let wanted = expected.iter().find(|(listed, _)| *listed == name);
        met.extend(wanted.map(|(listed, _)| *listed));
        let came_to = read(&name, &fs::read(&path).unwrap());
        match wanted {
            Some((_, wanted)) => assert_eq!(&came_to, wanted, "{name}"),
            None => assert!(came_to.starts_with("malformed: "), "{name} came to {came_to}"),
        }
    }
    assert_eq!(met.len(), expected.len(), "an answer is listed whose file is gone");
}

/// What an answer comes to, in a line.
fn read(name: &str, body: &[u8]) -> String {
    let result = match name.split(['/', '-']).nth(1) {
        Some("token") => Members::read(Step::Token, body)
            .and_then(|members| members.access_token())
            .map(|token| format!("token {}", token.expose())),
        Some("me") => Members::read(Step::OpenId, body).and_then(|members| {
            openid::check_client(&members, "101000001")?;
            let unionid = openid::unionid(&members)?;
            let openid = OpenId::of(&members)?;
            Ok(unionid.map_or_else(|| format!("openid {openid}"), |unionid| format!("openid {openid} {unionid}")))
        }),
        Some("info") => Members::read(Step::UserInfo, body).map(|members| {
            let Profile { display_name, avatar } = Profile::of(&members);
            format!("{} {}", display_name.as_deref().unwrap_or("-"), avatar.as_deref().unwrap_or("-"))
        }),
        _ => panic!("{name} does not say which endpoint it answers for"),
    };
    result.unwrap_or_else(|fault| match fault {
        Fault::Unavailable(reason) => format!("unavailable {reason}"),
        Fault::Local(reason) => format!("local {reason}"),
        Fault::Busy(reason) => format!("busy {reason}"),
        Fault::Refused { code, .. } => format!("refused {code}"),
        Fault::Malformed(reason) => format!("malformed: {reason}"),
        Fault::ForeignClient => "foreign".to_owned(),
    })
}

/// Every file below `tests/data/qq`, by its folder and name.
fn answers() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/qq");
    let mut found = Vec::new();
    for kind in ["good", "refused", "malformed", "hostile"] {
        for entry in fs::read_dir(root.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            found.push((format!("{kind}/{}", path.file_stem().unwrap().to_str().unwrap()), path));
        }
    }
    found
}
