//! The ids QQ knows a user by.

use std::fmt;

use super::answer::Members;
use super::errors::Fault;
use crate::rule::{self, Rule};

/// A user's id at one QQ app: 32 hexadecimal digits, upper case.
///
/// QQ has only ever been seen to print them in upper case. The digits spell 16 bytes, so another case is the same id:
/// were it kept as sent, one person could come to have two keys, and so two accounts. An import has to go through
/// [`OpenId::parse`] too.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenId(String);

impl OpenId {
    /// The id with exactly these 32 hexadecimal digits, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        is_hex_32(text).then(|| OpenId(text.to_ascii_uppercase()))
    }

    /// The 32 digits, upper case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 32 digits, upper case.
    pub fn into_string(self) -> String {
        self.0
    }

    pub(super) fn of(members: &Members) -> Result<Self, Fault> {
        members.text("openid").and_then(OpenId::parse).ok_or(Fault::Malformed("openid is not 32 hexadecimal digits"))
    }
}

impl fmt::Display for OpenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether the token was issued to us. To be asked before anything else is believed: a token that another app was given
/// proves nothing here (RFC 6749, 10.16).
pub(super) fn check_client(members: &Members, ours: &str) -> Result<(), Fault> {
    match members.text("client_id") {
        Some(issued_to) if issued_to == ours || !rule::holds(Rule::AccessTokensAreOurApps) => Ok(()),
        Some(_) => Err(Fault::ForeignClient),
        None => Err(Fault::Malformed("client_id is missing or not text")),
    }
}

/// The unionid, `UID_` and 32 hexadecimal digits, if QQ gave one. Like the openid it becomes a key, in one spelling.
pub(super) fn unionid(members: &Members) -> Result<Option<String>, Fault> {
    if !members.has("unionid") {
        return Ok(None);
    }
    let digits = members.text("unionid").and_then(|text| text.strip_prefix("UID_")).filter(|digits| is_hex_32(digits));
    let digits = digits.ok_or(Fault::Malformed("unionid is not UID_ and 32 hexadecimal digits"))?;
    Ok(Some(format!("UID_{}", digits.to_ascii_uppercase())))
}

fn is_hex_32(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_openid_is_32_hexadecimal_digits_in_one_spelling() {
        let id = OpenId::parse("1a376ce57476A73F2FCA3BE9D5397DFC").unwrap();
        assert_eq!(id.as_str(), "1A376CE57476A73F2FCA3BE9D5397DFC");
        for bad in ["", "1A376CE57476A73F2FCA3BE9D5397DF", "1A376CE57476A73F2FCA3BE9D5397DFC0", "None"] {
            assert_eq!(OpenId::parse(bad), None, "{bad}");
        }
        assert_eq!(OpenId::parse("1A376CE57476A73F2FCA3BE9D5397DFG"), None);
        assert_eq!(OpenId::parse("1A376CE57476A73F2FCA3BE9D53９7DF"), None);
    }
}
