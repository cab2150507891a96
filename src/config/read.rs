//! One value, by the kind its key takes.

use std::time::Duration;

use super::error::Remark;
use super::keys::{Absent, Key, Kind};
use super::suggest;
use super::tree::{Item, Node, quoted};
use super::value;
use crate::units::ByteSize;

/// `true` or `false`.
pub(super) fn flag(node: &Node, key: &Key) -> Result<bool, Remark> {
    let Item::Flag(flag) = node.item else { return Err(wrong_type(node, key)) };
    Ok(flag)
}

/// A whole number within the key's range.
pub(super) fn count(node: &Node, key: &Key) -> Result<usize, Remark> {
    let (Item::Integer(number), Kind::Count(least, most)) = (&node.item, key.kind) else {
        return Err(wrong_type(node, key));
    };
    let nearest = if *number < i128::from(least) { least } else { most };
    let number = u64::try_from(*number).ok().filter(|number| (least..=most).contains(number));
    number
        .and_then(|number| usize::try_from(number).ok())
        .ok_or_else(|| out_of_range(Remark::expected(expected(key)), nearest))
}

/// A length of time within the key's range.
pub(super) fn duration(node: &Node, key: &Key) -> Result<Duration, Remark> {
    let Kind::Duration(least, most) = key.kind else { return Err(wrong_type(node, key)) };
    let Some(text) = node.text() else { return Err(without_unit(node, key, |number| format!("{number}s"))) };
    let duration = value::duration(text)?;
    let range = || {
        let nearest = if duration < least { least } else { most };
        let (least, most) = (value::show_duration(least), value::show_duration(most));
        let remark = Remark::new(format!("expected a duration from {least:?} to {most:?}"));
        out_of_range(remark, quoted(&value::show_duration(nearest)))
    };
    (least..=most).contains(&duration).then_some(duration).ok_or_else(range)
}

/// A number of bytes within the key's range.
pub(super) fn size(node: &Node, key: &Key) -> Result<ByteSize, Remark> {
    let Kind::Size(least, most) = key.kind else { return Err(wrong_type(node, key)) };
    let Item::Text(text) = &node.item else {
        return Err(without_unit(node, key, |number| ByteSize(number).to_string()));
    };
    let size = value::size(text)?;
    let nearest = if size < least { least } else { most };
    let range = || {
        let remark = Remark::new(format!("expected a size from \"{least}\" to \"{most}\""));
        out_of_range(remark, format!("\"{nearest}\""))
    };
    (least..=most).contains(&size).then_some(size).ok_or_else(range)
}

/// One of the key's words, as what it stands for: the words' order is that of `meanings`.
pub(super) fn choice<T: Copy>(meanings: &[T]) -> impl FnOnce(&Node, &Key) -> Result<T, Remark> {
    move |node, key| {
        let Kind::Choice(words) = key.kind else { return Err(wrong_type(node, key)) };
        let written = written_text(node, key)?;
        let known = words.iter().zip(meanings).find(|(word, _)| **word == written);
        known.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let remark = Remark::expected(expected(key)).so("a word that means nothing is not taken for the default");
            match suggest::nearest(written, words.iter().copied()) {
                Some(word) => remark.fix(format!("did you mean {word:?}?")),
                None => remark.fix("write one of them, or leave the key out to have its default"),
            }
        })
    }
}

/// Text, made into what it means by `parse`.
pub(super) fn text<T>(parse: impl FnOnce(&str) -> Result<T, Remark>) -> impl FnOnce(&Node, &Key) -> Result<T, Remark> {
    move |node, key| parse(written_text(node, key)?)
}

/// What kind of value the key takes.
pub(super) fn expected(key: &Key) -> String {
    match key.kind {
        Kind::Flag => "true or false".to_owned(),
        Kind::Count(least, most) => format!("a whole number from {least} to {most}"),
        Kind::Duration(..) => value::DURATION.to_owned(),
        Kind::Size(..) => value::SIZE.to_owned(),
        Kind::Text | Kind::Secret => "text in quotes".to_owned(),
        Kind::File => "a path in quotes".to_owned(),
        Kind::Choice(words) => any_of(words),
        Kind::Texts => r#"a list of texts: ["…", "…"]"#.to_owned(),
        Kind::TextTable => r#"a table of names and texts: { name = "…" }"#.to_owned(),
        Kind::ValueTable => r#"a table of names and values: { name = "…" }"#.to_owned(),
    }
}

