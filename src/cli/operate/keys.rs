//! `menshen keys`.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{Operator, Which, run, shown, unexpected};
use crate::admin::{KeyState, Operation, Reply};
use crate::store::KeyPurpose;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Purpose {
    /// Seals session and login cookies.
    Seal,
    /// Signs what upstreams get; published at /.well-known/jwks.json.
    Upstream,
    /// Signs what API clients hold.
    Api,
}

/// The keys by which Menshen seals and signs.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// All keys, without themselves.
    List,
    /// Put new keys in the place of those in use. What the old ones made stays good until it runs out.
    Rotate {
        /// Which ones.
        purpose: Purpose,
        /// The old ones have leaked: nothing that they made is good any more. Visitors log in again after `seal`, API
        /// clients after `api`; after `upstream` backends refuse requests until they fetch the key set again.
        #[arg(long)]
        drop_old: bool,
    },
}

pub(in crate::cli) fn execute(which: &Which, command: Command) -> ExitCode {
    run(which, |operator| {
        let mut out = io::stdout().lock();
        match command {
            Command::List => list(&ask(operator, Operation::Keys)?, &mut out)?,
            Command::Rotate { purpose, drop_old } => {
                let purpose = match purpose {
                    Purpose::Seal => KeyPurpose::Seal,
                    Purpose::Upstream => KeyPurpose::Upstream,
                    Purpose::Api => KeyPurpose::Api,
                };
                list(&ask(operator, Operation::RotateKeys { purpose, drop_old })?, &mut out)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn ask(operator: &mut Operator, operation: Operation) -> anyhow::Result<Vec<KeyState>> {
    let Reply::Keys(keys) = operator.ask(operation)? else { return Err(unexpected()) };
    Ok(keys)
}

fn list(keys: &[KeyState], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{:<8}  {:<8}  {:<11}  {:<24}  {:<24}  UNTIL", "ID", "PURPOSE", "ALGORITHM", "MADE", "IN USE FROM")?;
    for key in keys {
        let (id, algorithm) = (shown::plain(&key.id), shown::plain(&key.algorithm));
        let until = key.superseded_at.map_or_else(|| "-".to_owned(), |until| until.to_string());
        let purpose = key.purpose.to_string();
        writeln!(out, "{id:<8}  {purpose:<8}  {algorithm:<11}  {}  {}  {until}", key.created_at, key.active_from)?;
    }
    Ok(())
}
