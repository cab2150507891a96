//! `menshen bindings import`: a table into the store, in pieces, with a report.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, anyhow, bail};
use tokio::sync::mpsc;

use super::bindings::Format;
use super::interruption::Interruption;
use super::progress::Progress;
use super::rows::{self, Numbered, Rows};
use super::{Operator, unexpected};
use crate::admin::{MOST_ROWS, Operation, Reply, Row};
use crate::config::App;
use crate::store::{IdentityKey, Imported};

/// The most rows that are told one by one.
const TOLD: u64 = 50;

/// About how many bytes of rows are brought at once: a quarter of what is taken.
const AT_ONCE: usize = 1024 * 1024;

/// Takes a table in. Fails, after it has taken in all it could, where a row was left.
pub(super) fn run(
    operator: &mut Operator,
    file: &Path,
    format: Option<Format>,
    replace: bool,
) -> anyhow::Result<ExitCode> {
    let format = format.map_or_else(|| by_name(file), Ok)?;
    let (input, size): (Box<dyn Read + Send>, Option<u64>) = if file == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let opened = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let size = opened.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        (Box::new(opened), size)
    };
    let progress = Progress::over(size);
    let app = operator.app()?;
    let ours = app.clone();
    let rows = rows::read(format, progress.watch(input), Arc::new(move |openid: &str| ours.identity(openid)));
    let rows = rows.map_err(|reason| anyhow!("{}: {reason}", file.display()))?;
    let (waiting, seen) = (Vec::new(), HashMap::new());
    let mut import = Import { operator, app, replace, progress, waiting, bytes: 0, seen, report: Report::default() };
    let taken = import.take_all(rows, &Interruption::watch()?);
    import.progress.clear();
    // Whatever cut it off, what was done is told.
    let code = import.report.conclude(replace, &import.app, &mut io::stdout().lock())?;
    taken.map(|()| code)
}

/// Reads on a thread of its own: whoever pipes a table in may wait for ever, and is interrupted all the same.
fn read_aside(mut rows: Rows) -> io::Result<mpsc::Receiver<Numbered>> {
    let (sender, receiver) = mpsc::channel(MOST_ROWS);
    thread::Builder::new().name("table".to_owned()).spawn(move || {
        rows.try_for_each(|numbered| sender.blocking_send(numbered).ok());
    })?;
    Ok(receiver)
}

fn by_name(file: &Path) -> anyhow::Result<Format> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Ok(Format::Csv),
        Some("jsonl" | "ndjson" | "json") => Ok(Format::Jsonl),
        _ => bail!("{} ends neither in .csv nor in .jsonl: say --format csv or --format jsonl", file.display()),
    }
}

struct Import<'o> {
    operator: &'o mut Operator,
    /// Whose openids log in here.
    app: App,
    replace: bool,
    progress: Progress,
    /// Rows that have been read and not yet brought, with their lines.
    waiting: Vec<(u64, Row)>,
    /// What they take, about.
    bytes: usize,
    /// Who stands in this table, and on which line.
    seen: HashMap<IdentityKey, u64>,
    report: Report,
}

