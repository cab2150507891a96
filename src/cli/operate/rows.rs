//! A table of bindings, row by row: a shop's own as CSV, or what an export of ours wrote.

use std::io::{BufRead, BufReader, Read};

use serde::Deserialize;

use super::bindings::Format;
use crate::admin::Row;
use crate::clock::Timestamp;
use crate::store::{IdentityKey, UserId, UserState};

/// The columns that a CSV table may have.
const COLUMNS: [&str; 4] = ["openid", "upstream_id", "username", "unionid"];

/// The longest value, in bytes: what a shop calls its users is shorter.
const LONGEST: usize = 512;

/// The longest address of a picture, in bytes.
const LONGEST_ADDRESS: usize = 2048;

/// What databases write for nothing when they are told to write a table.
const NOTHING: [&str; 2] = ["NULL", "\\N"];

/// Turns an openid into the identity it is under the configured app, in the one spelling that is stored.
pub(super) type Identify<'a> = dyn Fn(&str) -> Option<IdentityKey> + 'a;

/// A row, or what is wrong with it, and the line it stands on.
pub(super) struct Numbered {
    pub(super) line: u64,
    pub(super) row: Result<Row, String>,
}

/// Reads a table. What is wrong with all of it is an error, what is wrong with a row stands in its place.
pub(super) fn read<'a>(
    format: Format,
    input: impl Read + 'a,
    identify: &'a Identify<'a>,
) -> Result<Box<dyn Iterator<Item = Numbered> + 'a>, String> {
    match format {
        Format::Csv => csv_rows(input, identify),
        Format::Jsonl => Ok(json_rows(input, identify)),
    }
}

fn csv_rows<'a>(
    input: impl Read + 'a,
    identify: &'a Identify<'a>,
) -> Result<Box<dyn Iterator<Item = Numbered> + 'a>, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(WithoutReturns(input));
    let headers = reader.headers().map_err(|error| said(&error))?.clone();
    let names: Vec<String> = headers.iter().map(|name| name.trim_start_matches('\u{feff}').to_lowercase()).collect();
    if let Some(unknown) = names.iter().find(|name| !COLUMNS.contains(&name.as_str())) {
        return Err(format!(
            "line 1 names a column {unknown:?}: it has to name those of the table, out of {}; such as by \
             SELECT openid, user_id AS upstream_id",
            COLUMNS.join(", ")
        ));
    }
    if !names.iter().any(|name| name == "openid") || names.len() < 2 {
        return Err("line 1 has to name the columns: openid, and upstream_id or username or both".to_owned());
    }
    let twice = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    if let Some(name) = names.iter().find(|name| twice(name)) {
        return Err(format!("line 1 names {name:?} twice"));
    }
    let mut line = 1;
    Ok(Box::new(reader.into_records().map(move |record| {
        let row = match record {
            Ok(record) => {
                line = record.position().map_or(line + 1, csv::Position::line);
                let cell = |name: &str| {
                    let at = names.iter().position(|column| column == name)?;
                    record.get(at).filter(|cell| !cell.is_empty() && !NOTHING.contains(cell)).map(str::to_owned)
                };
                csv_row(&cell, identify)
            }
            Err(error) => {
                line = error.position().map_or(line + 1, csv::Position::line);
                Err(said(&error))
            }
        };
        Numbered { line, row }
    })))
}

/// Input without its carriage returns: the reader's count of lines is one behind where lines end in two bytes.
struct WithoutReturns<R>(R);

impl<R: Read> Read for WithoutReturns<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.0.read(into)?;
            let piece = into.get_mut(..read).unwrap_or_default();
            let mut kept = 0;
            for at in 0..read {
                if let Some(byte) = piece.get(at).copied().filter(|byte| *byte != b'\r') {
                    if let Some(place) = piece.get_mut(kept) {
                        *place = byte;
                    }
                    kept += 1;
                }
            }
            // Nothing is the end; a piece of returns alone is not.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

fn said(error: &csv::Error) -> String {
    if let csv::ErrorKind::Utf8 { .. } = error.kind() {
        "is not UTF-8: save the table in UTF-8 (Excel: CSV UTF-8)".to_owned()
    } else if let csv::ErrorKind::UnequalLengths { expected_len, len, .. } = error.kind() {
        format!("has {len} cells, and line 1 names {expected_len} columns")
    } else {
        error.to_string()
    }
}

