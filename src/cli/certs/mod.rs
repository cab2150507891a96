//! `menshen certs`: certificates for trying things out, vouched for by an authority of one's own.

mod authority;
mod files;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use url::Host;

use self::authority::{Authority, SITE_DAYS};
use self::files::{Access, FileError};
use crate::clock::{Clock, Timestamp};
use crate::config::Config;
use crate::random::NoRandomness;

/// For whoever is not told otherwise: this machine.
const HERE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// A certificate for this machine or for the sites of the configuration, and the authority that vouches for it. Once
    /// more: a new certificate, by the same authority and for the same key.
    #[command(after_help = super::CERTS_HELP)]
    Dev {
        /// For which names or addresses; default: the sites of the configuration, and this machine.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// The folder for the files.
        #[arg(long, default_value = "certs")]
        out: PathBuf,
        /// The configuration whose sites are meant.
        #[arg(long, default_value = "config.toml")]
        config: PathBuf,
        /// Replace files that this command has not made, too.
        #[arg(long)]
        force: bool,
    },
}

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
enum CertsError {
    #[error("{0:?} is neither the name of a host nor an address")]
    NoName(String),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{} is none that this command has made: give another folder (--out), or have it replaced (--force)", .0.display())]
    Foreign(PathBuf),
    #[error("a certificate cannot be made")]
    Unmakable(#[from] rcgen::Error),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    #[error("what has been done cannot be told")]
    Unheard(#[from] io::Error),
}

pub(super) fn execute(command: Command) -> ExitCode {
    let Command::Dev { names, out, config, force } = command;
    let names = if names.is_empty() { usual_names(&config) } else { names };
    let made = dev(&names, &out, force, Clock::System.now());
    let told = made.and_then(|made| Ok(tell(&made, &names, &out, &config, &mut io::stdout().lock())?));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("menshen: {error}{cause}");
            ExitCode::FAILURE
        }
    }
}

/// The hosts of the configuration's sites, as far as it can be read, and this machine.
fn usual_names(config: &Path) -> Vec<String> {
    let mut names = Config::hosts(config, std::env::vars_os());
    for name in HERE {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// What was made.
struct Made {
    /// Whether the authority is new, and has to be trusted yet.
    is_new: bool,
    until: Timestamp,
}

fn dev(names: &[String], out: &Path, force: bool, now: Timestamp) -> Result<Made, CertsError> {
    let names = names.iter().map(|name| ascii(name)).collect::<Result<Vec<_>, _>>()?;
    let file = |name| out.join(name);
    let (ca, ca_key, site, site_key) = (file("ca.pem"), file("ca.key"), file("site.pem"), file("site.key"));
    let known = Authority::open(&ca, &ca_key)?;
    // Before anything is written.
    let is_ours = authority::is_ours(&site)?;
    let is_its_key = is_ours && authority::is_key_of(&site_key, &site)?;
    let owned = [(&ca, known.is_some()), (&ca_key, known.is_some()), (&site, is_ours), (&site_key, is_its_key)];
    for (path, is_ours) in owned {
        if !is_ours && !force && path.symlink_metadata().is_ok() {
            return Err(CertsError::Foreign(path.clone()));
        }
    }
    files::folder(out)?;
    let (authority, is_new) = match known.filter(|known| known.outlives(SITE_DAYS, now)) {
        Some(known) => (known, false),
        None => {
            let made = Authority::make(now)?;
            files::write(&ca_key, &made.key_pem(), Access::Owner)?;
            files::write(&ca, made.pem(), Access::Everybody)?;
            (made, true)
        }
    };
    // The same key again: a proxy that looks at the files between the two would find that they do not go together.
    let kept = if is_its_key { authority::key_in(&site_key)? } else { None };
    let key = match kept {
        Some(key) => key,
        None => {
            let key = rcgen::KeyPair::generate()?;
            files::write(&site_key, &key.serialize_pem(), Access::Owner)?;
            key
        }
    };
    files::write(&site, &authority.issue(&names, &key, now)?, Access::Everybody)?;
    Ok(Made { is_new, until: authority::end_of_site(now) })
}

/// As certificates have it: a name in ASCII, or an address without brackets.
fn ascii(name: &str) -> Result<String, CertsError> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<std::net::IpAddr>() {
        return Ok(address.to_string());
    }
    match Host::parse(name) {
        Ok(Host::Domain(name)) if !name.contains("..") => Ok(name.trim_end_matches('.').to_owned()),
        Ok(Host::Ipv4(address)) => Ok(address.to_string()),
        Ok(Host::Ipv6(address)) => Ok(address.to_string()),
        Ok(Host::Domain(_)) | Err(_) => Err(CertsError::NoName(name.to_owned())),
    }
}

fn tell(made: &Made, names: &[String], out: &Path, config: &Path, to: &mut dyn Write) -> io::Result<()> {
    let ca = out.join("ca.pem");
    let ca = ca.display();
    writeln!(to, "{} is for {}, until {}", out.join("site.pem").display(), names.join(", "), made.until)?;
    let whose = if made.is_new { "an authority made for it" } else { "the same authority as before" };
    writeln!(to, "{whose} vouches for it: {ca}\n")?;
    // Relative paths in a configuration start in its folder.
    let beside = config.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    let base = if beside { out.to_owned() } else { out.canonicalize().unwrap_or(out.to_owned()) };
    let (chain, key) = (base.join("site.pem"), base.join("site.key"));
    writeln!(to, "In {}:\n", config.display())?;
    writeln!(to, "  [server]\n  listen_tls = [\"0.0.0.0:8443\"]\n")?;
    writeln!(to, "  [[tls.certificates]]\n  chain_file = {chain:?}\n  key_file = {key:?}\n")?;
    let host = names.first().map_or("localhost", String::as_str);
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    writeln!(to, "  [[sites]]\n  origin = \"https://{host}:8443\"\n")?;
    writeln!(to, "Browsers believe it once they believe the authority. For as long as they do, whoever gets hold of")?;
    writeln!(to, "{} can be any site to them: it is for machines of your own.\n", out.join("ca.key").display())?;
    writeln!(
        to,
        "  Debian, Ubuntu   sudo cp {ca} /usr/local/share/ca-certificates/menshen-dev.crt && sudo update-ca-certificates"
    )?;
    writeln!(to, "  Fedora, RHEL     sudo trust anchor {ca}")?;
    writeln!(to, "  Chrome on Linux  certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n menshen-dev -i {ca}")?;
    writeln!(to, "  Firefox          Settings, Certificates, Authorities, Import: {ca}")?;
    writeln!(
        to,
        "  macOS            sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {ca}"
    )?;
    writeln!(to, "  Windows          certutil -addstore -f Root {ca}   (as administrator)")?;
    writeln!(to, "  curl             curl --cacert {ca} https://{host}:8443/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_certificates_have_them() {
        for (given, expected) in [
            ("WWW.Meiduo.site", "www.meiduo.site"),
            ("美多.example", "xn--csst80g.example"),
            ("[::1]", "::1"),
            ("127.0.0.1", "127.0.0.1"),
            ("*.meiduo.site", "*.meiduo.site"),
        ] {
            assert_eq!(ascii(given).unwrap(), expected);
        }
        for bad in ["https://a", "a/b", "", "a b", "a:8443"] {
            assert!(ascii(bad).is_err(), "{bad}");
        }
    }
}
