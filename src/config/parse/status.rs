//! Statuses of answers (RFC 9110, 15).

use std::ops::RangeInclusive;

use http::StatusCode;

use crate::config::error::Remark;

/// `200`, or `200-399`.
pub(in crate::config) fn range(text: &str) -> Result<RangeInclusive<u16>, Remark> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let status = |text: &str| text.trim().parse::<u16>().ok().filter(|status| (200..=599).contains(status));
    match (status(first), status(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err(Remark::expected("a status from 200 to 599, or two with a hyphen between: \"200-399\"")
            .so("no answer could be told to be good or bad by it")
            .fix("\"200-299\" for success alone")),
    }
}

/// A status that stands for no answer at all.
pub(in crate::config) fn failure(text: &str) -> Result<StatusCode, Remark> {
    let status = text.parse::<u16>().ok().and_then(|status| StatusCode::from_u16(status).ok());
    status.filter(StatusCode::is_server_error).ok_or_else(|| {
        Remark::expected("a status from 500 to 599, such as \"502\" or \"503\"")
            .so("any other is an answer, and is passed on as it comes")
            .fix("[\"502\", \"503\", \"504\"]")
    })
}
