//! `menshen bindings`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{Operator, Which, import, run, shown, unexpected};
use crate::admin::{BoundUser, Operation, PAGE, Reply};
use crate::store::IdentityKey;

/// How a table is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// What `menshen bindings export` writes: a JSON object for each line.
    Jsonl,
    /// A shop's own table: its first line names the columns, `openid` and `upstream_id` or `username` or both.
    Csv,
}

/// Which QQ user is which user of the shop.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// All bindings.
    List,
    /// Remove a binding: its user is logged out, and who logs in by this openid next is a new user.
    Unbind {
        /// The openid: 32 hexadecimal digits.
        openid: String,
    },
    /// All bindings with their users, a JSON object for each line: a backup, and what another store imports.
    Export,
    /// Take bindings in. What is there already is left and told, and the same table can be taken in again.
    Import {
        /// The file; `-` reads from standard input.
        file: PathBuf,
        /// How the file is written; by its name if this is left out.
        #[arg(long)]
        format: Option<Format>,
        /// Let rows take the place of what is there. Whoever is concerned is logged out.
        #[arg(long)]
        replace: bool,
    },
}

pub(in crate::cli) fn execute(which: &Which, command: Command) -> ExitCode {
    run(which, |operator| {
        let mut out = io::stdout().lock();
        match command {
            Command::List => {
                writeln!(out, "{:<32}  {:<36}  {:<16}  {:<24}  NAME", "OPENID", "USER", "UPSTREAM ID", "SINCE")?;
                each(operator, Operation::Bindings, |bound| line(bound, &mut out))?;
            }
            Command::Unbind { openid } => {
                let identity = operator.identity(&openid)?;
                let Reply::Unbound(binding) = operator.ask(Operation::Unbind(identity))? else {
                    return Err(unexpected());
                };
                let openid = shown::plain(&binding.identity.subject);
                writeln!(out, "{openid} is bound to nobody now; {} is logged out", binding.user)?;
            }
            Command::Export => each(operator, Operation::ExportBindings, |bound| {
                writeln!(out, "{}", shown::json_line(&shown::bound_json(bound)))
            })?,
            Command::Import { file, format, replace } => return import::run(operator, &file, format, replace),
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn each(
    operator: &mut Operator,
    page_after: fn(Option<IdentityKey>) -> Operation,
    mut show: impl FnMut(&BoundUser) -> io::Result<()>,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let Reply::Bindings(page) = operator.ask(page_after(after))? else { return Err(unexpected()) };
        page.iter().try_for_each(&mut show)?;
        after = page.last().map(|last| last.binding.identity.clone());
        if page.len() < PAGE {
            return Ok(());
        }
    }
}

fn line(bound: &BoundUser, out: &mut dyn Write) -> io::Result<()> {
    let BoundUser { binding, user } = bound;
    let upstream_id = shown::optional(user.as_ref().and_then(|user| user.upstream_id.as_deref()));
    let name = shown::optional(user.as_ref().map(|user| user.display_name.as_str()));
    let (openid, since) = (shown::plain(&binding.identity.subject), binding.created_at);
    writeln!(out, "{openid:<32}  {}  {upstream_id:<16}  {since}  {name}", binding.user)
}