/// The value is of another type than the key takes.
pub(super) fn wrong_type(node: &Node, key: &Key) -> Remark {
    let remark = Remark::new(format!("expected {}, not {}", expected(key), node.kind()));
    let remark = remark.so("what is meant by it could only be guessed");
    let name = key.path.rsplit('.').next().unwrap_or_default();
    let meant = match &node.item {
        Item::Text(text) => from_text(text, key.kind).map(|(what, meant)| format!("{what}: {name} = {meant}")),
        Item::Integer(number) => {
            from_number(*number, key.kind).map(|meant| format!("put it in quotes: {name} = {meant}"))
        }
        Item::Float(_) | Item::Flag(_) | Item::Date(_) | Item::List(_) | Item::Table(_) => None,
    };
    remark.fix(meant.unwrap_or_else(|| match key.absent {
        Absent::Is(default) => format!("write it as its default is: {name} = {default}"),
        Absent::Required(example) => format!("write it like this: {example}"),
        Absent::Derived(words) => format!("leave it out to have the default: {words}"),
    }))
}

/// The text of a value that is nothing else.
pub(super) fn plain_text(node: &Node) -> Result<&str, Remark> {
    node.text().ok_or_else(|| {
        let remark = Remark::new(format!("expected text in quotes, not {}", node.kind()));
        remark.so("what is meant by it could only be guessed").fix("put it in quotes: \"…\"")
    })
}

fn out_of_range(remark: Remark, nearest: impl std::fmt::Display) -> Remark {
    remark.so("beyond these bounds it would do harm, or nothing at all").fix(format!("the nearest is {nearest}"))
}

/// What was probably meant by a text where the key takes something else, and what to do.
fn from_text(text: &str, kind: Kind) -> Option<(&'static str, String)> {
    let bare = || Some(("leave out the quotes", text.to_owned()));
    match kind {
        Kind::Flag if matches!(text, "true" | "false") => bare(),
        Kind::Count(..) if text.parse::<u64>().is_ok() => bare(),
        Kind::Texts => Some(("put it in brackets", format!("[{}]", quoted(text)))),
        Kind::Flag
        | Kind::Count(..)
        | Kind::Duration(..)
        | Kind::Size(..)
        | Kind::Text
        | Kind::Choice(_)
        | Kind::Secret
        | Kind::File
        | Kind::TextTable
        | Kind::ValueTable => None,
    }
}

/// What was probably meant by a number where the key takes text.
fn from_number(number: i128, kind: Kind) -> Option<String> {
    match kind {
        Kind::Secret => Some("\"…\"".to_owned()),
        Kind::Text | Kind::File => Some(format!("\"{number}\"")),
        Kind::Flag
        | Kind::Count(..)
        | Kind::Duration(..)
        | Kind::Size(..)
        | Kind::Choice(_)
        | Kind::Texts
        | Kind::TextTable
        | Kind::ValueTable => None,
    }
}

/// The words as a sentence has them: `"a", "b" or "c"`.
pub(super) fn any_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some(_) | None => quoted.concat(),
    }
}

fn written_text<'n>(node: &'n Node, key: &Key) -> Result<&'n str, Remark> {
    node.text().ok_or_else(|| wrong_type(node, key))
}

fn without_unit(node: &Node, key: &Key, with_unit: impl Fn(u64) -> String) -> Remark {
    let remark = wrong_type(node, key);
    let number = match node.item {
        Item::Integer(number) => u64::try_from(number).ok(),
        Item::Text(_) | Item::Float(_) | Item::Flag(_) | Item::Date(_) | Item::List(_) | Item::Table(_) => None,
    };
    match number {
        Some(number) => remark.fix(format!("give it a unit, in quotes: {:?}", with_unit(number))),
        None => remark,
    }
}
