//! `menshen sessions`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{Which, confirmed, run, shown};
use crate::admin::Operation;
use crate::store::SessionId;

/// Sessions: who is logged in.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// End sessions, at once.
    Revoke(Revoke),
}

/// Which sessions.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(in crate::cli) struct Whose {
    /// One session, by its id in the log.
    session: Option<String>,
    /// All of a user, by the user's id or an openid.
    #[arg(long)]
    user: Option<String>,
    /// Everybody's.
    #[arg(long)]
    everybody: bool,
}

/// Which sessions to end.
#[derive(Debug, Args)]
pub(in crate::cli) struct Revoke {
    #[command(flatten)]
    whose: Whose,
    /// Everybody's sessions cannot be brought back.
    #[arg(long)]
    yes: bool,
}

pub(in crate::cli) fn execute(which: &Which, command: Command) -> ExitCode {
    let Command::Revoke(Revoke { whose, yes }) = command;
    run(which, |operator| {
        let mut out = io::stdout();
        if let Some(session) = whose.session {
            let id: SessionId =
                session.parse().with_context(|| format!("{} is no session's id", shown::plain(&session)))?;
            operator.ask(Operation::RevokeSession(id))?;
            writeln!(out, "session {id} is over")?;
        } else if let Some(who) = whose.user {
            let user = operator.person(&who)?.user.id;
            operator.ask(Operation::Logout(user))?;
            writeln!(out, "all sessions of {user} are over")?;
        } else {
            confirmed(yes, "ending everybody's sessions")?;
            operator.ask(Operation::RevokeEverybody)?;
            writeln!(out, "all sessions are over")?;
        }
        Ok(ExitCode::SUCCESS)
    })
}
