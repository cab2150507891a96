//! The text of `config.toml` as a tree.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use toml::de::DeTable;
use zeroize::Zeroizing;

use super::error::{Findings, Place, Remark, Spot};
use super::lines::Lines;
use super::tree::Table;

/// More than these few are usually the echo of one slip.
const SYNTAX_ERRORS_SHOWN: usize = 3;

/// What a file may hold, secrets and certificates among them.
const LONGEST: u64 = 4 * 1024 * 1024;

/// A file's bytes. One that never ends, such as a device, is refused.
pub(super) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 4 MiB"));
    }
    Ok(bytes)
}

/// Reads TOML; every syntax error goes into `log`.
pub(super) fn parse(bytes: &[u8], log: &mut Findings) -> Option<Table> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            not_utf_8(bytes, error.valid_up_to(), log);
            return None;
        }
    };
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut errors: Vec<_> = errors.iter().map(|error| (error.span().map_or(0, |span| span.start), error)).collect();
    errors.sort_by_key(|(at, _)| *at);
    // What follows on the same line is the echo of the first slip in it.
    errors.dedup_by_key(|(at, _)| lines.number(*at));
    for (at, error) in errors.iter().take(SYNTAX_ERRORS_SHOWN) {
        // The library's own text quotes the line, and with it perhaps a secret: only its message is passed on.
        let remark = Remark::new(error.message().replace('\n', ", "));
        let remark = remark.so("the rest of the file is checked only when all of it is TOML");
        let remark = match advice(error.message(), lines.line(*at)) {
            Some(advice) => remark.fix(advice),
            None => remark.fix("key = value, with texts in \"…\", lists in […] and sections as [name]"),
        };
        log.error(&nameless(lines.place(*at)), remark);
    }
    errors.is_empty().then(|| Table::of(table.get_ref(), &lines))
}

fn not_utf_8(bytes: &[u8], valid_up_to: usize, log: &mut Findings) {
    let valid = bytes.get(..valid_up_to).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or_default();
    let remark = Remark::new("is not UTF-8")
        .so("texts in it would be read as others than were written")
        .fix("save the file in UTF-8; editors on Chinese Windows may have used GBK");
    log.error(&nameless(Lines::of(valid).place(valid.len())), remark);
}

fn nameless(place: Place) -> Spot {
    Spot { place, key: String::new(), found: None }
}

/// What to do about a line that is no TOML, for the slips seen most.
fn advice(message: &str, line: &str) -> Option<String> {
    if message.starts_with("duplicate key") {
        return Some("it stands further up already: keep one of the two, or put them together".to_owned());
    }
    if message.starts_with("invalid basic string") {
        return Some("the text's second quote is missing on its line".to_owned());
    }
    let line = line.split('#').next().unwrap_or_default();
    let wide =
        |c: &char| matches!(c, '“' | '”' | '‘' | '’' | '＝' | '，' | '：' | '［' | '］' | '【' | '】' | '\u{3000}');
    if let Some(wide) = line.chars().find(wide) {
        return Some(format!("the line holds {wide:?}, a full-width character: type \" = , : [ ] in half width"));
    }
    let Some((_, value)) = line.split_once('=') else {
        let yaml = line.split_once(':').is_some_and(|(key, _)| !key.contains(['"', '[', ' ']));
        return yaml.then(|| "write key = value, not key: value".to_owned());
    };
    let value = value.trim();
    if value.is_empty() {
        return Some("give the key a value, or remove the line to have the default".to_owned());
    }
    if matches!(value, "True" | "False" | "TRUE" | "FALSE" | "yes" | "no" | "on" | "off") {
        return Some("write true or false, in small letters and without quotes".to_owned());
    }
    if value.contains('\\') {
        return Some("put a text with backslashes in single quotes: 'C:\\menshen'".to_owned());
    }
    let bare = !value.starts_with(['"', '\'', '[', '{']);
    bare.then(|| "put text in straight quotes: \"…\"".to_owned())
}
