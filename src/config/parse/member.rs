//! One of an upstream's endpoints: where it listens, and its weight.

use super::address;
use crate::config::error::Remark;
use crate::config::tree::quoted;
use crate::upstream::Member;

/// The greatest weight.
const MOST: u32 = 100;

/// `http://host:port`, or that and ` weight=3`.
pub(in crate::config) fn parse(text: &str) -> Result<Member, Remark> {
    let (at, rest) = text.trim().split_once(char::is_whitespace).unwrap_or((text, ""));
    // Paths may hold blanks.
    if rest.is_empty() || at.starts_with("unix:") && !rest.contains("weight=") {
        return Ok(Member { endpoint: address::endpoint(text)?, weight: 1 });
    }
    let Some((at, weight)) = text.rsplit_once(" weight=") else {
        let remark = Remark::expected("an address, and nothing behind it but its weight");
        let remark = remark.so("what stands there would be lost");
        return Err(remark.fix(quoted(&format!("{at} weight=2"))));
    };
    let weight = weight.parse().ok().filter(|weight| (1..=MOST).contains(weight)).ok_or_else(|| {
        Remark::new(format!("expected a weight from 1 to {MOST}"))
            .so("what share of the requests it gets could not be told")
            .fix(format!("{}; to give it none, remove it", quoted(&format!("{} weight=2", at.trim()))))
    })?;
    Ok(Member { endpoint: address::endpoint(at.trim())?, weight })
}
