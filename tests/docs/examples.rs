//! The configurations in the README: each of them loads.

use std::fs;

use menshen::config::{Config, Warning};

use crate::{READMES, blocks, certificate};

/// Loads a configuration as `menshen check` would, beside the secret that the examples read from a file.
pub(crate) fn load(text: &str) -> (Config, Vec<Warning>) {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("jwt");
    fs::write(&secret, "0123456789abcdef0123456789abcdef\n").unwrap();
    certificate::write(folder.path());
    let path = folder.path().join("config.toml");
    fs::write(&path, text.replace("/run/secrets/jwt", secret.to_str().unwrap())).unwrap();
    Config::load(&path, std::iter::empty::<(String, String)>()).unwrap_or_else(|report| panic!("{report}\n{text}"))
}

#[test]
fn the_first_configuration_of_the_readme_is_ten_lines_and_works() {
    for readme in READMES {
        let first = blocks(readme, "toml").remove(0);
        assert!(first.lines().count() <= 10, "{readme}");
        let (config, warnings) = load(&first);
        assert_eq!(config.upstreams.len(), 1);
        assert_eq!(
            config.redirect_uri(config.sites.first(), &config.qq.id).unwrap().as_str(),
            "http://www.meiduo.site:8000/oauth_callback"
        );
        let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
        // Plain http on a public name, a port that QQ does not like, and the placeholder for the appkey; and, where the
        // umask lets others read it, the file. None says that visitors do not get here.
        let expected = |text: &&String| {
            let known = ["is http on a public name", "QQ's present rules", "still the placeholder", "can read"];
            known.iter().any(|known| text.contains(known))
        };
        assert!(warnings.iter().all(|text| expected(&text)), "{warnings:#?}");
    }
}

#[test]
fn every_other_configuration_of_the_readme_works_with_the_first() {
    for readme in READMES {
        let mut all = blocks(readme, "toml");
        let first = all.remove(0);
        assert!(all.len() >= 3, "{readme}");
        for example in all {
            // An example that brings its own site or upstream stands in place of the first one's.
            let whole = if example.contains("[[sites]]") {
                let rest = first.split_once("[providers.qq]").unwrap().1;
                format!("{example}\n[providers.qq]{rest}")
            } else if example.contains("[upstreams.mall]") {
                let (before, its) = first.split_once("[upstreams.mall]").unwrap();
                let rest = its.find("\n[").map_or("", |next| &its[next..]);
                format!("{before}{rest}\n{example}")
            } else {
                format!("{first}\n{example}")
            };
            load(&whole);
        }
    }
}
