//! `menshen certs`, and that what it makes serves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use crate::support::{Connection, SITE, Setup, Upstream, events};

/// Runs the command in a folder, by words that follow `certs dev`: its exit code, and what it says.
fn dev(folder: &Path, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_menshen"));
    let output = command.env_clear().current_dir(folder).args(["certs", "dev"]).args(words).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// A folder in which the command has been run.
fn made(words: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = dev(folder.path(), words);
    assert_eq!(code, 0, "{said}");
    folder
}

/// Trusts the authority in a folder, and nobody else.
fn trusting(folder: &TempDir) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.path().join("certs/ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn text(folder: &TempDir, file: &str) -> String {
    fs::read_to_string(folder.path().join("certs").join(file)).unwrap()
}

#[test]
fn what_it_makes_serves_whoever_trusts_the_authority_also_after_it_was_renewed() {
    let folder = made(&[SITE, "127.0.0.1"]);
    let (chain, key) = (folder.path().join("certs/site.pem"), folder.path().join("certs/site.key"));
    let upstream = Upstream::hello();
    let certificates = format!("[[tls.certificates]]\nchain_file = {chain:?}\nkey_file = {key:?}\n");
    let setup = Setup::new().origin(&format!("https://{SITE}")).section(&certificates);
    let proxy = setup.server("listen_tls = [\"127.0.0.1:0\"]").before(&upstream);
    let client = trusting(&folder);
    let is_served = |address, name| {
        let mut connection = Connection::secured(address, name, &client).unwrap();
        assert_eq!(connection.get("/", &[]).answer().status, 200, "{name}");
    };
    is_served(proxy.tls_address(), SITE);
    is_served(proxy.tls_address(), "127.0.0.1");
    assert!(Connection::secured(proxy.tls_address(), "localhost", &client).is_err());

    let before = (text(&folder, "ca.pem"), text(&folder, "site.key"), text(&folder, "site.pem"));
    let (code, said) = dev(folder.path(), &[SITE, "localhost"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the same authority"), "{said}");
    assert_eq!((text(&folder, "ca.pem"), text(&folder, "site.key")), (before.0, before.1));
    assert_ne!(text(&folder, "site.pem"), before.2);
    events().wait_for(1, &["INFO", "the new one is shown", chain.to_str().unwrap()]);
    is_served(proxy.tls_address(), "localhost");
}

#[test]
fn it_is_for_the_sites_of_the_configuration_and_this_machine_and_says_what_to_do_with_it() {
    let folder = tempfile::tempdir().unwrap();
    // The certificates that it names are not there yet.
    let config = "[server]\nlisten_tls = [\"0.0.0.0:8443\"]\n[[tls.certificates]]\nchain_file = \"certs/site.pem\"\n\
                  key_file = \"certs/site.key\"\n[[sites]]\norigin = \"https://shop.example:8443\"\naliases = [\"m.shop.example\"]\n";
    fs::write(folder.path().join("config.toml"), config).unwrap();
    let (code, said) = dev(folder.path(), &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("shop.example, m.shop.example, localhost, 127.0.0.1, ::1, until "), "{said}");
    for words in ["chain_file = \"certs/site.pem\"", "update-ca-certificates", "add-trusted-cert", "certutil -addstore"]
    {
        assert!(said.contains(words), "{words}: {said}");
    }
    let mode = |file: &str| fs::metadata(folder.path().join("certs").join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!(["ca.key", "site.key", "ca.pem", "site.pem"].map(mode), [0o600, 0o600, 0o644, 0o644]);
}

#[test]
fn it_replaces_nothing_that_it_has_not_made_unless_it_is_told_to() {
    for file in ["ca.pem", "ca.key", "site.pem", "site.key"] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("certs")).unwrap();
        let path = folder.path().join("certs").join(file);
        fs::write(&path, "somebody's").unwrap();
        let (code, said) = dev(folder.path(), &["localhost"]);
        assert_eq!(code, 1, "{file}");
        assert!(said.contains(file) && said.contains("--force"), "{said}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
        assert_eq!(fs::read_dir(folder.path().join("certs")).unwrap().count(), 1, "nothing was begun");
        let (code, said) = dev(folder.path(), &["localhost", "--force"]);
        assert_eq!(code, 0, "{said}");
        assert!(fs::read_to_string(&path).unwrap().starts_with("-----BEGIN"));
    }
    // Nor a site's certificate by somebody else, beside an authority of its own.
    let (folder, other) = (made(&["localhost"]), crate::support::Authority::new());
    other.issue("site", &["localhost"]);
    fs::copy(other.chain("site"), folder.path().join("certs/site.pem")).unwrap();
    assert_eq!(dev(folder.path(), &["localhost"]).0, 1);
    assert_eq!(dev(folder.path(), &["not a name"]).0, 1);
}

/// Regression: whatever key lay beside a certificate of this command's was replaced.
#[test]
fn a_key_that_it_did_not_make_is_left_alone() {
    let folder = made(&[SITE]);
    let key = folder.path().join("certs/site.key");
    let others = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    for put in [others.to_owned(), rcgen::KeyPair::generate().unwrap().serialize_pem()] {
        fs::write(&key, &put).unwrap();
        let (code, said) = dev(folder.path(), &[SITE]);
        assert!(code != 0 && said.contains("site.key"), "{code} {said}");
        assert_eq!(fs::read_to_string(&key).unwrap(), put);
    }
    assert_eq!(dev(folder.path(), &[SITE, "--force"]).0, 0);
    assert_ne!(fs::read_to_string(&key).unwrap(), others);
}
