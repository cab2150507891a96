//! Keys and sections nobody knows are refused: a slip must not silently leave a default in force.

use super::error::{Findings, Place, Remark, Spot};
use super::keys::{self, Known};
use super::section::dotted;
use super::suggest;
use super::tree::{Entry, Node, Table};

/// Reports every unknown key, and every section that is not written as one.
pub(super) fn check(root: &Table, log: &mut Findings) {
    check_table(root, "", "", log);
}

fn check_table(table: &Table, pattern: &str, shown: &str, log: &mut Findings) {
    for entry in &table.0 {
        let path = dotted(shown, &entry.name);
        let below = keys::join(pattern, &entry.name);
        match Known::at(&below) {
            Known::Key(_) => {}
            Known::Section => match entry.node.table() {
                Some(table) => check_table(table, &below, &path, log),
                None => no_section(entry, &below, &path, log),
            },
            Known::List => check_list(entry, &below, &path, log),
            Known::Nothing => unknown(entry, pattern, shown, log),
        }
    }
}

fn check_list(entry: &Entry, pattern: &str, path: &str, log: &mut Findings) {
    let tables: Option<Vec<&Table>> = entry.node.list().and_then(|nodes| nodes.iter().map(Node::table).collect());
    let Some(tables) = tables else {
        log.explain(path);
        let remark = Remark::new("is written with two brackets, once for each")
            .so("there would be no telling one from the next");
        return log.error(&spot(&entry.place, path), remark.fix(format!("[[{path}]]")));
    };
    for (at, table) in tables.into_iter().enumerate() {
        check_table(table, &format!("{pattern}[]"), &format!("{path}[{at}]"), log);
    }
}

fn no_section(entry: &Entry, pattern: &str, path: &str, log: &mut Findings) {
    log.explain(path);
    let remark = match pattern.strip_suffix(".<name>") {
        // `endpoints` right below `[upstreams]` looks like an upstream of that name.
        Some(section) => Remark::new(format!("stands below [{section}] itself, where names belong"))
            .so("it would be taken for the name of one")
            .fix(format!("name it: [{section}.{}]", example_name(section))),
        None if keys::names_in(pattern).contains(&"<name>") => {
            Remark::new("takes a name for each: there can be several")
                .so("routes could not say which of them they mean")
                .fix(format!("[{path}.{}]", example_name(path)))
        }
        None => Remark::new("is a section, and there is one of it")
            .so("what stands in it would not be read")
            .fix(format!("[{path}]")),
    };
    if let Some((section, _)) = path.rsplit_once('.') {
        log.explain(section);
    }
    log.error(&spot(&entry.place, path), remark);
}

fn example_name(section: &str) -> &'static str {
    if section == "identity" { "default" } else { "mall" }
}

fn unknown(entry: &Entry, pattern: &str, shown: &str, log: &mut Findings) {
    let names = keys::names_in(pattern);
    let spot = spot(&entry.place, &dotted(shown, &entry.name));
    let is_list_of_tables = entry.node.list().is_some_and(|nodes| nodes.iter().any(|node| node.table().is_some()));
    let is_section = entry.node.table().is_some() || is_list_of_tables;
    let remark = Remark::new(if is_section { "there is no such section" } else { "there is no such key" });
    let remark = remark.so("it would have no effect, and what was meant would keep its default");
    if matches!(Known::at(&entry.name), Known::Key(_)) {
        return log.error(&spot, remark.fix(format!("without quotes: {} = …", entry.name)));
    }
    if let Some(name) = suggest::nearest(&entry.name, names.iter().copied()) {
        log.explain(dotted(shown, name));
        return log.error(&spot, remark.fix(format!("did you mean `{name}`?")));
    }
    if let Some(path) = suggest::elsewhere(&entry.name) {
        log.explain(path);
        let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
        let header = if section.ends_with("[]") {
            format!("[[{}]]", section.trim_end_matches("[]"))
        } else {
            format!("[{section}]")
        };
        return log.error(&spot, remark.fix(format!("did you mean `{name}` below {header}?")));
    }
    let known: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let place = if shown.is_empty() { "the sections are".to_owned() } else { format!("[{shown}] knows") };
    log.error(&spot, remark.fix(format!("{place} {}", known.join(", "))));
}

/// Without the value: behind a mistyped key there may be a secret.
fn spot(place: &Place, key: &str) -> Spot {
    Spot { place: place.clone(), key: key.to_owned(), found: None }
}
