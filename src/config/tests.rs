use std::path::Path;

use super::*;

fn none() -> std::iter::Empty<(OsString, OsString)> {
    std::iter::empty()
}

#[test]
fn the_delivered_file_works_as_it_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.toml");
    let (config, warnings) = Config::load(&path, none()).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(config.routes.len(), 1);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
}
