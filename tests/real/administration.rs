//! Who may administer a proxy on this machine: tried as other users, which takes root.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};

use crate::backends::{Program, Setup, address_of};

/// A user who is nobody here.
const NOBODY: u32 = 65534;

/// Another one.
const SERVICE: u32 = 65533;

fn as_user(user: u32, words: &[&str], config: &Path) -> Command {
    // Where the binary was built may be closed to others.
    let binary = config.with_file_name("menshen");
    if !binary.exists() {
        fs::copy(env!("CARGO_BIN_EXE_menshen"), &binary).unwrap();
    }
    let mut command = Command::new("setpriv");
    let id = user.to_string();
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(binary);
    command.args(words).arg("--config").arg(config);
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Opens a folder and all that leads to it, so that only what is under test keeps somebody out.
fn open_up(path: &Path) {
    for folder in path.ancestors().take_while(|folder| *folder != Path::new("/tmp") && *folder != Path::new("/")) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn another_user_of_the_machine_is_turned_away_even_where_the_files_would_let_them() {
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    let program = layout.serve();
    address_of(&program);
    let folder = layout.store().join("admin");
    open_up(layout.config().parent().unwrap());
    fs::set_permissions(layout.config(), fs::Permissions::from_mode(0o644)).unwrap();
    let refused = as_user(NOBODY, &["users", "list"], &layout.config()).output().unwrap();
    assert!(refused.status.code() == Some(1) && said(&refused).contains("run this as the user"), "{}", said(&refused));
    // The folder and the socket opened too, by mistake: the system's word on who connects is left.
    open_up(&folder);
    fs::set_permissions(folder.join("menshen.sock"), fs::Permissions::from_mode(0o666)).unwrap();
    let refused = as_user(NOBODY, &["users", "list"], &layout.config()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    program.wait_for_words("may not administer Menshen");
    let root = as_user(0, &["users", "list"], &layout.config()).output().unwrap();
    assert_eq!(root.status.code(), Some(0), "{}", said(&root));
}

#[test]
fn a_command_on_a_stopped_proxys_store_works_as_its_owner_alone() {
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    let mut program = layout.serve();
    address_of(&program);
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0));
    open_up(layout.config().parent().unwrap());
    fs::set_permissions(layout.config(), fs::Permissions::from_mode(0o644)).unwrap();
    give(&layout.store(), SERVICE);
    let refused = as_user(0, &["users", "list"], &layout.config()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("belongs to user id 65533"), "{}", said(&refused));
    let owner = as_user(SERVICE, &["users", "list"], &layout.config()).output().unwrap();
    assert_eq!(owner.status.code(), Some(0), "{}", said(&owner));
    // Regression: files that root made there kept the owner out from then on.
    let refused = as_user(0, &["serve"], &layout.config()).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(said(&refused).contains("belongs to user id 65533"), "{}", said(&refused));
    let mut program = Program::start(&mut as_user(SERVICE, &["serve"], &layout.config()));
    address_of(&program);
    let root = as_user(0, &["users", "list"], &layout.config()).output().unwrap();
    assert_eq!(root.status.code(), Some(0), "through the socket root may: {}", said(&root));
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0), "{}", program.said());
}

#[test]
fn what_doctor_cannot_see_it_does_not_call_good() {
    let layout = Setup::new().lay_out("127.0.0.1:9".parse().unwrap());
    let program = layout.serve();
    address_of(&program);
    open_up(layout.config().parent().unwrap());
    fs::set_permissions(layout.config(), fs::Permissions::from_mode(0o644)).unwrap();
    let told = said(&as_user(NOBODY, &["doctor"], &layout.config()).output().unwrap());
    for what in ["master key", "socket", "proxy"] {
        let line = told.lines().find(|line| line.split_at(10).1.starts_with(what)).unwrap();
        assert!(line.starts_with("doubtful"), "{told}");
    }
    assert_eq!(told.matches("cannot be seen from here").count(), 2, "{told}");
}

/// Makes a folder and all that is in it somebody's.
fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), user));
    }
}
