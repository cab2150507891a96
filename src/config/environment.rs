//! Keys from the environment: `MENSHEN__SESSION__IDLE=1h` is `idle` in `[session]`.
//!
//! They are laid over the file before anything is read, so that every rule holds for them too; a mistake in one names
//! the variable in place of a line.

use std::ffi::OsString;

use toml::de::DeValue;
use zeroize::Zeroizing;

use super::error::{Findings, Place, Remark, Spot};
use super::keys::{self, KEYS, Key, Kind, Known};
use super::lines::Lines;
use super::suggest;
use super::tree::{Entry, Item, Node, Table};

/// What the name of every variable of ours begins with.
pub(super) const PREFIX: &str = "MENSHEN__";

/// The tables whose entries are named as headers are.
const HEADERS: [&str; 2] = ["identity.<name>.headers", "tls.client_headers"];

/// Puts the environment's values into the file's tree.
pub(super) fn overlay(
    tree: &mut Table,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    log: &mut Findings,
) {
    let mut ours: Vec<(String, OsString)> = Vec::new();
    for (name, value) in environment {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with(PREFIX) {
            ours.push((name, value));
        } else {
            hint_at_prefix(&name, log);
        }
    }
    // Index 2 before index 10, so that each entry finds the one before it.
    ours.sort_by_key(|(name, _)| name.split("__").map(|part| format!("{part:0>8}")).collect::<Vec<_>>());
    for (name, value) in ours {
        let place = Place::Variable(name.clone());
        let Ok(value) = value.into_string().map(Zeroizing::new) else {
            log.error(
                &nameless(&place),
                Remark::new("is not UTF-8").so("no key takes such a value").fix("set it anew, as UTF-8"),
            );
            continue;
        };
        match target(&name, tree) {
            Ok(target) => {
                let node = node(&value, &target, &place);
                if let Some(twin) = twin(target.key) {
                    remove_written(tree, &target.steps, &twin);
                }
                if let Some(other) = insert(tree, &target.steps, node, &place) {
                    log.error(
                        &nameless(&place),
                        Remark::new(format!("sets the same key as {other}"))
                            .so("which of the two holds would be chance")
                            .fix("keep one"),
                    );
                }
            }
            Err(remark) => log.error(&nameless(&place), remark),
        }
    }
}

/// Where in the tree a variable's value goes.
struct Target {
    steps: Vec<Step>,
    key: &'static Key,
    is_entry: bool,
}

enum Step {
    Name(String),
    Index(usize),
}

fn target(variable: &str, tree: &Table) -> Result<Target, Remark> {
    let mut parts = variable.strip_prefix(PREFIX).unwrap_or_default().split("__");
    let mut table = Some(tree);
    let mut pattern = String::new();
    let mut steps = Vec::new();
    while let Some(part) = parts.next() {
        let name = name_for(part, &pattern, table).ok_or_else(|| unknown(variable, part, &pattern))?;
        pattern = keys::join(&pattern, &name);
        let node = table.and_then(|table| table.get(&name));
        steps.push(Step::Name(name));
        match Known::at(&pattern) {
            Known::Key(key) => {
                let rest: Vec<_> = parts.collect();
                let is_entry = !rest.is_empty();
                if is_entry {
                    if let Kind::Texts = key.kind {
                        let whole = variable_for(&pattern);
                        return Err(Remark::new("a list is given as a whole")
                            .so("one item alone cannot be laid over those of the file")
                            .fix(format!("{whole}=one,two")));
                    }
                    if !matches!(key.kind, Kind::TextTable | Kind::ValueTable) {
                        return Err(unknown(variable, part, &pattern));
                    }
                    let written = rest.join("__");
                    let entry = node.and_then(Node::table).and_then(|table| same_name(table, &written));
                    steps.push(Step::Name(entry.unwrap_or_else(|| new_entry(key, &written))));
                }
                return Ok(Target { steps, key, is_entry });
            }
            Known::Section => table = node.and_then(Node::table),
            Known::List => {
                let items = node.and_then(Node::list).unwrap_or_default();
                let index = index(parts.next(), &pattern, items.len())?;
                table = items.get(index).and_then(Node::table);
                steps.push(Step::Index(index));
                pattern.push_str("[]");
            }
            Known::Nothing => return Err(unknown(variable, part, &pattern)),
        }
    }
    let fix = keys::names_in(&pattern)
        .first()
        .map_or(String::new(), |name| format!("name a key of it, such as {variable}__{}", name.to_ascii_uppercase()));
    Err(Remark::new("names a section, not a key").so("a section has no value of its own").fix(fix))
}

