//! `menshen bindings import`: a table into the store, in pieces, with a report.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};

use super::bindings::Format;
use super::progress::Progress;
use super::rows::{self, Numbered};
use super::{Operator, unexpected};
use crate::admin::{MOST_ROWS, Operation, Reply, Row};
use crate::store::{Imported, UserId};

/// The most rows that are told one by one.
const TOLD: u64 = 50;

/// Takes a table in. Fails, after it has taken in all it could, where a row was left.
pub(super) fn run(
    operator: &mut Operator,
    file: &Path,
    format: Option<Format>,
    replace: bool,
) -> anyhow::Result<ExitCode> {
    let format = format.map_or_else(|| by_name(file), Ok)?;
    let (input, size): (Box<dyn Read>, Option<u64>) = if file == Path::new("-") {
        (Box::new(io::stdin()), None)
    } else {
        let opened = File::open(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let size = opened.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        (Box::new(opened), size)
    };
    let progress = Progress::over(size);
    let config = operator.config.clone();
    let identify = |openid: &str| config.identity(openid);
    let rows = rows::read(format, progress.watch(input), &identify);
    let rows = rows.map_err(|reason| anyhow!("{}: {reason}", file.display()))?;
    let (waiting, seen, named) = (Vec::new(), HashMap::new(), HashMap::new());
    let mut import = Import { operator, replace, progress, waiting, seen, named, report: Report::default() };
    for numbered in rows {
        import.take(numbered)?;
    }
    import.flush()?;
    import.progress.clear();
    Ok(import.report.conclude(replace))
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
    replace: bool,
    progress: Progress,
    /// Rows that have been read and not yet brought, with their lines.
    waiting: Vec<(u64, Row)>,
    /// Openids of this table, and the line each stands on.
    seen: HashMap<String, u64>,
    /// The shop's users of this table and who they have become: several openids of one of them are one user's here too.
    named: HashMap<String, Option<UserId>>,
    report: Report,
}

impl Import<'_> {
    fn take(&mut self, numbered: Numbered) -> anyhow::Result<()> {
        let Numbered { line, row } = numbered;
        let mut row = match row {
            Ok(row) => row,
            Err(reason) => {
                self.report.bad += 1;
                self.tell(line, &reason);
                return Ok(());
            }
        };
        if let Some(first) = self.seen.get(&row.identity.subject) {
            let reason = format!("has the openid of line {first}");
            self.report.twice += 1;
            self.tell(line, &reason);
            return Ok(());
        }
        self.seen.insert(row.identity.subject.clone(), line);
        if let (None, Some(upstream_id)) = (row.user, row.upstream_id.clone()) {
            // What became of the first one has to be known.
            if self.named.get(&upstream_id) == Some(&None) {
                self.flush()?;
            }
            row.user = *self.named.entry(upstream_id).or_default();
        }
        self.waiting.push((line, row));
        if self.waiting.len() == MOST_ROWS {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let rows = waiting.iter().map(|(_, row)| row.clone()).collect();
        let reply = self.operator.ask(Operation::Import { rows, replace: self.replace })?;
        let Reply::Imported(outcomes) = reply else { return Err(unexpected()) };
        if outcomes.len() != waiting.len() {
            return Err(unexpected());
        }
        for ((line, row), outcome) in waiting.into_iter().zip(outcomes) {
            let user = self.count(line, &outcome);
            if let (Some(upstream_id), Some(user)) = (row.upstream_id, user) {
                self.named.insert(upstream_id, Some(user));
            }
        }
        self.progress.show(self.report.rows());
        Ok(())
    }

    fn count(&mut self, line: u64, outcome: &Imported) -> Option<UserId> {
        let (count, user) = match outcome {
            Imported::Created(user) => (&mut self.report.created, *user),
            Imported::Added(user) => (&mut self.report.added, *user),
            Imported::Unchanged(user) => (&mut self.report.unchanged, *user),
            Imported::Replaced(user) => (&mut self.report.replaced, *user),
            Imported::Conflict(user) => {
                self.report.conflicts += 1;
                self.tell(line, &format!("was left: user {user} stands there, as somebody else"));
                return None;
            }
        };
        *count += 1;
        Some(user)
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
}

impl Report {
    fn rows(&self) -> u64 {
        self.created + self.added + self.unchanged + self.replaced + self.conflicts + self.bad + self.twice
    }

    /// The sum of it, and the exit code.
    fn conclude(&self, replace: bool) -> ExitCode {
        if self.told > TOLD {
            eprintln!("and {} lines more", self.told - TOLD);
        }
        println!(
            "{} rows: {} made a user, {} bound one more openid to a user, {} were so already, {} took another's place",
            self.rows(),
            self.created,
            self.added,
            self.unchanged,
            self.replaced
        );
        let left = self.conflicts + self.bad + self.twice;
        if left == 0 {
            return ExitCode::SUCCESS;
        }
        println!(
            "left out: {} where something else stands, {} that cannot be read, {} with an openid that came before",
            self.conflicts, self.bad, self.twice
        );
        if self.conflicts > 0 && !replace {
            println!("--replace lets rows take the place of what stands there, and logs out whoever is concerned");
        }
        ExitCode::FAILURE
    }
}
