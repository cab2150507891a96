//! `menshen audit`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use serde_json::{Map, Value, json};

use super::{Operator, Which, run, shown, unexpected};
use crate::admin::{Operation, PAGE, Reply};
use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::store::{AuditEntry, AuditPage, AuditPosition, UserId};

/// Which part of the trail, and how it is shown.
#[derive(Debug, Args)]
pub(in crate::cli) struct Wanted {
    /// Everything since then, such as 24h or 7d; without it the last entries alone.
    #[arg(long)]
    since: Option<String>,
    /// How many of the last entries.
    #[arg(long, default_value_t = 100, conflicts_with = "since")]
    last: usize,
    /// What concerns one user alone, by the user's id or an openid. Of somebody who was erased, by the id.
    #[arg(long)]
    user: Option<String>,
    /// A JSON object for each line.
    #[arg(long)]
    json: bool,
}

pub(in crate::cli) fn execute(which: &Which, wanted: Wanted) -> ExitCode {
    run(which, |operator| {
        let user = wanted.user.as_deref().map(|who| user_of(operator, who)).transpose()?;
        let mut out = io::stdout().lock();
        let mut show = |entry: &AuditEntry| match wanted.json {
            true => writeln!(out, "{}", shown::json_line(&entry_json(entry))),
            false => line(entry, &mut out),
        };
        match &wanted.since {
            Some(since) => since_then(operator, since, user, &mut show)?,
            None => last(operator, wanted.last, user)?.iter().rev().try_for_each(&mut show)?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// An id is taken as it is: whom it belonged to may be gone.
fn user_of(operator: &mut Operator, who: &str) -> anyhow::Result<UserId> {
    match who.parse::<UserId>() {
        Ok(id) if who.contains('-') => Ok(id),
        Ok(_) | Err(_) => Ok(operator.person(who)?.user.id),
    }
}

fn since_then(
    operator: &mut Operator,
    since: &str,
    user: Option<UserId>,
    show: &mut dyn FnMut(&AuditEntry) -> io::Result<()>,
) -> anyhow::Result<()> {
    let since = config::duration(since).ok_or_else(|| anyhow!("--since takes a time such as 30m, 24h or 7d"))?;
    let start = Clock::System.now().minus(since);
    let mut page = AuditPage::After(AuditPosition::before(start));
    loop {
        let entries = piece(operator, page)?;
        entries.iter().filter(|(_, entry)| concerns(entry, user)).try_for_each(|(_, entry)| show(entry))?;
        match entries.last() {
            Some((at, _)) if entries.len() == PAGE => page = page.moved_to(*at),
            Some(_) | None => return Ok(()),
        }
    }
}

/// The last entries, the newest first.
fn last(operator: &mut Operator, count: usize, user: Option<UserId>) -> anyhow::Result<Vec<AuditEntry>> {
    let mut found = Vec::new();
    let mut page = AuditPage::Before(AuditPosition::END);
    loop {
        let entries = piece(operator, page)?;
        let (is_last, end) = (entries.len() < PAGE, entries.last().map(|(at, _)| *at));
        let meant = entries.into_iter().map(|(_, entry)| entry).filter(|entry| concerns(entry, user));
        found.extend(meant.take(count - found.len()));
        match end {
            Some(at) if !is_last && found.len() < count => page = page.moved_to(at),
            Some(_) | None => return Ok(found),
        }
    }
}

pub(super) fn piece(operator: &mut Operator, page: AuditPage) -> anyhow::Result<Vec<(AuditPosition, AuditEntry)>> {
    let Reply::Audit(entries) = operator.ask(Operation::Audit(page))? else { return Err(unexpected()) };
    Ok(entries)
}

fn concerns(entry: &AuditEntry, user: Option<UserId>) -> bool {
    user.is_none() || entry.user == user
}

fn line(entry: &AuditEntry, out: &mut dyn Write) -> io::Result<()> {
    let (act, by) = (entry.act.name(), entry.by.to_string());
    write!(out, "{}  {act:<16}  by {by}", entry.at)?;
    if let Some(user) = entry.user {
        write!(out, "  user={user}")?;
    }
    if let Some(session) = entry.session {
        write!(out, "  session={session}")?;
    }
    if let Some(request) = &entry.request {
        write!(out, "  request={}", shown::plain(request))?;
    }
    match &entry.detail {
        Some(detail) => writeln!(out, "  {}", shown::plain(detail)),
        None => writeln!(out),
    }
}

/// An entry as a JSON object, with the names that logs use.
pub(super) fn entry_json(entry: &AuditEntry) -> Value {
    let time = |at: Timestamp| at.to_string();
    let mut object = Map::new();
    object.insert("timestamp".to_owned(), json!(time(entry.at)));
    object.insert("act".to_owned(), json!(entry.act.name()));
    object.insert("by".to_owned(), json!(entry.by.to_string()));
    let more = [
        ("user", entry.user.map(|user| user.to_string())),
        ("session", entry.session.map(|session| session.to_string())),
        ("request_id", entry.request.clone()),
        ("detail", entry.detail.clone()),
    ];
    for (name, value) in more {
        object.extend(value.map(|value| (name.to_owned(), json!(value))));
    }
    Value::Object(object)
}