fn index(part: Option<&str>, list: &str, length: usize) -> Result<usize, Remark> {
    let example = format!("{PREFIX}{}__0__…", list.to_ascii_uppercase());
    let numbered = || {
        Remark::new(format!("expected a number from 0 after {}", list.to_ascii_uppercase()))
            .so("which of them is meant could not be told")
            .fix(example)
    };
    let index: usize = part.and_then(|part| part.parse().ok()).ok_or_else(numbered)?;
    if index > length {
        let remark = Remark::new(format!("leaves a gap: {list} are counted from 0, and the next one is {length}"))
            .so("what lies in the gap would have no value at all");
        return Err(remark.fix(format!("{PREFIX}{}__{length}__…", list.to_ascii_uppercase())));
    }
    Ok(index)
}

/// The name within a section that a part of a variable's name means.
fn name_for(part: &str, pattern: &str, table: Option<&Table>) -> Option<String> {
    let names = keys::names_in(pattern);
    if let Some(name) = names.iter().find(|name| name.eq_ignore_ascii_case(part)) {
        return Some((*name).to_owned());
    }
    let any = names.contains(&"<name>") && !part.is_empty();
    any.then(|| table.and_then(|table| same_name(table, part)).unwrap_or_else(|| part.to_ascii_lowercase()))
}

/// The written name that a variable means: variables have neither small letters nor hyphens.
fn same_name(table: &Table, part: &str) -> Option<String> {
    let fold = |name: &str| name.to_ascii_lowercase().replace('-', "_");
    table.0.iter().map(|entry| &entry.name).find(|name| fold(name) == fold(part)).cloned()
}

/// The name of an entry that the file does not have. No header's name may hold a `_`, and no variable's a `-`.
fn new_entry(key: &Key, written: &str) -> String {
    let name = written.to_ascii_lowercase();
    if HEADERS.contains(&key.path) { name.replace('_', "-") } else { name }
}

fn unknown(variable: &str, part: &str, pattern: &str) -> Remark {
    let remark = Remark::new("there is no such key").so("the variable would have no effect");
    let names = keys::names_in(pattern);
    let near = suggest::nearest(part, names.iter().copied());
    let near = near.map(|name| variable.replacen(part, &name.to_ascii_uppercase(), 1));
    // A single underscore between section and key is the slip made most.
    let squeezed = |name: &str| name.replace(['_', '.'], "").to_ascii_lowercase();
    let same =
        KEYS.iter().find(|key| squeezed(key.path) == squeezed(variable.strip_prefix(PREFIX).unwrap_or_default()));
    let elsewhere = suggest::elsewhere(variable.rsplit("__").next().unwrap_or_default());
    let path = same.map(|key| key.path).or(elsewhere);
    match near.filter(|_| same.is_none()).or_else(|| path.map(variable_for)) {
        Some(name) => remark.fix(format!("did you mean {name}?")),
        None => remark.fix("docs/configuration.md lists every key"),
    }
}

/// The variable that sets a key.
pub(super) fn variable_for(path: &str) -> String {
    format!("{PREFIX}{}", path.replace("[]", ".0").replace('.', "__").to_ascii_uppercase())
}

/// `MENSHEN_SESSION__IDLE` is nobody else's, either.
fn hint_at_prefix(name: &str, log: &mut Findings) {
    let Some(rest) = name.strip_prefix("MENSHEN_").filter(|rest| rest.contains("__")) else { return };
    let meant = format!("{PREFIX}{rest}");
    let place = Place::Variable(name.to_owned());
    log.warn(
        &nameless(&place),
        Remark::new("is not read")
            .so("the key keeps what the file says, or its default")
            .fix(format!("did you mean {meant}?")),
    );
}

