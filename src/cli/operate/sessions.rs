//! `menshen sessions`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::bail;
use clap::{Args, Subcommand};

use super::{Which, confirmed, run, shown};
use crate::admin::Operation;
use crate::store::{SessionId, UserId};

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
    /// One session, by its id in the log: 32 hexadecimal digits.
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
            let id = session_id(&session)?;
            operator.ask(Operation::RevokeSession(id))?;
            // Nobody keeps a list of sessions.
            writeln!(out, "if {id} is a session's id, that session is over")?;
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

fn session_id(text: &str) -> anyhow::Result<SessionId> {
    match (text.parse::<SessionId>(), text.parse::<UserId>()) {
        // Users' ids are written with dashes, and sessions' without.
        (_, Ok(user)) if text.contains('-') => {
            bail!("{user} is no session's id, but could be a user's: see `menshen users logout {user}`")
        }
        (Ok(id), _) if text.len() == 32 => Ok(id),
        _ => bail!("{} is no session's id: those are 32 hexadecimal digits", shown::plain(text)),
    }
}
