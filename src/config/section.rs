//! A table of the configuration, read key by key.
//!
//! Every read looks its key up in [`super::keys`], falls back on the default stated there, and reports what is wrong
//! instead of stopping: `None` means that a mistake has been noted down.

use std::path::Path;

use toml::de::DeValue;

use super::environment;
use super::error::{Findings, Place, Remark, Spot};
use super::keys::{self, Absent, Key, Kind, Known};
use super::lines::Lines;
use super::read;
use super::tree::{Entry, Node, Table};

/// A table, or the place where one could be.
#[derive(Clone)]
pub(super) struct Section<'t> {
    base: &'t Path,
    shown: String,
    pattern: String,
    table: Option<&'t Table>,
    place: Place,
    /// Keys of this section that have another default than the list of keys says, and what, as TOML.
    defaults: Defaults,
}

/// Keys and their defaults, as TOML.
pub(super) type Defaults = &'static [(&'static str, &'static str)];

/// A finished value, and where it came from for remarks about it.
#[derive(Debug, Clone)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) spot: Spot,
}

impl<T> Given<T> {
    /// Whether the value is a default rather than written.
    pub(super) fn is_default(&self) -> bool {
        self.spot.place == Place::Default
    }
}

/// What could be read of several values: a wrong one keeps nothing from being said about the others.
#[derive(Debug, Clone)]
pub(super) struct Many<T> {
    /// Those that are right.
    pub(super) items: Vec<Given<T>>,
    /// Whether all of them are.
    pub(super) whole: bool,
}

impl<T> Default for Many<T> {
    fn default() -> Self {
        Many { items: Vec::new(), whole: true }
    }
}

impl<T> Many<T> {
    fn of(items: impl Iterator<Item = Option<Given<T>>>) -> Self {
        let mut many = Many::default();
        for item in items {
            many.whole &= item.is_some();
            many.items.extend(item);
        }
        many
    }

    fn spoilt() -> Self {
        Many { items: Vec::new(), whole: false }
    }

    /// These, then the others.
    pub(super) fn with(&self, others: &Many<T>) -> Self
    where
        T: Clone,
    {
        let items = self.items.iter().chain(&others.items).cloned().collect();
        Many { items, whole: self.whole && others.whole }
    }

    /// What some of them come to.
    pub(super) fn filter_map<U>(&self, of: impl Fn(&T) -> Option<U>) -> Many<U> {
        let item = |given: &Given<T>| Some(Given { value: of(&given.value)?, spot: given.spot.clone() });
        Many { items: self.items.iter().filter_map(item).collect(), whole: self.whole }
    }

    /// The values alone.
    pub(super) fn values(self) -> impl Iterator<Item = T> {
        self.items.into_iter().map(|given| given.value)
    }
}

/// Both, or every remark about either.
pub(super) fn both<A, B>(a: Result<A, Vec<Remark>>, b: Result<B, Vec<Remark>>) -> Result<(A, B), Vec<Remark>> {
    match (a, b) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        (Err(mut a), Err(b)) => {
            a.extend(b);
            Err(a)
        }
        (Err(remarks), Ok(_)) | (Ok(_), Err(remarks)) => Err(remarks),
    }
}

impl<'t> Section<'t> {
    /// The whole file. Relative paths in it are looked for in `base`.
    pub(super) fn root(table: &'t Table, base: &'t Path) -> Self {
        Section {
            base,
            shown: String::new(),
            pattern: String::new(),
            table: Some(table),
            place: Place::File,
            defaults: &[],
        }
    }

