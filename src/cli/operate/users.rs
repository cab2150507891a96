//! `menshen users`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::{Operator, Which, confirmed, run, shown, unexpected};
use crate::admin::{Operation, PAGE, Person, Reply};
use crate::store::{AuditEntry, AuditPage, AuditPosition, User, UserState};

/// Users: WHO is a user's id, or an openid.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Everybody, in the order in which they came.
    List {
        /// A JSON object for each line.
        #[arg(long)]
        json: bool,
    },
    /// One user, and the identities bound to them.
    Show {
        /// A user's id, or an openid.
        who: String,
    },
    /// Keep a user out: their sessions are over, and they cannot log in.
    Block {
        /// A user's id, or an openid.
        who: String,
    },
    /// Let a blocked user log in again.
    Unblock {
        /// A user's id, or an openid.
        who: String,
    },
    /// End all sessions of a user, everywhere.
    Logout {
        /// A user's id, or an openid.
        who: String,
    },
    /// Everything that is kept of a user, as JSON: for somebody who asks what that is.
    Export {
        /// A user's id, or an openid.
        who: String,
    },
    /// Remove a user and everything that is kept of them, for good.
    Erase {
        /// A user's id, or an openid.
        who: String,
        /// It cannot be undone.
        #[arg(long)]
        yes: bool,
    },
}

pub(in crate::cli) fn execute(which: &Which, command: Command) -> ExitCode {
    run(which, |operator| {
        let mut out = io::stdout().lock();
        match command {
            Command::List { json } => list(operator, json, &mut out)?,
            Command::Show { who } => show(&operator.person(&who)?, &mut out)?,
            Command::Block { who } => set_state(operator, &who, UserState::Blocked, &mut out)?,
            Command::Unblock { who } => set_state(operator, &who, UserState::Active, &mut out)?,
            Command::Logout { who } => {
                let user = operator.person(&who)?.user;
                operator.ask(Operation::Logout(user.id))?;
                writeln!(out, "{} is logged out everywhere", user.id)?;
            }
            Command::Export { who } => export(operator, &who, &mut out)?,
            Command::Erase { who, yes } => {
                confirmed(yes, "this")?;
                let user = operator.person(&who)?.user;
                operator.ask(Operation::Erase(user.id))?;
                writeln!(out, "{} is erased", user.id)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn list(operator: &mut Operator, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if !json {
        writeln!(
            out,
            "{:<36}  {:<7}  {:<24}  {:<16}  {:<16}  NAME",
            "ID", "STATE", "SINCE", "UPSTREAM ID", "USERNAME"
        )?;
    }
    let mut after = None;
    loop {
        let Reply::Users(users) = operator.ask(Operation::Users(after))? else { return Err(unexpected()) };
        for user in &users {
            if json { writeln!(out, "{}", shown::json_line(&shown::user_json(user)))? } else { line(user, out)? }
        }
        after = users.last().map(|last| last.id);
        if users.len() < PAGE {
            return Ok(());
        }
    }
}

fn line(user: &User, out: &mut dyn Write) -> io::Result<()> {
    let (upstream_id, username) =
        (shown::optional(user.upstream_id.as_deref()), shown::optional(user.username.as_deref()));
    let (state, name) = (shown::state(user.state), shown::plain(&user.display_name));
    writeln!(out, "{}  {state:<7}  {}  {upstream_id:<16}  {username:<16}  {name}", user.id, user.created_at)
}

fn show(person: &Person, out: &mut dyn Write) -> io::Result<()> {
    let user = &person.user;
    writeln!(out, "id            {}", user.id)?;
    writeln!(out, "state         {}", shown::state(user.state))?;
    writeln!(out, "name          {}", shown::plain(&user.display_name))?;
    writeln!(out, "upstream id   {}", shown::optional(user.upstream_id.as_deref()))?;
    writeln!(out, "username      {}", shown::optional(user.username.as_deref()))?;
    writeln!(out, "avatar        {}", shown::optional(user.avatar.as_deref()))?;
    writeln!(out, "since         {}", user.created_at)?;
    writeln!(out, "changed       {}", user.updated_at)?;
    for binding in &person.bindings {
        let identity = &binding.identity;
        let (provider, app) = (shown::plain(&identity.provider), shown::plain(&identity.client_id));
        let openid = shown::plain(&identity.subject);
        writeln!(out, "bound         {openid}  at {provider}, app {app}, since {}", binding.created_at)?;
    }
    Ok(())
}

fn set_state(operator: &mut Operator, who: &str, state: UserState, out: &mut dyn Write) -> anyhow::Result<()> {
    let user = operator.person(who)?.user;
    operator.ask(Operation::SetState(user.id, state))?;
    let said = match state {
        UserState::Blocked => "is blocked, and logged out everywhere",
        UserState::Active => "may log in",
    };
    writeln!(out, "{} {said}", user.id)?;
    Ok(())
}

/// The user, their bindings, and what the audit trail holds of them.
fn export(operator: &mut Operator, who: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let user = operator.person(who)?.user.id;
    let Reply::Person(person) = operator.ask(Operation::Export(user))? else { return Err(unexpected()) };
    let mut trail: Vec<AuditEntry> = Vec::new();
    let mut page = AuditPage::After(AuditPosition::before(crate::clock::Timestamp::EPOCH));
    loop {
        let entries = super::audit::piece(operator, page)?;
        let (is_last, end) = (entries.len() < PAGE, entries.last().map(|(at, _)| *at));
        trail.extend(entries.into_iter().map(|(_, entry)| entry).filter(|entry| entry.user == Some(user)));
        page = end.map_or(page, |at| page.moved_to(at));
        if is_last {
            break;
        }
    }
    let mut whole = shown::person_json(&person);
    if let Some(object) = whole.as_object_mut() {
        object.insert("audit".to_owned(), json!(trail.iter().map(super::audit::entry_json).collect::<Vec<_>>()));
    }
    writeln!(out, "{}", shown::json_pretty(&whole))?;
    Ok(())
}
