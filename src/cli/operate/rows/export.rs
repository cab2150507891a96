//! What `menshen bindings export` wrote: a JSON object for each line.

use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;

use super::lines::Lines;
use super::{Numbered, Rows};
use crate::admin::{Identify, Row};
use crate::clock::Timestamp;
use crate::store::{IdentityKey, UserId, UserState};

pub(super) fn rows(input: impl Read + Send + 'static, identify: Arc<Identify>) -> Rows {
    Box::new(Lines::of(input).map(move |line| {
        let number = line.number;
        Numbered { line: number, row: line.whole().and_then(|text| row(&text, &*identify)) }
    }))
}

/// A line of `menshen bindings export`.
#[derive(Deserialize)]
struct Exported {
    provider: Option<String>,
    client_id: Option<String>,
    openid: String,
    unionid: Option<String>,
    created_at: Option<String>,
    user: Option<ExportedUser>,
}

#[derive(Deserialize)]
struct ExportedUser {
    id: String,
    state: Option<UserState>,
    upstream_id: Option<String>,
    username: Option<String>,
    display_name: Option<String>,
    avatar: Option<String>,
    created_at: Option<String>,
}

fn row(text: &str, identify: &Identify) -> Result<Row, String> {
    // serde's own words may quote what is in the line: the place has to do.
    let told = |error: serde_json::Error| format!("is no line of an export, at column {}", error.column());
    let exported: Exported = serde_json::from_str(text).map_err(told)?;
    let usual = identify(&exported.openid).ok_or("has an openid that is not 32 hexadecimal digits")?;
    let identity = IdentityKey {
        provider: exported.provider.unwrap_or(usual.provider),
        client_id: exported.client_id.unwrap_or(usual.client_id),
        subject: exported.openid,
    };
    let user = exported.user.ok_or("names no user")?;
    let id = user.id.parse::<UserId>().map_err(|_| "names a user by something that is no id")?;
    let row = Row {
        identity,
        user: Some(id),
        upstream_id: user.upstream_id,
        username: user.username,
        display_name: user.display_name,
        avatar: user.avatar,
        state: user.state,
        unionid: exported.unionid,
        created_at: time(exported.created_at.as_deref())?,
        user_created_at: time(user.created_at.as_deref())?,
    };
    row.checked(identify)
}

fn time(text: Option<&str>) -> Result<Option<Timestamp>, String> {
    text.map(|text| text.parse().map_err(|_| "has a time that is not like 2026-01-31T12:00:00Z".to_owned())).transpose()
}