impl Import<'_> {
    fn take_all(&mut self, rows: Rows, interruption: &Interruption) -> anyhow::Result<()> {
        let mut rows = read_aside(rows)?;
        loop {
            let next = self.operator.runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = interruption.came() => None,
                    next = rows.recv() => Some(next),
                }
            });
            match next {
                None => bail!("interrupted: the rows behind these were not taken in; take the table in again to go on"),
                Some(Some(numbered)) => self.take(numbered)?,
                Some(None) => return self.flush(),
            }
        }
    }

    fn take(&mut self, numbered: Numbered) -> anyhow::Result<()> {
        let Numbered { line, row } = numbered;
        let row = match row {
            Ok(row) => row,
            Err(reason) => {
                self.report.bad += 1;
                self.tell(line, &reason);
                return Ok(());
            }
        };
        if let Some(first) = self.seen.get(&row.identity) {
            let reason = format!("has the openid of line {first}");
            self.report.twice += 1;
            self.tell(line, &reason);
            return Ok(());
        }
        self.seen.insert(row.identity.clone(), line);
        self.bytes += rows::size(&row);
        self.waiting.push((line, row));
        if self.waiting.len() == MOST_ROWS || self.bytes > AT_ONCE {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let rows = waiting.iter().map(|(_, row)| row.clone()).collect();
        let reply = self.operator.ask(Operation::Import { rows, replace: self.replace })?;
        let Reply::Imported(outcomes) = reply else { return Err(unexpected()) };
        if outcomes.len() != waiting.len() {
            return Err(unexpected());
        }
        for ((line, row), outcome) in waiting.into_iter().zip(outcomes) {
            self.count(line, &outcome);
            self.report.look_at(line, row.identity, &self.app);
        }
        self.progress.show(self.report.rows());
        Ok(())
    }

    fn count(&mut self, line: u64, outcome: &Imported) {
        let report = &mut self.report;
        match outcome {
            Imported::Created(_) => report.created += 1,
            Imported::Added(_) => report.added += 1,
            Imported::Unchanged(_) => report.unchanged += 1,
            Imported::Replaced(_) => report.replaced += 1,
            Imported::Conflict(user) => {
                report.conflicts += 1;
                self.tell(line, &format!("was left: user {user} stands there, and is not what it says"));
            }
        }
    }

    fn tell(&mut self, line: u64, what: &str) {
        self.report.told += 1;
        if self.report.told <= TOLD {
            self.progress.clear();
            eprintln!("line {line} {what}");
        }
    }
}

/// What became of the rows.
#[derive(Default)]
struct Report {
    created: u64,
    added: u64,
    unchanged: u64,
    replaced: u64,
    conflicts: u64,
    bad: u64,
    twice: u64,
    /// How many of them were to be told one by one.
    told: u64,
    /// How many are of another app, whatever became of them, and the first of those.
    elsewhere: u64,
    first_elsewhere: Option<(u64, IdentityKey)>,
}

impl Report {
    fn rows(&self) -> u64 {
        self.created + self.added + self.unchanged + self.replaced + self.conflicts + self.bad + self.twice
    }

    /// Counts a row by which nobody can log in here.
    fn look_at(&mut self, line: u64, identity: IdentityKey, app: &App) {
        if identity.provider != app.provider || identity.client_id != app.client_id {
            self.elsewhere += 1;
            self.first_elsewhere.get_or_insert((line, identity));
        }
    }

    /// The sum of it, and the exit code.
    fn conclude(&self, replace: bool, app: &App, out: &mut impl Write) -> io::Result<ExitCode> {
        if self.told > TOLD {
            eprintln!("and {} lines more", self.told - TOLD);
        }
        writeln!(
            out,
            "{} rows: {} made a user, {} bound one more openid to a user, {} were so already, {} took another's place",
            self.rows(),
            self.created,
            self.added,
            self.unchanged,
            self.replaced
        )?;
        if let Some((line, IdentityKey { provider, client_id, .. })) = &self.first_elsewhere {
            writeln!(
                out,
                "{} of them are of another app than this proxy's ({} {}): nobody logs in by those here; the first is line \
                 {line}, of {provider} {client_id}",
                self.elsewhere, app.provider, app.client_id
            )?;
        }
        let left = self.conflicts + self.bad + self.twice;
        if left == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(
            out,
            "left out: {} where something else stands, {} that cannot be read, {} with an openid that came before",
            self.conflicts, self.bad, self.twice
        )?;
        if self.conflicts > 0 && !replace {
            writeln!(
                out,
                "--replace lets rows take the place of what stands there, and logs out whoever is concerned"
            )?;
        }
        Ok(ExitCode::FAILURE)
    }
}
