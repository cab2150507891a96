//! `config.toml` as it is delivered, and the least file that can be used.

use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use super::{Folder, MINIMAL, repository};
use crate::config::keys::{self, Absent, KEYS, Known};
use crate::config::lines::Lines;
use crate::config::tree::{Item, Table};
use crate::config::{Config, shape};
use crate::gateway::Access;
use crate::identity::{Algorithm, Signing};
use crate::server::ListenAt;

#[test]
fn the_delivered_file_works_as_it_stands() {
    let nothing: [(String, String); 0] = [];
    let (config, warnings) =
        Config::load(&repository("config.toml"), nothing).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(
        config.redirect_uri(config.sites.first(), &config.qq.id).unwrap().as_str(),
        "http://www.meiduo.site:8000/oauth_callback"
    );
    assert_eq!(config.store.path, repository("data"));
    assert_eq!(config.master_key_file, repository("data/master.key"));
    // The port in its redirect_uri, http on a public name, and the placeholder for the appkey.
    assert_eq!(warnings.len(), 3, "{warnings:?}");
}

#[test]
fn ten_lines_are_enough() {
    assert!(MINIMAL.lines().count() <= 10);
    let folder = Folder::with(MINIMAL);
    let (config, warnings) = folder.load(&[]).unwrap_or_else(|report| panic!("{report}"));
    assert!(warnings.is_empty(), "{warnings:?}");
    let [route] = config.routes.as_slice() else { panic!("{:?}", config.routes) };
    assert!(route.path.matches("/any/path") && route.methods.is_empty() && route.access == Access::Optional);
    assert_eq!(config.identities[route.identity].name, "default");
    assert!(matches!(config.identities[0].signing, Signing::Published(Algorithm::Es256)));
    assert_eq!(config.server.listen, [ListenAt::Address("0.0.0.0:8000".parse().unwrap())]);
    assert_eq!(config.session.idle(), Duration::from_secs(12 * 60 * 60));
    assert_eq!(config.store.path, folder.0.path().join("data"));
}

#[test]
fn a_relative_path_starts_in_the_folder_of_the_file_wherever_it_is_called_from() {
    let folder = Folder::with(
        &MINIMAL.replace("client_secret = \"0123456789abcdef0123456789abcdef\"", "client_secret_file = \"secret\""),
    );
    folder.write("secret", b"0123456789abcdef\r\n");
    let (config, _) = folder.load(&[("MENSHEN__STORE__MASTER_KEY_FILE", "keys/master")]).unwrap();
    assert_eq!(config.qq.client_secret.expose(), "0123456789abcdef");
    assert_eq!(config.master_key_file, folder.0.path().join("keys/master"));
    let absolute = [("MENSHEN__STORE__PATH", "/var/lib/menshen")];
    assert_eq!(folder.load(&absolute).unwrap().0.master_key_file, Path::new("/var/lib/menshen/master.key"));
}

/// Regression: it was told only once everything else was mended.
#[test]
fn a_master_key_that_would_be_refused_is_a_mistake_among_the_others() {
    let folder = Folder::with(&(MINIMAL.to_owned() + "[server2]\n"));
    std::fs::create_dir_all(folder.0.path().join("data/sled")).unwrap();
    let said = folder.said(&[]);
    for words in ["server2", "store.master_key_file: the store exists, but its master key's file", "2 mistakes"] {
        assert!(said.contains(words), "{said}");
    }
    folder.write("data/master.key", b"not a key");
    assert!(folder.said(&[]).contains("something else than 64 hexadecimal digits"), "{}", folder.said(&[]));
    folder.write("data/master.key", &[b'a'; 64]);
    assert!(folder.said(&[]).contains("1 mistake:"), "{}", folder.said(&[]));
    let key = folder.0.path().join("data/master.key");
    std::fs::set_permissions(key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    assert!(folder.said(&[]).contains("fix: chmod 600 data/master.key"), "{}", folder.said(&[]));
}

/// `config.toml` with every commented key written out.
fn written_out() -> String {
    let text = std::fs::read_to_string(repository("config.toml")).unwrap();
    let is_key = |line: &str| {
        let name = line.split([' ', '=']).next().unwrap_or_default();
        let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        bare && line.trim_start_matches(name).starts_with(" = ")
    };
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(key)
            if is_key(key)
                || key.starts_with("[identity.")
                || key.starts_with("[upstreams.")
                || key.starts_with("[routes.")
                || key.starts_with("[tls.")
                || key.starts_with("[sites.")
                || key.starts_with("[providers.")
                || key.starts_with("[[") =>
        {
            key.to_owned() + "\n"
        }
        Some(_) | None => line.to_owned() + "\n",
    };
    text.lines().map(line).collect()
}

#[test]
fn every_key_of_the_delivered_file_is_known_and_every_known_key_is_in_it() {
    let text = written_out();
    let table = DeTable::parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let tree = Table::of(table.get_ref(), &Lines::of(&text));
    let mut log = crate::config::Findings::new("config.toml");
    shape::check(&tree, &mut log);
    if let Err(report) = log.finish(Some(())) {
        panic!("{report}");
    }
    let mut found = Vec::new();
    collect(&tree, "", &mut found);
    for key in KEYS {
        // The twins of a secret: one of the two stands in the file.
        let twin = key.path.strip_suffix("_file").map_or(format!("{}_file", key.path), str::to_owned);
        let there = found.iter().any(|(path, _)| *path == key.path || *path == twin);
        assert!(there, "{} is not in config.toml", key.path);
    }
    for (path, shown) in found {
        let Known::Key(key) = Known::at(&path) else { continue };
        // What stands in the file to be replaced, and not as a default.
        let example = matches!(key.absent, Absent::Derived(_) | Absent::Required(_));
        let Absent::Is(default) = key.absent else {
            assert!(example);
            continue;
        };
        let default = toml::de::DeValue::parse(default).unwrap();
        let default = crate::config::tree::Node::of(&default, &Lines::of(""));
        assert_eq!(shown, flat(&default.item), "{path}");
    }
}

fn collect(table: &Table, pattern: &str, found: &mut Vec<(String, String)>) {
    for entry in &table.0 {
        let below = keys::join(pattern, &entry.name);
        match (Known::at(&below), &entry.node.item) {
            (Known::Key(_), item) => found.push((below, flat(item))),
            (Known::Section, Item::Table(table)) => collect(table, &below, found),
            (Known::List, Item::List(nodes)) => {
                nodes
                    .iter()
                    .filter_map(|node| node.table())
                    .for_each(|table| collect(table, &format!("{below}[]"), found));
            }
            _ => panic!("{below}"),
        }
    }
}

/// A value in one spelling.
fn flat(item: &Item) -> String {
    match item {
        Item::Text(text) => format!("{:?}", text.as_str()),
        Item::Integer(number) => number.to_string(),
        Item::Float(number) => number.to_string(),
        Item::Flag(flag) => flag.to_string(),
        Item::Date(date) => date.clone(),
        Item::List(nodes) => format!("[{}]", nodes.iter().map(|node| flat(&node.item)).collect::<Vec<_>>().join(", ")),
        Item::Table(table) => {
            let entries: Vec<_> =
                table.0.iter().map(|entry| format!("{} = {}", entry.name, flat(&entry.node.item))).collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}
