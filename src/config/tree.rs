//! What was written, before anybody asks what it means: TOML values, each with its place.
//!
//! A tree may hold secrets: it has no `Debug`, its texts are wiped when dropped, and [`Node::shown`] is asked only for
//! keys that are not secret.

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::error::Place;
use super::lines::Lines;

/// A value and its place.
pub(super) struct Node {
    pub(super) item: Item,
    pub(super) place: Place,
}

/// A value, as TOML knows it.
pub(super) enum Item {
    Text(Zeroizing<String>),
    Integer(i128),
    Float(f64),
    Flag(bool),
    Date(String),
    List(Vec<Node>),
    Table(Table),
}

/// Keys and values, in the order they were written.
#[derive(Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

/// One key of a table.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

impl Table {
    /// From a parsed document or a part of one.
    pub(super) fn of(table: &DeTable<'_>, lines: &Lines<'_>) -> Self {
        let mut written: Vec<_> = table.iter().collect();
        written.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| Entry {
            name: key.get_ref().to_string(),
            place: lines.place(key.span().start),
            node: Node::of(value, lines),
        };
        Table(written.into_iter().map(entry).collect())
    }

    /// The value of a key.
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.0.iter().find(|entry| entry.name == name).map(|entry| &entry.node)
    }
}

impl Node {
    /// From a parsed value.
    pub(super) fn of(value: &Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Self {
        let item = match value.get_ref() {
            DeValue::String(text) => Item::Text(Zeroizing::new(text.to_string())),
            DeValue::Integer(digits) => Item::Integer(integer(digits.as_str(), digits.radix())),
            DeValue::Float(digits) => Item::Float(digits.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Item::Flag(*flag),
            DeValue::Datetime(date) => Item::Date(date.to_string()),
            DeValue::Array(items) => Item::List(items.iter().map(|item| Node::of(item, lines)).collect()),
            DeValue::Table(table) => Item::Table(Table::of(table, lines)),
        };
        Node { item, place: lines.place(value.span().start) }
    }

    /// The table, if it is one.
    pub(super) fn table(&self) -> Option<&Table> {
        match &self.item {
            Item::Table(table) => Some(table),
            Item::Text(_) | Item::Integer(_) | Item::Float(_) | Item::Flag(_) | Item::Date(_) | Item::List(_) => None,
        }
    }

    /// The items, if it is a list.
    pub(super) fn list(&self) -> Option<&[Node]> {
        match &self.item {
            Item::List(nodes) => Some(nodes),
            Item::Text(_) | Item::Integer(_) | Item::Float(_) | Item::Flag(_) | Item::Date(_) | Item::Table(_) => None,
        }
    }

    /// The text, if it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.item {
            Item::Text(text) => Some(text),
            Item::Integer(_) | Item::Float(_) | Item::Flag(_) | Item::Date(_) | Item::List(_) | Item::Table(_) => None,
        }
    }

    /// What kind of thing it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.item {
            Item::Text(_) => "text",
            Item::Integer(_) => "a number",
            Item::Float(_) => "a number with a point",
            Item::Flag(_) => "true or false",
            Item::Date(_) => "a date",
            Item::List(_) => "a list",
            Item::Table(_) => "a table",
        }
    }

    /// The value as TOML, cut short if long, without the user part of an address: for keys that are not secret.
    pub(super) fn shown(&self) -> String {
        match &self.item {
            Item::Text(text) => quoted(text),
            Item::Integer(number) => number.to_string(),
            Item::Float(number) => number.to_string(),
            Item::Flag(flag) => flag.to_string(),
            Item::Date(date) => date.clone(),
            Item::List(items) => {
                let all: Vec<_> = items.iter().take(4).map(Node::shown).collect();
                format!("[{}{}]", all.join(", "), if items.len() > 4 { ", …" } else { "" })
            }
            Item::Table(table) if table.0.is_empty() => "{}".to_owned(),
            Item::Table(_) => "{ … }".to_owned(),
        }
    }
}

/// The digits' value; what no setting could be stays out of every range.
fn integer(digits: &str, radix: u32) -> i128 {
    let beyond = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(digits, radix).unwrap_or(beyond)
}

/// The text in quotes, at most some eighty characters of it, and nothing that stands where an address has its password.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let text = without_user(text);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

fn without_user(text: &str) -> String {
    let Some((before, host)) = text.rsplit_once('@') else { return text.to_owned() };
    match before.split_once("://") {
        Some((scheme, _)) => format!("{scheme}://[redacted]@{host}"),
        None if before.contains(':') => format!("[redacted]@{host}"),
        None => text.to_owned(),
    }
}
