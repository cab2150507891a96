//! The certificates that examples name.

use std::fs;
use std::path::Path;

/// Puts them beside a configuration.
pub(crate) fn write(folder: &Path) {
    let site = rcgen::generate_simple_self_signed(["www.meiduo.site".to_owned()]).unwrap();
    fs::write(folder.join("our-proxy-ca.pem"), "").unwrap();
    fs::create_dir(folder.join("certs")).unwrap();
    for name in ["site.pem", "ca.pem"] {
        fs::write(folder.join("certs").join(name), site.cert.pem()).unwrap();
    }
    fs::write(folder.join("certs/site.key"), site.signing_key.serialize_pem()).unwrap();
}
