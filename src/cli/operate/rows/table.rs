//! A shop's own table, as CSV: its first line names the columns.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use super::cells::{self, Dialect, End};
use super::lines::{Line, Lines};
use super::{Numbered, Rows};
use crate::admin::{self, Identify, Row};

/// The columns that a table may have.
const COLUMNS: [&str; 4] = ["openid", "upstream_id", "username", "unionid"];

/// What a first line has to be.
const NAMES_NEEDED: &str = "line 1 has to name the columns: openid, and upstream_id or username or both";

pub(super) fn rows(input: impl Read + Send + 'static, identify: Arc<Identify>) -> Result<Rows, String> {
    let mut lines = Lines::of(input);
    let first = lines.next().map_or(Ok(String::new()), Line::whole);
    let names = first.and_then(|text| cells::of(text.trim_start_matches('\u{feff}')));
    let names = names.map_err(|reason| format!("line 1 {reason}"))?;
    let columns = columns(&names)?;
    Ok(Box::new(Table { lines, ahead: VecDeque::new(), inside: None, columns, identify }))
}

fn columns(names: &[String]) -> Result<Vec<String>, String> {
    let names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    if names.iter().all(String::is_empty) {
        return Err(NAMES_NEEDED.to_owned());
    }
    if let Some(unknown) = names.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
        return Err(format!(
            "line 1 names a column {unknown:?}: it has to name those of the table, out of {}; such as by \
             SELECT openid, user_id AS upstream_id",
            COLUMNS.join(", ")
        ));
    }
    if !names.iter().any(|name| name == "openid") || names.len() < 2 {
        return Err(NAMES_NEEDED.to_owned());
    }
    let twice = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    if let Some(name) = names.iter().find(|name| twice(name)) {
        return Err(format!("line 1 names {name:?} twice"));
    }
    Ok(names)
}

/// What is behind the first line.
struct Table<R> {
    lines: Lines<R>,
    /// Lines that were looked at for the sake of one before them.
    ahead: VecDeque<Line>,
    /// The line in whose last cell the next ones may be, and how many.
    inside: Option<(u64, usize)>,
    columns: Vec<String>,
    identify: Arc<Identify>,
}

impl<R: Read> Iterator for Table<R> {
    type Item = Numbered;

    fn next(&mut self) -> Option<Numbered> {
        let line = self.ahead.pop_front().or_else(|| self.lines.next())?;
        if let Some((first, left)) = self.inside {
            self.inside = Some((first, left - 1)).filter(|(_, left)| *left > 0);
            let reason = format!("may be part of line {first}, whose last cell seems to hold a line's end");
            return Some(Numbered { line: line.number, row: Err(reason) });
        }
        let (number, more) = (line.number, self.more(&line.text));
        self.inside = Some((number, more)).filter(|(_, more)| *more > 0);
        Some(Numbered { line: number, row: line.whole().and_then(|text| self.row(&text)) })
    }
}

impl<R: Read> Table<R> {
    /// How many of the next lines may be inside of a line's last cell, whoever wrote it.
    fn more(&mut self, line: &str) -> usize {
        let quoted = [Dialect::Standard, Dialect::Backslash].map(|dialect| self.inside_quotes(line, dialect));
        quoted.into_iter().max().unwrap_or(0).max(self.behind_backslashes(line))
    }

    /// Up to the line that closes the quote. Where that is not written as the dialect has it, or there is none, the quote is
    /// a mistake and no line is inside.
    fn inside_quotes(&mut self, line: &str, dialect: Dialect) -> usize {
        if cells::read(line, false, dialect).1 != End::Open {
            return 0;
        }
        let mut count = 0;
        while let Some(text) = self.look_ahead(count) {
            count += 1;
            match cells::read(text, true, dialect).1 {
                End::Whole => return count,
                End::Open => {}
                End::Broken => return 0,
            }
        }
        0
    }

    fn behind_backslashes(&mut self, line: &str) -> usize {
        let mut count = 0;
        let mut goes_on = cells::ends_in_a_backslash(line);
        while goes_on {
            let Some(text) = self.look_ahead(count) else { break };
            goes_on = cells::ends_in_a_backslash(text);
            count += 1;
        }
        count
    }

    /// The text of a line behind the present one.
    fn look_ahead(&mut self, at: usize) -> Option<&str> {
        while self.ahead.len() <= at {
            self.ahead.push_back(self.lines.next()?);
        }
        self.ahead.get(at).map(|line| line.text.as_str())
    }

    fn row(&self, line: &str) -> Result<Row, String> {
        let cells = cells::of(line)?;
        if cells.len() != self.columns.len() {
            return Err(format!("has {} cells, and line 1 names {} columns", cells.len(), self.columns.len()));
        }
        let cell = |name: &str| {
            let named = self.columns.iter().zip(&cells).find(|(column, _)| *column == name);
            named.map(|(_, cell)| cell.clone()).filter(|cell| !admin::is_nothing(cell))
        };
        let openid = cell("openid").ok_or("has no openid")?;
        let identity = (self.identify)(&openid).ok_or("has an openid that is not 32 hexadecimal digits")?;
        let row = Row {
            identity,
            user: None,
            upstream_id: cell("upstream_id"),
            username: cell("username"),
            display_name: None,
            avatar: None,
            state: None,
            unionid: cell("unionid"),
            created_at: None,
            user_created_at: None,
        };
        if row.upstream_id.is_none() && row.username.is_none() {
            return Err(
                "says neither upstream_id nor username: the openid would be bound to nobody the shop knows".to_owned()
            );
        }
        row.checked(&*self.identify)
    }
}
