//! `MENSHEN__…` variables over a file.

use super::{Folder, MINIMAL};
use crate::config::Config;
use crate::identity::Signing;
use crate::template::JsonTemplate;
use crate::upstream::Endpoint;

/// One variable, and a look at what has become of it.
type Case = (&'static [(&'static str, &'static str)], fn(&Config) -> bool);

const CASES: &[Case] = &[
    (&[("MENSHEN__SESSION__IDLE", "1h")], |config| config.session.idle().as_secs() == 3600),
    (&[("MENSHEN__SESSION__IDLE", "\"1h\"")], |config| config.session.idle().as_secs() == 3600),
    (&[("MENSHEN__session__idle", "1h")], |config| config.session.idle().as_secs() == 3600),
    (&[("MENSHEN__SESSION__CACHE", "1_000")], |config| config.session.cache() == 1000),
    (&[("MENSHEN__LOG__ACCESS", "false")], |config| !config.log.access),
    (&[("MENSHEN__SERVER__CORES", " 4 ")], |config| config.server.cores.is_some_and(|cores| cores.get() == 4)),
    (&[("MENSHEN__SERVER__LISTEN", "127.0.0.1:1, [::1]:2")], |config| config.server.listen.len() == 2),
    (&[("MENSHEN__SERVER__LISTEN", "[\"127.0.0.1:1\"]")], |config| config.server.listen.len() == 1),
    (&[("MENSHEN__SERVER__TRUSTED_PROXIES", "10.0.0.0/8")], |config| {
        config.trusted_proxies.hold_address("10.1.2.3".parse().unwrap())
    }),
    (&[("MENSHEN__SITES__0__ORIGIN", "https://shop.example")], |config| {
        config.sites.first().origin.as_str() == "https://shop.example"
    }),
    (&[("MENSHEN__SITES__1__ORIGIN", "https://m.meiduo.site")], |config| config.sites.iter().count() == 2),
    (&[("MENSHEN__SITES__0__REDIRECT_URIS__QQ", "https://www.meiduo.site/oauth_callback/")], |config| {
        config.sites.first().redirect_uris.contains_key("qq")
    }),
    (&[("MENSHEN__SITES__0__REDIRECT_URIS", "{ qq = \"https://www.meiduo.site/oauth_callback/\" }")], |config| {
        config.sites.first().redirect_uris.contains_key("qq")
    }),
    (&[("MENSHEN__PROVIDERS__QQ__CLIENT_ID", "102000002")], |config| config.qq.client_id == "102000002"),
    (&[("MENSHEN__PROVIDERS__QQ__CLIENT_SECRET", "\"quoted\"")], |config| {
        config.qq.client_secret.expose() == "\"quoted\""
    }),
    (&[("MENSHEN__PROVIDERS__QQ__PROXY", "socks5h://user:pass@proxy:1080")], |config| config.qq.way.proxy.is_some()),
    (&[("MENSHEN__PROVIDERS__QQ__CLIENT_SECRET_FILE", "secret")], |config| {
        config.qq.client_secret.expose() == "from-a-file-00000000000000000000"
    }),
    (&[("MENSHEN__UPSTREAMS__MALL__ENDPOINTS", "http://mall:80")], |config| {
        config.upstreams[0].members[0].endpoint == Endpoint::http("mall", 80)
    }),
    (
        &[("MENSHEN__IDENTITY__DEFAULT__CLAIMS__LEVEL", "3")],
        |config| matches!(&config.identities[0].claims[..], [(name, JsonTemplate::Fixed(three))] if name == "level" && three == 3),
    ),
    (&[("MENSHEN__IDENTITY__DEFAULT__HEADERS__X_MENSHEN_USER", "{user.id}")], |config| {
        config.identities[0].headers.iter().map(|(name, _)| name.as_str()).eq(["x-menshen-user"])
    }),
    (&[("MENSHEN__IDENTITY__DEFAULT__COOKIES__USER_NAME", "{user.id}")], |config| {
        config.identities[0].cookies.iter().map(|companion| companion.name.as_str()).eq(["user_name"])
    }),
    (&[("MENSHEN__IDENTITY__DEFAULT__SCHEME", "")], |config| config.identities[0].scheme.is_empty()),
    (
        &[("MENSHEN__IDENTITY__DEFAULT__SECRET_FILE", "secret"), ("MENSHEN__IDENTITY__DEFAULT__ALGORITHM", "HS256")],
        |config| matches!(&config.identities[0].signing, Signing::Shared(secret) if secret.expose().len() == 32),
    ),
    (&[("MENSHEN__ROUTES__0__PATH", "/*"), ("MENSHEN__ROUTES__0__ACCESS", "required")], |config| {
        config.routes.len() == 1
    }),
    (&[("OTHER__SESSION__IDLE", "1h"), ("MENSHEN_PORT", "tcp://10.0.0.1:80")], |config| {
        config.session.idle().as_secs() == 12 * 3600
    }),
];

#[test]
fn every_kind_of_key_can_come_from_the_environment() {
    for (environment, has_come) in CASES {
        let folder = Folder::with(MINIMAL);
        folder.write("secret", b"from-a-file-00000000000000000000\n");
        match folder.load(environment) {
            Ok((config, _)) => assert!(has_come(&config), "{environment:?}: {config:#?}"),
            Err(report) => panic!("{environment:?}: {report}"),
        }
    }
}

#[test]
fn a_name_in_the_file_is_found_however_its_variable_has_to_spell_it() {
    let text = MINIMAL.replace("upstreams.mall", "upstreams.Old-Mall");
    let folder = Folder::with(&text);
    let (config, _) = folder.load(&[("MENSHEN__UPSTREAMS__OLD_MALL__MAX_IDLE", "7")]).unwrap();
    assert_eq!((config.upstreams[0].name.as_ref(), config.upstreams[0].max_idle), ("Old-Mall", 7));
}

#[test]
fn ten_sites_from_the_environment_keep_their_order() {
    let variables: Vec<_> =
        (0..12).map(|at| (format!("MENSHEN__SITES__{at}__ORIGIN"), format!("https://s{at}.example"))).collect();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (config, _) = Folder::with(MINIMAL).load(&variables).unwrap_or_else(|report| panic!("{report}"));
    let origins: Vec<_> = config.sites.iter().map(|site| site.origin.to_string()).collect();
    assert_eq!((origins.len(), origins[11].as_str()), (12, "https://s11.example"));
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused_by_its_variables_name() {
    use std::os::unix::ffi::OsStringExt;

    let folder = Folder::with(MINIMAL);
    let value = std::ffi::OsString::from_vec(vec![b'1', 0xff]);
    let report = Config::load(&folder.0.path().join("config.toml"), [("MENSHEN__SESSION__IDLE", value)]).unwrap_err();
    assert!(report.to_string().starts_with("MENSHEN__SESSION__IDLE: is not UTF-8\n"), "{report}");
}
