//! `menshen check`: whether a configuration can be used, everything that is wrong with it, and what it does if it is
//! good. It opens no port and writes no file.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::{Config, Report, Warning, show_duration};
use crate::gateway::{Access, Authorization, FrontEnd, RouteSettings};
use crate::upstream;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The configuration can be used.
    Good,
    /// It cannot; or, with `strict`, there are warnings.
    Mistakes,
    /// The file cannot be read.
    Unreadable,
}

impl From<&Report> for Verdict {
    fn from(report: &Report) -> Self {
        match report {
            Report::Unreadable { .. } => Verdict::Unreadable,
            Report::Mistakes { .. } => Verdict::Mistakes,
        }
    }
}

impl From<Verdict> for ExitCode {
    /// 0, 1 and 2.
    fn from(verdict: Verdict) -> Self {
        ExitCode::from(match verdict {
            Verdict::Good => 0,
            Verdict::Mistakes => 1,
            Verdict::Unreadable => 2,
        })
    }
}

/// Checks the file at `path` under `environment`, and writes what there is to say to `out`. With `strict`, a warning
/// fails the check too.
///
/// # Errors
/// Only if `out` cannot be written to.
pub fn run<E>(path: &Path, environment: E, strict: bool, out: &mut dyn Write) -> io::Result<Verdict>
where
    E: IntoIterator<Item = (OsString, OsString)>,
{
    match Config::load(path, environment) {
        Ok((config, warnings)) => {
            for warning in &warnings {
                writeln!(out, "{warning}")?;
            }
            let refused = strict && !warnings.is_empty();
            write!(out, "{}", conclusion(path, &warnings, refused))?;
            write!(out, "{}", summary(&config))?;
            Ok(if refused { Verdict::Mistakes } else { Verdict::Good })
        }
        Err(report) => {
            writeln!(out, "{report}")?;
            Ok(Verdict::from(&report))
        }
    }
}

fn conclusion(path: &Path, warnings: &[Warning], refused: bool) -> String {
    let gap = if warnings.is_empty() { "" } else { "\n" };
    let warnings = match warnings.len() {
        0 => "no warnings".to_owned(),
        1 => "1 warning".to_owned(),
        count => format!("{count} warnings"),
    };
    let verdict = if refused { "refused by --strict" } else { "good" };
    format!("{gap}{}: {verdict}, {warnings}\n\n", path.display())
}

/// How the pages elsewhere log in.
fn tell_front_end(text: &mut String, origin: &str, front_end: &FrontEnd) {
    if let Some(start) = &front_end.start {
        let _ = writeln!(text, "  front end    begins at {origin}{}", start.path);
        if let Some(page) = &start.redirect_uri {
            let _ = writeln!(text, "    QQ returns to {page}\n    (register exactly this as well)");
        }
    }
    if let Some(handed) = &front_end.handed {
        let _ = writeln!(text, "  front end    hands the code in at {origin}{}", handed.path);
    }
}

/// What the configuration does, in the order in which a request meets it.
fn summary(config: &Config) -> String {
    let mut text = String::new();
    let plain = config.server.listen.iter().map(ToString::to_string);
    let tls = config.server.listen_tls.iter().map(|address| format!("{address} (TLS)"));
    let listen: Vec<_> = plain.chain(tls).collect();
    let _ = writeln!(text, "listens on   {}", listen.join(", "));
    for (site, front_end) in config.sites.iter().zip(&config.front_ends) {
        let hosts: Vec<_> =
            std::iter::once(site.origin.as_str()).chain(site.aliases.iter().map(String::as_str)).collect();
        let _ = writeln!(text, "site         {}", hosts.join(", "));
        if let Some(uri) = config.redirect_uri(site, &config.qq.id) {
            let _ = writeln!(
                text,
                "  QQ returns to {uri}\n  (register exactly this as 网站回调域 of app {})",
                config.qq.client_id
            );
        }
        for further in &config.further {
            if let Some(uri) = config.redirect_uri(site, further.id()) {
                let _ = writeln!(text, "  {} returns to {uri}\n  (register exactly this there)", further.id());
            }
        }
        let _ = writeln!(text, "  login starts at {}{}", site.origin, config.login.start);
        if let Some(front_end) = front_end {
            tell_front_end(&mut text, site.origin.as_str(), front_end);
        }
    }
    text.push_str("routes       the first that fits, from the top\n");
    let mut routes: Vec<_> = config.routes.iter().collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.specificity()));
    let rows: Vec<_> = routes.into_iter().map(|route| row(route, config)).collect();
    let width = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or_default();
    for (what, whereto) in rows {
        let _ = writeln!(text, "  {what:width$}  {whereto}");
    }
    let (idle, lifetime) = (show_duration(config.session.idle()), show_duration(config.session.lifetime()));
    let _ = writeln!(text, "sessions     end after {idle} without a request, and after {lifetime} in any case");
    let _ = writeln!(
        text,
        "store        {} (master key: {})",
        config.store.path.display(),
        config.master_key_file.display()
    );
    text
}

