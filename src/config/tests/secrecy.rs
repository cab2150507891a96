//! No secret is ever told, whatever is wrong with it or around it.

use super::{Folder, MINIMAL};

/// What must not turn up.
const SECRET: &str = "hunter2-and-a-few-more-letters";

/// Lines to put below `[providers.qq]`, all with the secret in them.
const SPOILT: &[&str] = &[
    "client_secret = \"hunter2-and-a-few-more-letters\"\nunknown = 1",
    "client_secret = \"hunter2-and-a-few-more-letters ",
    "client_secret = hunter2-and-a-few-more-letters",
    "client_secret = \"hunter2-and-a-few-more-letters\" x",
    "client_secret = \"\\hunter2-and-a-few-more-letters\"",
    "client_secret = \"hunter2-and-a-few-more-letters \"",
    "client_secret = [\"hunter2-and-a-few-more-letters\"]",
    "client_secret = { hunter2-and-a-few-more-letters = 1 }",
    "client_secrett = \"hunter2-and-a-few-more-letters\"",
    "secret = \"hunter2-and-a-few-more-letters\"",
    "client_secret = \"a\"\nclient_secret = \"hunter2-and-a-few-more-letters\"",
    "client_secret = \"a\"\nproxy = \"ftp://u:hunter2-and-a-few-more-letters@proxy\"",
    "client_secret = \"a\"\nproxy = \"hunter2-and-a-few-more-letters\"",
    "client_secret = \"a\"\ntoken_url = \"http://u:hunter2-and-a-few-more-letters@graph.qq.com/x\"",
    "client_secret = \"a\"\nproxy = 1\n[identity.x]\nsecret = \"hunter2-and-a-few-more-letters\"",
    "client_secret = \"a\"\n[identity.x]\nalgorithm = \"HS256\"\nsecret = \"hunter2-and-a-few-more-letters\"",
    "client_secret = \"a\"\nsecret_file = \"x\"\n[upstreams.x]\nendpoints = [\"http://a:hunter2-and-a-few-more-letters@b\"]",
    "client_secret hunter2-and-a-few-more-letters=",
    "client_secret: hunter2-and-a-few-more-letters",
    "hunter2-and-a-few-more-letters",
    "client_secret = 'hunter2-and-a-few-more-letters",
    "client_secret = \"\"\"hunter2-and-a-few-more-letters",
    "client_secret_file = \"hunter2-and-a-few-more-letters\"",
    "client_secret = \"a\"\n[upstreams.x]\nendpoints = [\"a:hunter2-and-a-few-more-letters@b:80\"]",
    "client_secret = “hunter2-and-a-few-more-letters”",
];

#[test]
fn no_report_holds_a_secret() {
    for lines in SPOILT {
        assert!(lines.contains(SECRET));
        let text = MINIMAL.replace("client_secret = \"0123456789abcdef0123456789abcdef\"", lines);
        let folder = Folder::with(&text);
        let report = folder.load(&[]).expect_err(lines);
        assert!(!report.to_string().contains("hunter2"), "{lines}\n{report}");
        assert!(!format!("{report:?}").contains("hunter2"), "{lines}\n{report:?}");
    }
}

#[test]
fn an_appkey_in_the_appids_place_is_not_shown() {
    let report = Folder::with(&MINIMAL.replace("101000001", SECRET)).load(&[]).unwrap_err();
    assert!(report.to_string().contains("changed places") && !report.to_string().contains("hunter2"), "{report}");
}

#[test]
fn no_report_holds_a_secret_of_the_environment() {
    for name in ["CLIENT_SECRET", "CLIENT_SECRETT", "CLIENT_SECRET__X", "PROXY", "CLIENT_SECRET_FILE__X"] {
        let variable = format!("MENSHEN__PROVIDERS__QQ__{name}");
        let report = Folder::with(MINIMAL).load(&[(&variable, &format!("{SECRET} x"))]).expect_err(name);
        assert!(!format!("{report}{report:?}").contains("hunter2"), "{name}\n{report}");
    }
}

#[cfg(unix)]
#[test]
fn a_secret_in_a_file_that_everybody_can_read_is_warned_of() {
    use std::fs::{Permissions, set_permissions};
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::with(MINIMAL);
    assert_eq!(folder.said(&[]), "the configuration can be used\n");
    set_permissions(folder.0.path().join("config.toml"), Permissions::from_mode(0o644)).unwrap();
    let said = folder.said(&[]);
    assert!(said.contains("providers.qq.client_secret: is a secret in a file that every user"), "{said}");
    let elsewhere = MINIMAL.replace("client_secret =", "client_secret_file = \"secret\" #");
    folder.write("config.toml", elsewhere.as_bytes());
    folder.write("secret", b"0123456789abcdef");
    set_permissions(folder.0.path().join("config.toml"), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(folder.said(&[]), "the configuration can be used\n");
}

#[test]
fn the_configuration_prints_without_its_secrets() {
    let text = MINIMAL.replace("0123456789abcdef0123456789abcdef", SECRET)
        + "[identity.default]\nalgorithm = \"HS256\"\nsecret = \"hunter2-hunter2-hunter2-hunter2-hunter2\"\n";
    let proxy = ("MENSHEN__PROVIDERS__QQ__PROXY", "http://u:hunter2@proxy:3128");
    let (config, _) = Folder::with(&text).load(&[proxy]).unwrap_or_else(|report| panic!("{report}"));
    assert!(!format!("{config:?}{config:#?}").contains("hunter2"));
}
