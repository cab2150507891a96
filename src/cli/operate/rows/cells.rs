//! The cells of a line of a CSV table (RFC 4180), and whether the line is a row of its own.
//!
//! No cell that is taken holds a line's end, so a row is a line. Yet a table may hold cells that are not taken, and what
//! stands in those a visitor may have chosen: a line that may be inside of such a cell is not read as a row.

use std::iter::Peekable;
use std::str::Chars;

/// How quotes within quotes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Twice, as RFC 4180 says.
    Standard,
    /// Twice, or behind a backslash, which makes any other character a plain one too: as MySQL does.
    Backslash,
}

/// What a line comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every quote that it opens it closes.
    Whole,
    /// The next line is inside its last cell.
    Open,
    /// Something stands behind a quote that closes: it is not written so.
    Broken,
}

/// Where in a line one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Plain,
    Quoted,
    Behind,
}

/// The cells of a line that is a row of its own; an error says why it is none.
pub(super) fn of(line: &str) -> Result<Vec<String>, String> {
    if line.contains("\\\"") {
        return Err("has a quote after a backslash: a quote within quotes has to be written twice (\"\")".to_owned());
    }
    match read(line, false, Dialect::Standard) {
        (_, End::Open) => Err("has a quote that is not closed".to_owned()),
        (_, End::Broken) => {
            Err("has a quoted cell that goes on behind its end: a quote within quotes has to be written twice (\"\")"
                .to_owned())
        }
        (_, End::Whole) if ends_in_a_backslash(line) => {
            Err("ends in a backslash, as if a cell went on in the next line".to_owned())
        }
        (cells, End::Whole) => Ok(cells.into_iter().map(|cell| cell.trim().to_owned()).collect()),
    }
}

/// Whether a line's end belongs to its last cell for whoever puts backslashes and no quotes.
pub(super) fn ends_in_a_backslash(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The cells of a line, as far as they are written so. `inside`: whether it begins within quotes.
pub(super) fn read(line: &str, inside: bool, dialect: Dialect) -> (Vec<String>, End) {
    let mut cells = vec![String::new()];
    let mut chars = line.chars().peekable();
    let mut place = if inside { Place::Quoted } else { Place::Start };
    while let Some(char) = chars.next() {
        let (next, kept) = match (place, char) {
            (Place::Start | Place::Plain | Place::Quoted, '\\') if dialect == Dialect::Backslash => {
                let is_quoted = place == Place::Quoted;
                (if is_quoted { Place::Quoted } else { Place::Plain }, chars.next())
            }
            (Place::Quoted, '"') if takes_another(&mut chars) => (Place::Quoted, Some('"')),
            (Place::Quoted, '"') => (Place::Behind, None),
            (Place::Quoted, _) => (Place::Quoted, Some(char)),
            (Place::Start | Place::Plain | Place::Behind, ',') => {
                cells.push(String::new());
                (Place::Start, None)
            }
            (Place::Start | Place::Behind, _) if char.is_whitespace() => (place, None),
            (Place::Behind, _) => return (cells, End::Broken),
            (Place::Start, '"') => (Place::Quoted, None),
            (Place::Start | Place::Plain, _) => (Place::Plain, Some(char)),
        };
        place = next;
        if let Some(cell) = cells.last_mut() {
            cell.extend(kept);
        }
    }
    (cells, if place == Place::Quoted { End::Open } else { End::Whole })
}

/// Whether the next one is a quote too, which is taken then.
fn takes_another(chars: &mut Peekable<Chars<'_>>) -> bool {
    chars.next_if_eq(&'"').is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_stands_between_commas_that_are_not_quoted() {
        for (line, cells) in [
            ("a,b", ["a", "b"]),
            (" a , b ", ["a", "b"]),
            (r#""a,b", "c ""d""""#, ["a,b", r#"c "d""#]),
            (r#","""#, ["", ""]),
            (r#"5" disk,\N"#, ["5\" disk", "\\N"]),
        ] {
            assert_eq!(of(line).unwrap(), cells, "{line}");
        }
    }

    #[test]
    fn a_line_ends_as_its_dialect_has_it() {
        use {Dialect::*, End::*};
        for (line, inside, standard, backslash) in [
            (r#""a"#, false, Open, Open),
            (r#"b","c"#, true, Open, Open),
            (r#"b",c"#, true, Whole, Whole),
            (r#"x,"a,b""#, true, Broken, Broken),
            (r#""a \"b\" c""#, false, Broken, Whole),
            (r#""a\","#, false, Whole, Open),
            (r#"a\"#, false, Whole, Whole),
        ] {
            assert_eq!(read(line, inside, Standard).1, standard, "{line}");
            assert_eq!(read(line, inside, Backslash).1, backslash, "{line}");
        }
        assert!(ends_in_a_backslash(r"a\") && ends_in_a_backslash(r"a\\\") && !ends_in_a_backslash(r"a\\"));
    }
}