fn row(route: &RouteSettings, config: &Config) -> (String, String) {
    let methods: Vec<_> = route.methods.iter().map(http::Method::as_str).collect();
    let methods = if methods.is_empty() { String::new() } else { format!("{} ", methods.join(",")) };
    let case = if route.ignore_case { " (any case)" } else { "" };
    let what = format!("{methods}{}{}{case}", route.host.as_deref().unwrap_or_default(), route.path);
    let identity = config.identities.get(route.identity).map_or("", |identity| identity.name.as_str());
    let access = match route.access {
        Access::Public => "public, never with identity".to_owned(),
        Access::Optional => format!("optional, identity {identity:?} where there is a session"),
        Access::Required => format!("required, identity {identity:?}"),
    };
    let authorization = match route.authorization {
        Authorization::Passed => "",
        Authorization::Required => "; an Authorization of the client's own, or a session",
        Authorization::Stripped => "; the client's own Authorization stays here",
    };
    let whereto = match &route.handling.answer {
        Some(answer) => answer.told(None),
        None => config.upstreams.get(route.upstream).map(destination).unwrap_or_default(),
    };
    (what, format!("-> {whereto}; {access}{authorization}"))
}

fn destination(upstream: &upstream::Settings) -> String {
    let is_weighed = upstream.members.iter().any(|member| member.weight != 1);
    let told = |member: &upstream::Member| match is_weighed {
        true => format!("{} weight={}", member.endpoint, member.weight),
        false => member.endpoint.to_string(),
    };
    let endpoints: Vec<_> = upstream.members.iter().map(told).collect();
    format!("{} ({})", upstream.name, endpoints.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: [(OsString, OsString); 0] = [];

    fn check(text: &str, strict: bool) -> (Verdict, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        // What the umask allows others is no part of these tests.
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut out = Vec::new();
        let verdict = run(&path, NOTHING, strict, &mut out).unwrap();
        (verdict, String::from_utf8(out).unwrap())
    }

    const QUIET: &str = r#"
        [[sites]]
        origin = "https://shop.example"
        [server]
        trusted_proxies = ["127.0.0.1"]
        [providers.qq]
        client_id = "101000001"
        client_secret = "put-the-appkey-here"
        [upstreams.mall]
        endpoints = ["http://[::1]:8001"]
        [[routes]]
        path = "/*"
        [[routes]]
        path = "/orders/*"
        methods = ["PUT", "POST"]
        access = "required"
    "#;

    #[test]
    fn a_good_file_is_summed_up_with_the_address_to_register() {
        let (verdict, text) = check(QUIET, false);
        assert_eq!(verdict, Verdict::Good, "{text}");
        for line in [
            "listens on   0.0.0.0:8000",
            "site         https://shop.example",
            "QQ returns to https://shop.example/oauth_callback",
            "PUT,POST /orders/*  -> mall ([::1]:8001); required, identity \"default\"",
            "sessions     end after 12h without a request, and after 14d in any case",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.find("/orders/*").unwrap() < text.find("  /*").unwrap(), "{text}");
    }

    #[test]
    fn weights_are_summed_up_where_there_are_any() {
        let endpoints = "endpoints = [\"http://[::1]:8001 weight=3\", \"http://[::1]:8002\"]";
        let (_, text) = check(&QUIET.replace("endpoints = [\"http://[::1]:8001\"]", endpoints), false);
        assert!(text.contains("-> mall ([::1]:8001 weight=3, [::1]:8002 weight=1); "), "{text}");
    }

    #[test]
    fn a_route_that_answers_by_itself_is_summed_up_with_its_answer() {
        let routes = "[[routes]]\npath = \"/old/*\"\nredirect.to = \"/new{target}\"\n\
            [[routes]]\npath = \"/shut/*\"\nmaintenance = true\n[[routes]]\npath = \"/ok\"\nanswer.status = 204\n";
        let (_, text) = check(&format!("{QUIET}\n{routes}"), false);
        for line in
            ["-> 302: to /new{target}; ", "-> 503: a page of ours, the site is being worked on; ", "-> 204: without"]
        {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn addresses_at_which_tls_is_spoken_are_summed_up_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let site = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
        let (chain, key) = (folder.path().join("site.pem"), folder.path().join("site.key"));
        std::fs::write(&chain, site.cert.pem()).unwrap();
        std::fs::write(&key, site.signing_key.serialize_pem()).unwrap();
        let certificate = format!("[[tls.certificates]]\nchain_file = {chain:?}\nkey_file = {key:?}\n");
        let listen = "[server]\nlisten = []\nlisten_tls = [\"0.0.0.0:443\"]";
        let (_, said) = check(&(QUIET.replace("[server]", listen) + &certificate), false);
        assert!(said.contains("listens on   0.0.0.0:443 (TLS)\n"), "{said}");
    }

    #[test]
    fn warnings_fail_the_check_only_when_asked_to() {
        assert_eq!(check(QUIET, true).0, Verdict::Mistakes);
        let (verdict, text) = check(&QUIET.replace("put-the-appkey-here", "0123456789abcdef"), true);
        assert_eq!(verdict, Verdict::Good, "{text}");
    }

    #[test]
    fn mistakes_and_an_unreadable_file_are_told_apart() {
        assert_eq!(check("listen = 1", false).0, Verdict::Mistakes);
        let mut out = Vec::new();
        let verdict = run(Path::new("/nowhere/config.toml"), NOTHING, false, &mut out).unwrap();
        assert_eq!(verdict, Verdict::Unreadable);
        assert!(String::from_utf8(out).unwrap().starts_with("/nowhere/config.toml: cannot be read: "));
    }

    #[test]
    fn the_check_never_prints_a_secret() {
        let (_, text) = check(&QUIET.replace("put-the-appkey-here", "hunter2hunter2"), false);
        assert!(!text.contains("hunter2"), "{text}");
    }
}