fn csv_row(cell: &dyn Fn(&str) -> Option<String>, identify: &Identify<'_>) -> Result<Row, String> {
    let openid = cell("openid").ok_or("has no openid")?;
    let row = Row {
        identity: identify(&openid).ok_or("has an openid that is not 32 hexadecimal digits")?,
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
    bounded(row)
}

/// A line of `menshen bindings export`.
#[derive(Deserialize)]
struct Exported {
    provider: Option<String>,
    client_id: Option<String>,
    openid: String,
    unionid: Option<String>,
    created_at: Option<String>,
    user: Option<ExportedUser>,
}

#[derive(Deserialize)]
struct ExportedUser {
    id: String,
    state: Option<UserState>,
    upstream_id: Option<String>,
    username: Option<String>,
    display_name: Option<String>,
    avatar: Option<String>,
    created_at: Option<String>,
}

fn json_rows<'a>(input: impl Read + 'a, identify: &'a Identify<'a>) -> Box<dyn Iterator<Item = Numbered> + 'a> {
    let lines = (1..).zip(BufReader::new(input).lines());
    let is_blank = |text: &std::io::Result<String>| text.as_ref().is_ok_and(|text| text.trim().is_empty());
    Box::new(lines.filter(move |(_, text)| !is_blank(text)).map(move |(line, text)| {
        let row = text.map_err(|error| error.to_string()).and_then(|text| json_row(&text, identify));
        Numbered { line, row }
    }))
}

fn json_row(text: &str, identify: &Identify<'_>) -> Result<Row, String> {
    // serde's own words may quote what is in the line: the place has to do.
    let told = |error: serde_json::Error| format!("is no line of an export, at column {}", error.column());
    let exported: Exported = serde_json::from_str(text).map_err(told)?;
    let usual = identify(&exported.openid).ok_or("has an openid that is not 32 hexadecimal digits")?;
    let identity = IdentityKey {
        provider: exported.provider.unwrap_or(usual.provider),
        client_id: exported.client_id.unwrap_or(usual.client_id),
        subject: usual.subject,
    };
    let user = exported.user.ok_or("names no user")?;
    let id = user.id.parse::<UserId>().map_err(|_| "names a user by something that is no id")?;
    bounded(Row {
        identity,
        user: Some(id),
        upstream_id: user.upstream_id,
        username: user.username,
        display_name: user.display_name,
        avatar: user.avatar,
        state: user.state,
        unionid: exported.unionid,
        created_at: time(exported.created_at.as_deref())?,
        user_created_at: time(user.created_at.as_deref())?,
    })
}

fn time(text: Option<&str>) -> Result<Option<Timestamp>, String> {
    text.map(|text| text.parse().map_err(|_| "has a time that is not like 2026-01-31T12:00:00Z".to_owned())).transpose()
}

/// A backend gets these in headers and claims, and people read them.
fn bounded(row: Row) -> Result<Row, String> {
    for (name, value, longest) in [
        ("upstream_id", &row.upstream_id, LONGEST),
        ("username", &row.username, LONGEST),
        ("display_name", &row.display_name, LONGEST),
        ("unionid", &row.unionid, LONGEST),
        ("avatar", &row.avatar, LONGEST_ADDRESS),
    ] {
        let Some(value) = value else { continue };
        if value.len() > longest || value.chars().any(char::is_control) {
            return Err(format!("has a {name} with control characters, or longer than {longest} bytes"));
        }
    }
    // Shops write it where there is nobody; all of those would be one user.
    if row.upstream_id.as_deref() == Some("0") {
        return Err("has upstream_id 0, which is nobody's: leave the cell empty, or the row out".to_owned());
    }
    Ok(row)
}

/// What a row takes on its way, about.
pub(super) fn size(row: &Row) -> usize {
    let texts = [&row.upstream_id, &row.username, &row.display_name, &row.unionid, &row.avatar];
    1024 + texts.into_iter().flatten().map(|text| 2 * text.len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "A1B2C3D4E5F60718293A4B5C6D7E8F90";

    fn identify(openid: &str) -> Option<IdentityKey> {
        let is_right = openid.len() == 32 && openid.bytes().all(|byte| byte.is_ascii_hexdigit());
        let subject = openid.to_ascii_uppercase();
        is_right.then(|| IdentityKey { provider: "qq".to_owned(), client_id: "101000001".to_owned(), subject })
    }

    type Read = Vec<(u64, Result<Row, String>)>;

    fn rows(format: Format, text: &[u8]) -> Result<Read, String> {
        Ok(read(format, text, &identify)?.map(|numbered| (numbered.line, numbered.row)).collect())
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
            "openid,upstream_id\nabc,1\n{A},\n{A},1,2\n{A},\"4\u{7}2\"\n,3\n{A},0\n{A},NULL\n{A},\\N\n{A},42\n"
        );
        let read = rows(Format::Csv, text.as_bytes()).unwrap();
        let told: Vec<_> =
            read.iter().map(|(line, row)| (*line, row.as_ref().err().map_or("", String::as_str))).collect();
        let expected = [
            (2, "32 hexadecimal"),
            (3, "neither"),
            (4, "has 3 cells"),
            (5, "control characters"),
            (6, "no openid"),
            (7, "nobody's"),
            (8, "neither"),
            (9, "neither"),
            (10, ""),
        ];
        assert_eq!(told.len(), expected.len());
        for ((line, told), (expected_line, words)) in told.into_iter().zip(expected) {
            assert!(line == expected_line && told.contains(words), "{line} {told:?} {words}");
        }
        let latin = [b"openid,username\n", A.as_bytes(), b",\xc4\xe3\n"].concat();
        let read = rows(Format::Csv, &latin).unwrap();
        assert!(read[0].1.as_ref().unwrap_err().contains("UTF-8"));
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