    /// The section of this name.
    pub(super) fn section(&self, name: &str) -> Section<'t> {
        let node = self.table.and_then(|table| table.get(name));
        Section {
            base: self.base,
            shown: dotted(&self.shown, name),
            pattern: keys::join(&self.pattern, name),
            table: node.and_then(Node::table),
            place: node.map_or(Place::File, |node| node.place.clone()),
            defaults: &[],
        }
    }

    /// Every section below this one, by the names the operator chose.
    pub(super) fn named(&self) -> Vec<(String, Section<'t>)> {
        let entries = self.table.map(|table| table.0.as_slice()).unwrap_or_default();
        let tables = entries.iter().filter(|entry| entry.node.table().is_some());
        tables.map(|entry| (entry.name.clone(), self.section(&entry.name))).collect()
    }

    /// Every `[[name]]`.
    pub(super) fn listed(&self, name: &str) -> Vec<Section<'t>> {
        let Some(nodes) = self.node(name).and_then(Node::list) else { return Vec::new() };
        let list = self.section(name);
        let section = |(at, node): (usize, &'t Node)| Section {
            base: self.base,
            shown: format!("{}[{at}]", list.shown),
            pattern: format!("{}[]", list.pattern),
            table: node.table(),
            place: node.place.clone(),
            defaults: &[],
        };
        nodes.iter().enumerate().map(section).collect()
    }

    /// The same with other defaults for some of its keys.
    pub(super) fn with_defaults(self, defaults: Defaults) -> Self {
        Section { defaults, ..self }
    }

    /// Whether it was written at all.
    pub(super) fn is_written(&self) -> bool {
        self.table.is_some()
    }

    /// Where relative paths are looked for.
    pub(super) fn base(&self) -> &'t Path {
        self.base
    }

    /// The section itself, for remarks.
    pub(super) fn own_spot(&self) -> Spot {
        Spot { place: self.place.clone(), key: self.shown.clone(), found: None }
    }

    /// A key of this section, for remarks, whether it is there or not.
    pub(super) fn spot(&self, name: &str) -> Spot {
        let key = dotted(&self.shown, name);
        match (self.node(name), self.key(name), self.default(name)) {
            (Some(node), Some(known), _) => {
                let found = (!matches!(known.kind, Kind::Secret)).then(|| node.shown());
                Spot { place: node.place.clone(), key, found }
            }
            (None, _, Some(text)) => Spot { place: Place::Default, key, found: Some(text.to_owned()) },
            (Some(_) | None, _, _) => Spot { place: self.place.clone(), key, found: None },
        }
    }

    /// The value of a key that has a default or is required.
    pub(super) fn value<T>(
        &self,
        name: &str,
        log: &mut Findings,
        make: impl FnOnce(&Node, &Key) -> Result<T, Remark>,
    ) -> Option<Given<T>> {
        let value = self.optional(name, log, make)?;
        if value.is_none() {
            self.report_missing(name, log);
        }
        value
    }

    /// The value of a key that may be left out: `Some(None)` if it is, `None` if it is there and wrong.
    pub(super) fn optional<T>(
        &self,
        name: &str,
        log: &mut Findings,
        make: impl FnOnce(&Node, &Key) -> Result<T, Remark>,
    ) -> Option<Option<Given<T>>> {
        self.with_node(name, log, |node, key, spot, log| given(make(node, key), spot.clone(), log))
    }

    /// Every item of a list, each with its own place.
    pub(super) fn each<T>(
        &self,
        name: &str,
        log: &mut Findings,
        mut parse: impl FnMut(&str) -> Result<T, Remark>,
    ) -> Many<T> {
        let list = self.with_node(name, log, |node, key, spot, log| {
            let Some(items) = node.list() else {
                log.error(spot, read::wrong_type(node, key));
                return None;
            };
            let item_of = |(at, item): (usize, &Node)| {
                let key = format!("{}[{at}]", spot.key);
                let spot = Spot { place: item.place.clone(), key, found: Some(item.shown()) };
                given(read::plain_text(item).and_then(&mut parse), spot, log)
            };
            Some(Many::of(items.iter().enumerate().map(item_of)))
        });
        match list {
            Some(None) if matches!(self.key(name), Some(Key { absent: Absent::Required(_), .. })) => {
                self.report_missing(name, log);
                Many::spoilt()
            }
            Some(list) => list.unwrap_or_default(),
            None => Many::spoilt(),
        }
    }

    /// Every entry of a table of names and values, each with its own place. Name and value can both be wrong.
    pub(super) fn entries<T>(
        &self,
        name: &str,
        log: &mut Findings,
        mut parse: impl FnMut(&str, &Node) -> Result<T, Vec<Remark>>,
    ) -> Many<T> {
        let entries = self.with_node(name, log, |node, key, spot, log| {
            let Some(table) = node.table() else {
                log.error(spot, read::wrong_type(node, key));
                return None;
            };
            let entry_of = |entry: &Entry| {
                let spot = Spot {
                    place: entry.node.place.clone(),
                    key: dotted(&spot.key, &entry.name),
                    found: Some(entry.node.shown()),
                };
                match parse(&entry.name, &entry.node) {
                    Ok(value) => Some(Given { value, spot }),
                    Err(remarks) => {
                        remarks.into_iter().for_each(|remark| log.error(&spot, remark));
                        None
                    }
                }
            };
            Some(Many::of(table.0.iter().map(entry_of)))
        });
        entries.map_or_else(Many::spoilt, Option::unwrap_or_default)
    }

    /// Notes down that a required key is not there, with an example of it.
    pub(super) fn report_missing(&self, name: &str, log: &mut Findings) {
        match self.key(name).map(|key| key.absent) {
            Some(Absent::Required(example)) => self.report_missing_like(name, example, log),
            Some(Absent::Is(_) | Absent::Derived(_)) | None => self.report_missing_like(name, name, log),
        }
    }

    /// Notes down that a key is not there though it has to be, with this example of it.
    pub(super) fn report_missing_like(&self, name: &str, example: &str, log: &mut Findings) {
        let key = self.key(name);
        let remark = match key.map(|key| key.absent) {
            Some(Absent::Derived(words)) => {
                Remark::new(format!("is missing, and its default, {words}, is not to be had"))
            }
            Some(Absent::Is(_) | Absent::Required(_)) | None => Remark::new("is missing"),
        };
        let or_else = match key {
            Some(Key { kind: Kind::Secret, path, .. }) => {
                format!("\nor {name}_file = \"/run/secrets/…\", or set {}", environment::variable_for(path))
            }
            Some(_) | None => String::new(),
        };
        let header = match self.shown.rsplit_once('[') {
            Some((list, _)) => format!("[[{list}]]"),
            None => format!("[{}]", self.shown),
        };
        let spot = Spot { place: self.place.clone(), key: dotted(&self.shown, name), found: None };
        let remark = remark.so(without(key));
        log.missing(&spot, remark.fix(format!("below {header} add: {example}{or_else}")));
    }

    /// The written value.
    pub(super) fn node(&self, name: &str) -> Option<&'t Node> {
        self.table.and_then(|table| table.get(name))
    }

    fn key(&self, name: &str) -> Option<&'static Key> {
        match Known::at(&keys::join(&self.pattern, name)) {
            Known::Key(key) => Some(key),
            Known::Section | Known::List | Known::Nothing => None,
        }
    }

    /// What a key is when left out, as TOML.
    fn default(&self, name: &str) -> Option<&'static str> {
        let other = self.defaults.iter().find(|(key, _)| *key == name).map(|(_, text)| *text);
        let stated = || match self.key(name)?.absent {
            Absent::Is(text) => Some(text),
            Absent::Derived(_) | Absent::Required(_) => None,
        };
        other.or_else(stated)
    }

    /// Reads the written value or else the default; `Some(None)` where there is neither.
    fn with_node<T>(
        &self,
        name: &str,
        log: &mut Findings,
        make: impl FnOnce(&Node, &Key, &Spot, &mut Findings) -> Option<T>,
    ) -> Option<Option<T>> {
        let spot = self.spot(name);
        let Some(key) = self.key(name) else {
            log.error(&spot, Remark::new("is read, but is no key of ours: a fault in Menshen"));
            return None;
        };
        if let Some(node) = self.node(name) {
            return make(node, key, &spot, log).map(Some);
        }
        let Some(text) = self.default(name) else { return Some(None) };
        match DeValue::parse(text) {
            Ok(value) => make(&Node::of(&value, &Lines::at(Place::Default)), key, &spot, log).map(Some),
            Err(_) => {
                log.error(&spot, Remark::new("is no TOML: a fault in Menshen"));
                None
            }
        }
    }
}

/// What comes of it if a key is not there.
fn without(key: Option<&Key>) -> &'static str {
    match key.map(|key| key.path) {
        Some("sites[].origin") => "redirects and cookies are built from it",
        Some("providers.qq.client_id" | "providers.qq.client_secret") => "QQ lets nobody log in without it",
        Some("upstreams.<name>.endpoints") => "requests would have nowhere to go",
        Some("routes[].path") => "no request would ever match the route",
        Some("routes[].upstream") => "the route's requests would have nowhere to go",
        Some(_) | None => "nothing else stands in its place",
    }
}

/// The value, or its remark noted down.
fn given<T>(made: Result<T, Remark>, spot: Spot, log: &mut Findings) -> Option<Given<T>> {
    match made {
        Ok(value) => Some(Given { value, spot }),
        Err(remark) => {
            log.error(&spot, remark);
            None
        }
    }
}

/// `section.name`, the name in quotes where TOML wants them.
pub(super) fn dotted(section: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let name = if bare { name.to_owned() } else { format!("{name:?}") };
    if section.is_empty() { name } else { format!("{section}.{name}") }
}
