//! Each key of the list, one by one.

use toml::{Table, Value};

use super::{Folder, MINIMAL};
use crate::config::keys::KEYS;

/// The table in which a key of this path stands, made where it is not there yet.
fn table_of<'t>(root: &'t mut Table, sections: &[&str]) -> &'t mut Table {
    sections.iter().fold(root, |table, section| match section.strip_suffix("[]") {
        Some(list) => {
            let list = table.entry(list).or_insert_with(|| Value::Array(vec![Value::Table(Table::new())]));
            list.as_array_mut().unwrap()[0].as_table_mut().unwrap()
        }
        None => {
            let section = table.entry(*section).or_insert_with(|| Value::Table(Table::new()));
            section.as_table_mut().unwrap()
        }
    })
}

#[test]
fn every_key_is_read_and_refuses_what_it_cannot_take() {
    for key in KEYS {
        let path = match key.path.starts_with("identity") {
            true => key.path.replace("<name>", "default"),
            false => key.path.replace("<name>", "mall"),
        };
        let parts: Vec<_> = path.split('.').collect();
        let (name, sections) = parts.split_last().unwrap();
        let mut root: Table = MINIMAL.parse().unwrap();
        let date: Value = "x = 2024-01-01".parse::<Table>().unwrap()["x"].clone();
        let section = table_of(&mut root, sections);
        if let Some(secret) = name.strip_suffix("_file") {
            section.remove(secret);
        }
        section.insert((*name).to_owned(), date);
        let said = Folder::with(&root.to_string()).said(&[]);
        let shown = path.replace("[]", "[0]");
        assert!(said.contains(&format!(" {shown}")) && said.contains("not a date"), "{path}\n{said}");
    }
}
