//! `identity.<name>.cookies`.

use std::time::Duration;

use crate::config::error::Remark;
use crate::config::parse::{name, template};
use crate::config::read;
use crate::config::section::both;
use crate::config::tree::{Item, Node, Table};
use crate::config::value;
use crate::identity::{Companion, Content};

/// What a cookie says that nobody can guess.
const RANDOM: &str = "{random}";

/// The least that a cookie can stay.
const SHORTEST: Duration = Duration::from_secs(1);

/// One cookie: a text, or a table of what it says and how long it stays.
pub(super) fn one(name: &str, node: &Node) -> Result<Companion, Vec<Remark>> {
    let good_name = name::cookie(name).map_err(|remark| vec![remark]);
    let told = match &node.item {
        Item::Table(table) => from_table(table),
        Item::Text(_) | Item::Flag(_) | Item::Integer(_) | Item::Float(_) | Item::Date(_) | Item::List(_) => {
            content(node).map(|content| (content, None))
        }
    };
    let (name, (content, lifetime)) = both(good_name, told)?;
    Ok(Companion { name, content, lifetime })
}

fn from_table(table: &Table) -> Result<(Content, Option<Duration>), Vec<Remark>> {
    let lost = |says: String| {
        let remark = Remark::new(says).so("what the cookie says, or for how long, would be a guess");
        vec![remark.fix("{ value = \"{user.display_name}\", lifetime = \"12h\" }")]
    };
    if let Some(entry) = table.0.iter().find(|entry| !["value", "lifetime"].contains(&entry.name.as_str())) {
        return Err(lost(format!("a cookie has no {:?}", entry.name)));
    }
    let Some(value) = table.get("value") else { return Err(lost("has no value".to_owned())) };
    let lifetime = table.get("lifetime").map(lifetime).transpose().map_err(|remark| vec![remark]);
    let (content, lifetime) = both(content(value), lifetime)?;
    if matches!(content, Content::Random) && lifetime.is_some() {
        let remark = Remark::new("{random} has no lifetime of its own");
        let remark = remark.so("it would run out under open pages, whose forms would be refused from then on");
        return Err(vec![remark.fix("leave lifetime out: it stays for as long as the session can last")]);
    }
    Ok((content, lifetime))
}

fn lifetime(node: &Node) -> Result<Duration, Remark> {
    let length = read::plain_text(node).and_then(value::duration)?;
    (length >= SHORTEST).then_some(length).ok_or_else(|| {
        Remark::new("is shorter than a second")
            .so("browsers would not keep the cookie")
            .fix("leave it out for a cookie that stays as long as the session")
    })
}

fn content(node: &Node) -> Result<Content, Vec<Remark>> {
    match &node.item {
        Item::Text(text) if text.trim() == RANDOM => Ok(Content::Random),
        Item::Text(_)
        | Item::Table(_)
        | Item::Flag(_)
        | Item::Integer(_)
        | Item::Float(_)
        | Item::Date(_)
        | Item::List(_) => template::of_node(node).map(Content::Told),
    }
}