/// The value, as its key takes it: TOML where that says more than text does.
fn node(value: &str, target: &Target, place: &Place) -> Node {
    let text = || Item::Text(Zeroizing::new(value.to_owned()));
    let parse = |text: &str| DeValue::parse(text.trim()).ok().map(|value| Node::of(&value, &Lines::at(place.clone())));
    let item = match (target.key.kind, target.is_entry) {
        (Kind::Secret, _) => text(),
        (Kind::Flag | Kind::Count(..), _) | (Kind::ValueTable, true) => {
            parse(value).map(|node| node.item).filter(is_scalar).unwrap_or_else(text)
        }
        (Kind::TextTable | Kind::ValueTable, false) => parse(value).map_or_else(text, |node| node.item),
        (Kind::Texts, _) if value.trim_start().starts_with('[') => parse(value).map_or_else(text, |node| node.item),
        (Kind::Texts, _) => Item::List(comma_separated(value, place)),
        (Kind::TextTable, true)
        | (Kind::Duration(..) | Kind::Size(..) | Kind::Text | Kind::Choice(_) | Kind::File, _) => {
            let unquoted = value.trim_start().starts_with(['"', '\'']).then(|| parse(value)).flatten();
            unquoted.map_or_else(text, |node| node.item)
        }
    };
    Node { item, place: place.clone() }
}

fn is_scalar(item: &Item) -> bool {
    match item {
        Item::Text(_) | Item::Integer(_) | Item::Float(_) | Item::Flag(_) => true,
        Item::Date(_) | Item::List(_) | Item::Table(_) => false,
    }
}

fn comma_separated(value: &str, place: &Place) -> Vec<Node> {
    let texts = value.split(',').map(str::trim).filter(|text| !text.is_empty());
    texts.map(|text| Node { item: Item::Text(Zeroizing::new(text.to_owned())), place: place.clone() }).collect()
}

/// `client_secret` for `client_secret_file`, and the reverse.
fn twin(key: &Key) -> Option<String> {
    let name = key.path.rsplit('.').next()?;
    let pairs = KEYS.iter().filter(|other| matches!(other.kind, Kind::Secret));
    pairs.filter_map(|secret| secret.path.rsplit('.').next()).find_map(|secret| {
        let file = format!("{secret}_file");
        if name == secret { Some(file) } else { (name == file).then(|| secret.to_owned()) }
    })
}

/// A secret from the environment stands in place of the file's, whichever of the two ways each is given.
fn remove_written(tree: &mut Table, steps: &[Step], twin: &str) {
    let Some((Step::Name(_), parents)) = steps.split_last() else { return };
    let mut table = tree;
    for step in parents {
        let Step::Name(name) = step else { return };
        let Some(entry) = table.0.iter_mut().find(|entry| entry.name == *name) else { return };
        let Item::Table(below) = &mut entry.node.item else { return };
        table = below;
    }
    table.0.retain(|entry| entry.name != twin || matches!(entry.node.place, Place::Variable(_)));
}

/// Puts the node where the steps lead; returns the variable that had already put one there.
fn insert(table: &mut Table, steps: &[Step], node: Node, place: &Place) -> Option<String> {
    let (Step::Name(name), rest) = steps.split_first()? else { return None };
    let at = table.0.iter().position(|entry| entry.name == *name).unwrap_or_else(|| {
        let empty = match rest.first() {
            Some(Step::Index(_)) => Item::List(Vec::new()),
            Some(Step::Name(_)) | None => Item::Table(Table::default()),
        };
        let node = Node { item: empty, place: Place::File };
        table.0.push(Entry { name: name.clone(), place: place.clone(), node });
        table.0.len() - 1
    });
    let entry = table.0.get_mut(at)?;
    // Where the file has something else than a table or a list, that mistake is reported on its own.
    match rest {
        [] => {
            entry.place = place.clone();
            match std::mem::replace(&mut entry.node, node).place {
                Place::Variable(other) => Some(other),
                Place::File | Place::Default | Place::Line { .. } => None,
            }
        }
        [Step::Index(index), rest @ ..] => {
            let Item::List(items) = &mut entry.node.item else { return None };
            if *index == items.len() {
                items.push(Node { item: Item::Table(Table::default()), place: Place::File });
            }
            let Item::Table(below) = &mut items.get_mut(*index)?.item else { return None };
            insert(below, rest, node, place)
        }
        [Step::Name(_), ..] => {
            let Item::Table(below) = &mut entry.node.item else { return None };
            insert(below, rest, node, place)
        }
    }
}

fn nameless(place: &Place) -> Spot {
    Spot { place: place.clone(), key: String::new(), found: None }
}
