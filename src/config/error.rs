//! What is wrong with a configuration, told so that the reader can put it right without another page open.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere in particular: for what is missing.
    File,
    /// Nowhere: the value is a default.
    Default,
    /// At a line and a column of the file, both from 1; columns count characters.
    Line {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// In an environment variable of this name.
    Variable(String),
}

/// What there is to say about a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    says: String,
    so: Option<String>,
    fix: Option<String>,
}

impl Remark {
    /// What is wrong, or what was expected instead.
    pub fn new(says: impl Into<String>) -> Self {
        Remark { says: says.into(), so: None, fix: None }
    }

    /// What was expected instead.
    pub fn expected(what: impl fmt::Display) -> Self {
        Remark::new(format!("expected {what}"))
    }

    /// What would happen if it stayed so.
    pub fn so(mut self, consequence: impl Into<String>) -> Self {
        self.so = Some(consequence.into());
        self
    }

    /// What to write instead.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// A key as it was written, for remarks about it. What is secret is left out when it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Where.
    pub place: Place,
    /// The key's path, such as `sites[0].origin`; empty for none.
    pub key: String,
    /// The value, as TOML; `None` for none, and for secrets.
    pub found: Option<String>,
}

impl Spot {
    /// `session.idle = "12h"`, or the key alone.
    pub fn quoted(&self) -> String {
        match &self.found {
            Some(found) => format!("{} = {found}", self.key),
            None => self.key.clone(),
        }
    }
}

/// A remark and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    file: Arc<str>,
    spot: Spot,
    remark: Remark,
}

impl Finding {
    /// `config.toml:12:8`, `config.toml`, or a variable's name.
    fn address(&self) -> String {
        match &self.spot.place {
            Place::File | Place::Default => self.file.to_string(),
            Place::Line { line, column } => format!("{}:{line}:{column}", self.file),
            Place::Variable(name) => name.clone(),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, label: &str) -> fmt::Result {
        write!(f, "{}: {label}", self.address())?;
        if !self.spot.key.is_empty() {
            let default = if self.spot.place == Place::Default { " (the default)" } else { "" };
            write!(f, "{}{default}: ", self.spot.quoted())?;
        }
        f.write_str(&self.remark.says)?;
        let rows = [("why", &self.remark.so), ("fix", &self.remark.fix)];
        rows.iter()
            .filter_map(|(label, text)| text.as_ref().map(|text| (label, text)))
            .try_for_each(|(label, text)| write!(f, "\n    {label}: {}", text.replace('\n', "\n         ")))
    }
}

/// A mistake: the configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Finding);

impl fmt::Display for ConfigError {
    /// `config.toml:12:8: session.idle = "30x": expected …`, then lines that say why it matters and what to write.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "")
    }
}

/// Something that works, though probably not as it was meant to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(Finding);

impl fmt::Display for Warning {
    /// As [`ConfigError`], with `warning:` before the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, "warning: ")
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum Report {
    /// The file cannot be read.
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// It can, but not be used: every mistake that was found, in the file's order.
    Mistakes {
        /// At least one.
        errors: Vec<ConfigError>,
        /// What else there is to say.
        warnings: Vec<Warning>,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Report::Unreadable { path, reason } => write!(f, "{}: cannot be read: {reason}", path.display()),
            Report::Mistakes { errors, warnings } => {
                errors.iter().try_for_each(|error| writeln!(f, "{error}"))?;
                warnings.iter().try_for_each(|warning| writeln!(f, "{warning}"))?;
                let (count, noun) = (errors.len(), if errors.len() == 1 { "mistake" } else { "mistakes" });
                write!(f, "{count} {noun}: the configuration cannot be used")
            }
        }
    }
}

impl std::error::Error for Report {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Report::Unreadable { reason, .. } => Some(reason),
            Report::Mistakes { .. } => None,
        }
    }
}

/// Everything found so far.
#[derive(Debug)]
pub(super) struct Findings {
    file: Arc<str>,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    explained: Vec<String>,
}

impl Findings {
    /// None yet. `file` is the file's name as the operator gave it.
    pub(super) fn new(file: &str) -> Self {
        Findings { file: file.into(), errors: Vec::new(), warnings: Vec::new(), explained: Vec::new() }
    }

    /// A mistake.
    pub(super) fn error(&mut self, spot: &Spot, remark: Remark) {
        self.errors.push(Finding { file: self.file.clone(), spot: spot.clone(), remark });
    }

    /// Not a mistake, but worth a word.
    pub(super) fn warn(&mut self, spot: &Spot, remark: Remark) {
        self.warnings.push(Finding { file: self.file.clone(), spot: spot.clone(), remark });
    }

    /// Something is not there. Silent where an earlier mistake is the reason.
    pub(super) fn missing(&mut self, spot: &Spot, remark: Remark) {
        let explained = self.explained.iter().any(|path| match spot.key.strip_prefix(path.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with(['.', '[']),
            None => false,
        });
        if !explained || self.errors.is_empty() {
            self.error(spot, remark);
        }
    }

    /// A mistake already reported is the reason why the key at `path`, or whatever lies below it, is missing.
    pub(super) fn explain(&mut self, path: impl Into<String>) {
        self.explained.push(path.into());
    }

    /// What was made and the warnings, if there was no mistake.
    pub(super) fn finish<T>(mut self, made: Option<T>) -> Result<(T, Vec<Warning>), Report> {
        self.errors.sort_by(|a, b| a.spot.place.cmp(&b.spot.place));
        self.warnings.sort_by(|a, b| a.spot.place.cmp(&b.spot.place));
        let warnings = self.warnings.into_iter().map(Warning).collect();
        match made.filter(|_| self.errors.is_empty()) {
            Some(made) => Ok((made, warnings)),
            None => Err(Report::Mistakes { errors: self.errors.into_iter().map(ConfigError).collect(), warnings }),
        }
    }
}
