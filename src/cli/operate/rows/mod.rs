//! A table of bindings, row by row: a shop's own as CSV, or what an export of ours wrote.

mod cells;
mod export;
mod lines;
mod table;

use std::io::Read;
use std::sync::Arc;

use super::bindings::Format;
use crate::admin::{Identify, Row};

/// A row, or what is wrong with it, and the line it stands on.
pub(super) struct Numbered {
    pub(super) line: u64,
    pub(super) row: Result<Row, String>,
}

/// A table that is being read.
pub(super) type Rows = Box<dyn Iterator<Item = Numbered> + Send>;

/// Reads a table. What is wrong with all of it is an error, what is wrong with a row stands in its place.
pub(super) fn read(format: Format, input: impl Read + Send + 'static, identify: Arc<Identify>) -> Result<Rows, String> {
    match format {
        Format::Csv => table::rows(input, identify),
        Format::Jsonl => Ok(export::rows(input, identify)),
    }
}

/// What a row takes on its way, about.
pub(super) fn size(row: &Row) -> usize {
    let texts = [&row.upstream_id, &row.username, &row.display_name, &row.unionid, &row.avatar];
    1024 + texts.into_iter().flatten().map(|text| 2 * text.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{IdentityKey, UserState};

    const A: &str = "A1B2C3D4E5F60718293A4B5C6D7E8F90";

    fn identify(openid: &str) -> Option<IdentityKey> {
        let is_right = openid.len() == 32 && openid.bytes().all(|byte| byte.is_ascii_hexdigit());
        let subject = openid.to_ascii_uppercase();
        is_right.then(|| IdentityKey { provider: "qq".to_owned(), client_id: "101000001".to_owned(), subject })
    }

    type Read = Vec<(u64, Result<Row, String>)>;

    fn rows(format: Format, text: &[u8]) -> Result<Read, String> {
        let input = std::io::Cursor::new(text.to_vec());
        Ok(read(format, input, Arc::new(identify))?.map(|numbered| (numbered.line, numbered.row)).collect())
    }

    /// That each line is told so, and no other; nothing where its row is taken.
    fn assert_told(text: &[u8], expected: &[(u64, &str)]) {
        let read = rows(Format::Csv, text).unwrap();
        let told: Vec<_> =
            read.iter().map(|(line, row)| (*line, row.as_ref().err().map_or("", String::as_str))).collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for ((line, told), (expected_line, words)) in told.into_iter().zip(expected) {
            let is_right = line == *expected_line && told.contains(words) && told.is_empty() == words.is_empty();
            assert!(is_right, "{line} {told:?} {words}");
        }
    }

    #[test]
    fn a_shops_own_table_is_read_whatever_the_order_of_its_columns() {
        let text = format!("\u{feff}Upstream_ID,openid,username\r\n42,{},小明\r\n,{A},\"a,b\"\r\n", A.to_lowercase());
        let read = rows(Format::Csv, text.as_bytes()).unwrap();
        let row = read[0].1.as_ref().unwrap();
        assert_eq!((read[0].0, row.identity.subject.as_str()), (2, A));
        assert_eq!((row.upstream_id.as_deref(), row.username.as_deref()), (Some("42"), Some("小明")));
        let row = read[1].1.as_ref().unwrap();
        assert_eq!((read[1].0, row.upstream_id.as_deref(), row.username.as_deref()), (3, None, Some("a,b")));
    }

    #[test]
    fn a_table_without_the_right_columns_is_refused_as_a_whole() {
        for (text, word) in [
            (format!("{A},42,name\n"), "names a column"),
            ("openid,user_id\n".to_owned(), "user_id AS upstream_id"),
            ("openid\n".to_owned(), "upstream_id or username"),
            ("upstream_id,username\n".to_owned(), "has to name the columns"),
            ("openid,username,username\n".to_owned(), "twice"),
            (String::new(), "has to name the columns"),
        ] {
            let error = rows(Format::Csv, text.as_bytes()).unwrap_err();
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_bad_row_is_told_with_its_line_and_the_others_are_read() {
        let text = format!(
            "openid,upstream_id\nabc,1\n{A},\n{A},1,2\n{A},\"4\u{7}2\"\n,3\n{A},0\n{A},NULL\n{A},\\N\n\n{A},none\n{A},-1\n{A},42\n"
        );
        let expected = [
            (2, "32 hexadecimal"),
            (3, "neither"),
            (4, "has 3 cells"),
            (5, "control characters"),
            (6, "no openid"),
            (7, "nobody's"),
            (8, "neither"),
            (9, "neither"),
            (11, "neither"),
            (12, "nobody's"),
            (13, ""),
        ];
        assert_told(text.as_bytes(), &expected);
        let latin = [b"openid,username\n", A.as_bytes(), b",\xc4\xe3\n", A.as_bytes(), b",ming\n"].concat();
        assert_told(&latin, &[(2, "UTF-8"), (3, "")]);
        let open = [b"openid,username\n", A.as_bytes(), b",\"\xc4\xe3\n", A.as_bytes(), b",ming\"\n"].concat();
        assert_told(&open, &[(2, "UTF-8"), (3, "part of line 2")]);
    }

    /// Regression: all lines up to the next quote were lost, and nobody was told.
    #[test]
    fn a_quote_that_is_not_closed_costs_its_own_line_alone() {
        let row = |username: &str| format!("{A},42,{username}\n");
        let rows = ["\"ming", "ming", "\"a,b\"", "\"", "ming", "5\" disk"].map(row).concat();
        let text = format!("openid,upstream_id,username\n{rows}");
        let open = "a quote that is not closed";
        assert_told(text.as_bytes(), &[(2, open), (3, ""), (4, ""), (5, open), (6, ""), (7, "")]);
    }

    /// A visitor chooses a name at the shop: it must not become a row of its own, and so the binding to somebody else.
    #[test]
    fn what_stands_inside_a_cell_behind_a_lines_end_is_no_row() {
        let (open, inside) = ("not closed", "part of line 2");
        for (name, expected) in [
            // As CSV is written, and as MySQL writes it with quotes and without.
            (format!("\"x\n{A},1,y\""), [open, inside].as_slice()),
            (format!("\"\"\"x\"\"\n{A},1,\"\"y\"\"\n\\\""), &["not closed", inside, inside]),
            (format!("\"x\\\"y\\\n{A},1,z\""), &["quote after a backslash", inside]),
            (format!("x\\\n{A},1,y\\\n\"z\"z"), &["ends in a backslash", inside, inside]),
            (format!("\"x\\\n{A},1,y"), &[open, inside]),
        ] {
            let text = format!("openid,upstream_id,username\n{A},42,{name}\n{A},43,hong\n");
            let mut lines: Vec<_> = (2..).zip(expected.iter().copied()).collect();
            lines.push((2 + u64::try_from(expected.len()).unwrap(), ""));
            assert_told(text.as_bytes(), &lines);
        }
    }

    /// Regression: what MySQL writes by INTO OUTFILE was taken in with its backslashes.
    #[test]
    fn a_quoted_cell_ends_at_its_quote_or_its_row_is_refused_with_what_to_do() {
        let row = |username: &str| format!("{A},42,{username}\n");
        let rows = [r#""a \"b\" c""#, r#""a"b"#, r#" "a ""b"" c" "#, r#""a"#].map(row).concat();
        let text = format!("openid,upstream_id,username\n{rows}");
        let twice = "written twice";
        assert_told(text.as_bytes(), &[(2, twice), (3, twice), (4, ""), (5, "not closed")]);
        let read = self::rows(Format::Csv, text.as_bytes()).unwrap();
        assert_eq!(read[2].1.as_ref().unwrap().username.as_deref(), Some("a \"b\" c"));
    }

    #[test]
    fn what_an_export_wrote_is_read_and_what_it_did_not_is_told() {
        let line = format!(
            r#"{{"provider":"qq","client_id":"7","openid":"{A}","unionid":null,"created_at":"2026-01-31T12:00:00.123Z",
               "user":{{"id":"0190a5b2-3c4d-7e8f-9a0b-112233445566","state":"blocked","upstream_id":"42","username":null,
               "display_name":"门神","avatar":null,"created_at":"2025-01-31T12:00:00.000Z","updated_at":"x"}}}}"#
        )
        .replace('\n', "");
        let text = format!("{line}\n\n{{\"openid\":\"{A}\"}}\nnull\n{{\"secret\":1}}\n");
        let read = rows(Format::Jsonl, text.as_bytes()).unwrap();
        let row = read[0].1.as_ref().unwrap();
        assert_eq!((row.identity.client_id.as_str(), row.state), ("7", Some(UserState::Blocked)));
        assert_eq!(row.created_at.unwrap().to_string(), "2026-01-31T12:00:00.123Z");
        assert_eq!(row.user_created_at.unwrap().to_string(), "2025-01-31T12:00:00.000Z");
        let lines: Vec<_> = read.iter().map(|(line, row)| (*line, row.is_ok())).collect();
        assert_eq!(lines, [(1, true), (3, false), (4, false), (5, false)]);
        assert!(read.iter().skip(1).all(|(_, row)| !row.as_ref().unwrap_err().contains("secret")));
    }
}
