//! `menshen demo`, as a newcomer meets it: at 127.0.0.1, which browsers take for secure and tell more about themselves.

use std::path::Path;
use std::process::Command;

use super::browser::{self, Whereabouts};
use crate::backends::Program;

#[test]
fn the_demo_lets_a_newcomer_log_in_and_leaves_nothing_behind() {
    let mut demo = Program::start(Command::new(env!("CARGO_BIN_EXE_menshen")).args(["demo", "--port", "0"]));
    demo.wait_for_words("Ctrl-C");
    let banner = demo.said();
    let whereabouts =
        Whereabouts { site: address(&banner, "Open").to_owned(), qq: address(&banner, "QQ simulator").to_owned() };
    browser::play("shops_own_button", &whereabouts, &demo);
    browser::play("our_logout", &whereabouts, &demo);

    let config = Path::new(banner.split_whitespace().find(|word| word.ends_with("/config.toml")).unwrap());
    assert!(config.is_file());
    demo.signal("INT");
    assert!(demo.ended().success());
    assert!(!config.parent().unwrap().exists(), "the demo left {config:?} behind");
}

/// Regression: closing the terminal left store, key and secret behind.
#[test]
fn the_demo_ends_with_its_terminal_and_leaves_nothing_behind() {
    // Whoever runs the tests may have hang-ups ignored, and then the demo outlives its terminal.
    let mut heeding = Command::new("env");
    heeding.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_menshen"), "demo", "--port", "0"]);
    let mut demo = Program::start(&mut heeding);
    demo.wait_for_words("Ctrl-C");
    let banner = demo.said();
    let config = Path::new(banner.split_whitespace().find(|word| word.ends_with("/config.toml")).unwrap());
    demo.signal("HUP");
    assert!(demo.ended().success());
    assert!(!config.parent().unwrap().exists(), "the demo left {config:?} behind");
}

/// The origin on the banner's line about this.
fn address<'b>(banner: &'b str, about: &str) -> &'b str {
    let line = banner.lines().find(|line| line.contains(about)).unwrap_or_else(|| panic!("{about}? {banner}"));
    let word = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    word.trim_end_matches('/')
}
