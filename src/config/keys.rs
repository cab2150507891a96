//! Every key there is, once: what it takes and what it is when left out.
//!
//! The reader, the refusal of unknown keys, the environment, the checks of `config.toml` and of the documents all go by
//! this one list. In a path, `sites[]` is a table that may be written many times, and `<name>` is a name of the
//! operator's choice.

use std::time::Duration;

use super::preset;
use crate::store::sled;
use crate::units::ByteSize;

/// One key.
pub(super) struct Key {
    /// Its path, such as `sites[].origin`.
    pub(super) path: &'static str,
    /// What it takes.
    pub(super) kind: Kind,
    /// What it is when left out.
    pub(super) absent: Absent,
}

/// What a key takes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number between two, both included.
    Count(u64, u64),
    /// A length of time between two, both included.
    Duration(Duration, Duration),
    /// A number of bytes between two, both included.
    Size(ByteSize, ByteSize),
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text that is never shown. `<key>_file` may stand in its place.
    Secret,
    /// A file or a folder; a relative one is looked for beside the configuration.
    File,
    /// A list of texts.
    Texts,
    /// A table from names to texts.
    TextTable,
    /// A table from names to text, true, false, numbers, lists and tables.
    ValueTable,
}

/// What a key is when left out.
#[derive(Clone, Copy)]
pub(super) enum Absent {
    /// This, as TOML.
    Is(&'static str),
    /// Something that depends on other keys or on the machine, in words.
    Derived(&'static str),
    /// Nothing: the key has to be there. An example, as TOML.
    Required(&'static str),
}

use self::Absent::{Derived, Is, Required};
use self::Kind::{Choice, Count, File, Flag, Secret, Size, Text, TextTable, Texts, ValueTable};

/// Every key, in the order of `config.toml`.
pub(super) const KEYS: &[Key] = &[
    key("server.listen", Texts, Is(r#"["0.0.0.0:8000"]"#)),
    key("server.listen_tls", Texts, Is("[]")),
    key("server.socket_mode", Text, Is(r#""0660""#)),
    key("server.h2c", Flag, Is("false")),
    key("server.cores", Count(1, 1024), Derived("one for each core")),
    key("server.trusted_proxies", Texts, Is("[]")),
    key("server.proxy_protocol", Texts, Is("[]")),
    key("server.forwarded", Choice(&["x-forwarded", "forwarded"]), Is(r#""x-forwarded""#)),
    key("server.strict_hosts", Flag, Is("true")),
    key("server.prefix", Text, Is(r#""/.menshen/""#)),
    key("server.drain", Kind::Duration(Duration::ZERO, HOUR), Is(r#""30s""#)),
    key("tls.min_version", Choice(&["1.2", "1.3"]), Is(r#""1.2""#)),
    key("tls.http2", Flag, Is("true")),
    key("tls.redirect", Flag, Is("true")),
    key("tls.hsts", Kind::Duration(Duration::ZERO, TEN_YEARS), Is(r#""0s""#)),
    key("tls.client_auth", CLIENT_AUTH, Is(r#""off""#)),
    key("tls.client_ca_file", File, Derived("none")),
    key("tls.client_crl_files", Texts, Is("[]")),
    key("tls.client_headers", TextTable, Is(CLIENT_HEADERS)),
    key("tls.acme.names", Texts, Is("[]")),
    key("tls.acme.accept_terms", Flag, Is("false")),
    key("tls.acme.challenge", Choice(&["tls-alpn-01", "http-01"]), Is(r#""tls-alpn-01""#)),
    key("tls.acme.contact", Texts, Is("[]")),
    key("tls.acme.directory", Text, Is(r#""https://acme-v02.api.letsencrypt.org/directory""#)),
    key("tls.acme.ca_file", File, Derived("those whom the machine trusts")),
    key("tls.certificates[].chain_file", File, Required(r#"chain_file = "certs/site.pem""#)),
    key("tls.certificates[].key_file", File, Required(r#"key_file = "certs/site.key""#)),
    key("sites[].origin", Text, Required(r#"origin = "http://www.meiduo.site:8000""#)),
    key("sites[].aliases", Texts, Is("[]")),
    key("sites[].allowed_hosts", Texts, Is("[]")),
    key("sites[].cors_origins", Texts, Is("[]")),
    key("sites[].same_site", Choice(&["lax", "none"]), Is(r#""lax""#)),
    key("sites[].logout_paths", Texts, Is("[]")),
    key("sites[].redirect_uris", TextTable, Derived("origin + login.callback without its last slash")),
    key("sites[].client_auth", CLIENT_AUTH, Derived("tls.client_auth")),
    key("sites[].cookie_domain", Text, Is(r#""""#)),
    key("sites[].front_end.start", Text, Derived("none")),
    key("sites[].front_end.next", Text, Is(r#""next""#)),
    key("sites[].front_end.start_json", ValueTable, Is(r#"{ login_url = "{login_url}" }"#)),
    key("sites[].front_end.begins", Choice(&["with_navigation", "with_call"]), Is(r#""with_navigation""#)),
    key("sites[].front_end.redirect_uri", Text, Derived("that of the site")),
    key("sites[].front_end.state", Choice(&["random", "next"]), Is(r#""random""#)),
    key("sites[].front_end.callback", Text, Derived("none")),
    key("sites[].front_end.code", Text, Is(r#""code""#)),
    key("sites[].front_end.callback_json", ValueTable, Is(FRONT_END_USER)),
    key("sites[].front_end.error_json", ValueTable, Is(r#"{ message = "{message}" }"#)),
    key("sites[].front_end.refused_status", Count(400, 499), Is("400")),
    key("sites[].front_end.failed_status", Count(500, 599), Is("503")),
    key("sites[].front_end.cookies", Flag, Is("false")),
    key("providers.qq.client_id", Text, Required(r#"client_id = "101000001""#)),
    key("providers.qq.client_secret", Secret, Required(r#"client_secret = "the appkey from connect.qq.com""#)),
    key("providers.qq.client_secret_file", File, Derived("none")),
    key("providers.qq.authorize_url", Text, Is(r#""https://graph.qq.com/oauth2.0/authorize""#)),
    key("providers.qq.token_url", Text, Is(r#""https://graph.qq.com/oauth2.0/token""#)),
    key("providers.qq.openid_url", Text, Is(r#""https://graph.qq.com/oauth2.0/me""#)),
    key("providers.qq.user_info_url", Text, Is(r#""https://graph.qq.com/user/get_user_info""#)),
    key("providers.qq.unionid", Flag, Is("false")),
    key("providers.qq.scope", Texts, Is("[]")),
    key("providers.qq.connect_timeout", TIMEOUT, Is(r#""3s""#)),
    key("providers.qq.exchange_timeout", TIMEOUT, Is(r#""10s""#)),
    key("providers.qq.proxy", Secret, Derived("none")),
    key("providers.qq.proxy_file", File, Derived("none")),
    key("providers.qq.extra_ca_file", File, Derived("none")),
    key("providers.<name>.kind", Choice(&["oidc", "github"]), Is(r#""oidc""#)),
    key("providers.<name>.title", Text, Derived("the provider's name")),
    key("providers.<name>.issuer", Text, Derived("none")),
    key("providers.<name>.client_id", Text, Required(r#"client_id = "the client's id there""#)),
    key("providers.<name>.client_secret", Secret, Required(r#"client_secret = "the client's secret there""#)),
    key("providers.<name>.client_secret_file", File, Derived("none")),
    key("providers.<name>.token_auth", Choice(&["basic", "post"]), Is(r#""basic""#)),
    key("providers.<name>.id_token_algorithm", Choice(&["RS256", "ES256", "EdDSA", "PS256"]), Is(r#""RS256""#)),
    key("providers.<name>.scope", Texts, Is(r#"["openid", "profile"]"#)),
    key("providers.<name>.authorize_url", Text, Derived("those of GitHub")),
    key("providers.<name>.token_url", Text, Derived("those of GitHub")),
    key("providers.<name>.user_url", Text, Derived("those of GitHub")),
    key("providers.<name>.connect_timeout", TIMEOUT, Is(r#""3s""#)),
    key("providers.<name>.exchange_timeout", TIMEOUT, Is(r#""10s""#)),
    key("providers.<name>.proxy", Secret, Derived("none")),
    key("providers.<name>.proxy_file", File, Derived("none")),
    key("providers.<name>.extra_ca_file", File, Derived("none")),
    key("upstreams.<name>.endpoints", Texts, Required(r#"endpoints = ["http://127.0.0.1:8001"]"#)),
    key("upstreams.<name>.dns", Texts, Is("[]")),
    key("upstreams.<name>.connect_timeout", TIMEOUT, Is(r#""3s""#)),
    key("upstreams.<name>.head_timeout", Kind::Duration(MILLI, DAY), Is(r#""60s""#)),
    key("upstreams.<name>.idle_timeout", Kind::Duration(MILLI, DAY), Is(r#""60s""#)),
    key("upstreams.<name>.keep_alive", Kind::Duration(Duration::ZERO, HOUR), Is(r#""1500ms""#)),
    key("upstreams.<name>.max_idle", Count(0, 65_536), Is("64")),
    key("upstreams.<name>.host", Text, Is(r#""keep""#)),
    key("upstreams.<name>.upgrades", Texts, Is(r#"["websocket"]"#)),
    key(
        "upstreams.<name>.balance",
        Choice(&["round_robin", "least_request", "hash", "sticky"]),
        Is(r#""round_robin""#),
    ),
    key("upstreams.<name>.hash_on", Text, Is(r#""user""#)),
    key("upstreams.<name>.sticky_cookie", Text, Derived("menshen_endpoint_ and the upstream's name")),
    key("upstreams.<name>.slow_start", Kind::Duration(Duration::ZERO, HOUR), Is(r#""10s""#)),
    key("upstreams.<name>.max_requests", Count(1, 10_000_000), Derived("no limit")),
    key("upstreams.<name>.max_pending", Count(0, 10_000_000), Is("1024")),
    key("upstreams.<name>.pending_timeout", TIMEOUT, Is(r#""2s""#)),
    key("upstreams.<name>.ejection.failures", Count(0, 1000), Is("5")),
    key("upstreams.<name>.ejection.time", Kind::Duration(MILLI, HOUR), Is(r#""10s""#)),
    key("upstreams.<name>.retries.attempts", Count(0, 10), Is("2")),
    key("upstreams.<name>.retries.statuses", Texts, Is("[]")),
    key("upstreams.<name>.retries.budget_percent", Count(0, 100), Is("20")),
    key("upstreams.<name>.health.path", Text, Derived("none")),
    key("upstreams.<name>.health.interval", Kind::Duration(MILLI, HOUR), Is(r#""5s""#)),
    key("upstreams.<name>.health.timeout", TIMEOUT, Is(r#""2s""#)),
    key("upstreams.<name>.health.statuses", Texts, Is(r#"["200-399"]"#)),
    key("upstreams.<name>.health.ill_after", Count(1, 1000), Is("3")),
    key("upstreams.<name>.health.well_after", Count(1, 1000), Is("2")),
    key("upstreams.<name>.tls.http2", Flag, Is("true")),
    key("upstreams.<name>.tls.verify", Flag, Is("true")),
    key("upstreams.<name>.tls.ca_file", File, Derived("those whom the machine trusts")),
    key("upstreams.<name>.tls.server_name", Text, Derived("the endpoint's host")),
    key("upstreams.<name>.tls.chain_file", File, Derived("none")),
    key("upstreams.<name>.tls.key_file", File, Derived("none")),
    key("routes[].path", Text, Required(r#"path = "/*""#)),
    key("routes[].upstream", Text, Derived("the only upstream")),
    key("routes[].host", Text, Derived("every site")),
    key("routes[].methods", Texts, Derived("all")),
    key("routes[].access", Choice(&["public", "optional", "required"]), Is(r#""optional""#)),
    key("routes[].authorization", Choice(&["pass", "require", "strip"]), Is(r#""pass""#)),
    key("routes[].identity", Text, Is(r#""default""#)),
    key("routes[].ignore_case", Flag, Is("false")),
    key("routes[].allow_null_origin", Flag, Is("false")),
    key("routes[].websocket_origins", Texts, Is("[]")),
    key("routes[].connect_timeout", TIMEOUT, Derived("that of its upstream")),
    key("routes[].head_timeout", Kind::Duration(MILLI, DAY), Derived("that of its upstream")),
    key("routes[].idle_timeout", Kind::Duration(MILLI, DAY), Derived("that of its upstream")),
    key("routes[].timeout", Kind::Duration(MILLI, DAY), Derived("none")),
    key("routes[].maintenance", Flag, Is("false")),
    key("routes[].rewrite.prefix", Text, Derived("none")),
    key("routes[].rewrite.pattern", Text, Derived("none")),
    key("routes[].rewrite.to", Text, Derived("nothing")),
    key("routes[].request_headers.remove", Texts, Is("[]")),
    key("routes[].request_headers.set", TextTable, Is("{}")),
    key("routes[].request_headers.add", TextTable, Is("{}")),
    key("routes[].response_headers.remove", Texts, Is("[]")),
    key("routes[].response_headers.set", TextTable, Is("{}")),
    key("routes[].response_headers.add", TextTable, Is("{}")),
    key("routes[].not_logged_in.page", Text, Derived("our page of providers")),
    key("routes[].not_logged_in.status", Count(200, 499), Is("401")),
    key("routes[].not_logged_in.json", ValueTable, Derived("that of every 401 of ours")),
    key("routes[].redirect.to", Text, Derived("none")),
    key("routes[].redirect.status", Count(301, 308), Is("302")),
    key("routes[].answer.status", Count(200, 599), Is("200")),
    key("routes[].answer.text", Text, Derived("none")),
    key("routes[].answer.file", File, Derived("none")),
    key("routes[].answer.content_type", Text, Derived("by what the file is called, else plain text")),
    key("routes[].answer.retry_after", Kind::Duration(SECOND, DAY), Derived("none; under maintenance 5m")),
    key("identity.<name>.preset", Choice(&preset::NAMES), Is(r#""plain""#)),
    key("identity.<name>.header", Text, Is(r#""Authorization""#)),
    key("identity.<name>.scheme", Text, Is(r#""Bearer""#)),
    key("identity.<name>.algorithm", Choice(&["ES256", "EdDSA", "RS256", "HS256"]), Is(r#""ES256""#)),
    key("identity.<name>.secret", Secret, Derived("none")),
    key("identity.<name>.secret_file", File, Derived("none")),
    key("identity.<name>.lifetime", Kind::Duration(SECOND, DAY), Is(r#""5m""#)),
    key("identity.<name>.issuer", Text, Derived("the site's origin")),
    key("identity.<name>.audience", Text, Derived("none")),
    key("identity.<name>.incomplete", Choice(&["anonymous", "refused"]), Is(r#""anonymous""#)),
    key("identity.<name>.forward_authorization", Flag, Is("false")),
    key("identity.<name>.claims", ValueTable, Is(r#"{ name = "{user.display_name}", provider = "{provider}" }"#)),
    key("identity.<name>.headers", TextTable, Is(r#"{ X-Menshen-User = "{user.id}" }"#)),
    key("identity.<name>.cookies", ValueTable, Is(r#"{ username = "{user.display_name}" }"#)),
    key("session.idle", Kind::Duration(MINUTE, YEAR), Is(r#""12h""#)),
    key("session.lifetime", Kind::Duration(MINUTE, YEAR), Is(r#""14d""#)),
    key("session.cookie", Text, Is(r#""menshen_session""#)),
    key("session.cache", Count(1, 16_777_216), Is("65536")),
    key("session.api_token_lifetime", Kind::Duration(MINUTE, YEAR), Is(r#""12h""#)),
    key("login.start", Text, Is(r#""/qq/login/""#)),
    key("login.callback", Text, Is(r#""/oauth_callback/""#)),
    key("login.attempt_lifetime", Kind::Duration(MINUTE, HOUR), Is(r#""10m""#)),
    key("store.path", File, Is(r#""data""#)),
    key("store.master_key_file", File, Derived("master.key in store.path")),
    key("store.cache", Size(sled::Settings::MIN_CACHE, ByteSize::mib(1024 * 1024)), Is(r#""1GiB""#)),
    key("admin.socket", File, Derived("admin/menshen.sock in store.path")),
    key("admin.listen", Texts, Is("[]")),
    key("admin.hosts", Texts, Is("[]")),
    key("admin.token", Secret, Derived("none")),
    key("admin.token_file", File, Derived("none")),
    key("admin.audit_kept", Kind::Duration(DAY, TEN_YEARS), Is(r#""180d""#)),
    key("forward_auth.callers", Texts, Is("[]")),
    key("forward_auth.dialect", Choice(&["nginx", "caddy", "envoy", "forwarded"]), Is(r#""nginx""#)),
    key("discovery.jwks", Flag, Is("true")),
    key("discovery.openid_configuration", Flag, Is("true")),
    key("log.format", Choice(&["auto", "json", "text"]), Is(r#""auto""#)),
    key("log.level", Choice(&["error", "warn", "info", "debug"]), Is(r#""info""#)),
    key("log.access", Flag, Is("true")),
    key("limits.head_timeout", TIMEOUT, Is(r#""10s""#)),
    key("limits.keep_alive", Kind::Duration(MILLI, DAY), Is(r#""75s""#)),
    key("limits.header_bytes", Size(ByteSize::kib(8), ByteSize::mib(1)), Is(r#""64KiB""#)),
    key("limits.headers", Count(16, 4096), Is("100")),
    key("limits.target_bytes", Size(ByteSize::kib(1), ByteSize::kib(63)), Is(r#""32KiB""#)),
    key("limits.streams", Count(1, 65_536), Is("100")),
    key("limits.requests", Count(1, 10_000_000), Derived("no limit")),
    key("limits.connections", Count(1, 10_000_000), Is("10000")),
    key("limits.connections_per_address", Count(1, 10_000_000), Derived("a quarter of limits.connections")),
    key("limits.exchanges", Count(1, 4096), Is("64")),
    key("limits.logins", Count(1, 10_000_000), Is("300000")),
    key("limits.logins_per_address", Count(1, 10_000_000), Is("600")),
    key("limits.callbacks", Count(1, 10_000_000), Is("6000")),
    key("limits.failed_callbacks_per_address", Count(1, 10_000_000), Is("120")),
];

/// What people write who know the thing under another name, and where it stands here. Names without their path.
pub(super) const SYNONYMS: &[(&str, &str)] = &[
    ("appid", "providers.qq.client_id"),
    ("app_id", "providers.qq.client_id"),
    ("appkey", "providers.qq.client_secret"),
    ("app_key", "providers.qq.client_secret"),
    ("app_secret", "providers.qq.client_secret"),
    ("redirect_uri", "sites[].redirect_uris"),
    ("callback_url", "sites[].redirect_uris"),
    ("cert", "tls.certificates[].chain_file"),
    ("certificate", "tls.certificates[].chain_file"),
    ("cert_file", "tls.certificates[].chain_file"),
    ("certificate_file", "tls.certificates[].chain_file"),
    ("ssl_certificate", "tls.certificates[].chain_file"),
    ("ssl_certificate_key", "tls.certificates[].key_file"),
    ("private_key_file", "tls.certificates[].key_file"),
    ("client_ca", "tls.client_ca_file"),
    ("ssl_client_certificate", "tls.client_ca_file"),
    ("ssl_verify_client", "tls.client_auth"),
    ("ssl_crl", "tls.client_crl_files"),
    ("bind", "server.listen"),
    ("port", "server.listen"),
    ("address", "server.listen"),
    ("workers", "server.cores"),
    ("threads", "server.cores"),
    ("backend", "upstreams.<name>.endpoints"),
    ("url", "upstreams.<name>.endpoints"),
    ("server", "upstreams.<name>.endpoints"),
    ("timeout", "upstreams.<name>.head_timeout"),
    ("loglevel", "log.level"),
    ("log_level", "log.level"),
    ("ttl", "session.lifetime"),
    ("domain", "sites[].cookie_domain"),
];

const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Browsers keep no cookie for longer than 400 days.
const YEAR: Duration = Duration::from_secs(400 * 24 * 60 * 60);
const TEN_YEARS: Duration = Duration::from_secs(3650 * 24 * 60 * 60);
const TIMEOUT: Kind = Kind::Duration(Duration::from_millis(1), Duration::from_secs(10 * 60));

const CLIENT_AUTH: Kind = Choice(&["off", "optional", "required"]);
const FRONT_END_USER: &str = r#"{ token = "{token}", username = "{user.handle}", user_id = "{user.id}" }"#;
const CLIENT_HEADERS: &str = concat!(
    r#"{ X-Client-Cert-Verified = "verified", X-Client-Cert-Subject = "subject", X-Client-Cert-SAN = "san", "#,
    r#"X-Client-Cert-Serial = "serial", X-Client-Cert-Fingerprint = "fingerprint" }"#,
);

const fn key(path: &'static str, kind: Kind, absent: Absent) -> Key {
    Key { path, kind, absent }
}

/// What may stand at a path.
pub(super) enum Known {
    /// A value.
    Key(&'static Key),
    /// A table with keys of its own.
    Section,
    /// A table that may be written many times: `[[sites]]`.
    List,
    /// Nothing.
    Nothing,
}

impl Known {
    /// What a pattern such as `sites[].origin` or `upstreams.<name>` stands for.
    pub(super) fn at(pattern: &str) -> Self {
        if let Some(key) = KEYS.iter().find(|key| key.path == pattern) {
            return Known::Key(key);
        }
        let below =
            |end: &str| KEYS.iter().any(|key| key.path.strip_prefix(pattern).is_some_and(|rest| rest.starts_with(end)));
        match (below("."), below("[].")) {
            (true, _) => Known::Section,
            (false, true) => Known::List,
            (false, false) => Known::Nothing,
        }
    }
}

/// The names that may stand in the section at a pattern (the root's is empty); `<name>` among them allows any.
pub(super) fn names_in(pattern: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = Vec::new();
    for key in KEYS {
        let rest = match pattern {
            "" => Some(key.path),
            _ => key.path.strip_prefix(pattern).and_then(|rest| rest.strip_prefix('.')),
        };
        let name = rest.and_then(|rest| rest.split('.').next()).map(|name| name.trim_end_matches("[]"));
        if let Some(name) = name.filter(|name| !names.contains(name)) {
            names.push(name);
        }
    }
    names
}

/// The name's pattern within the section at `pattern`; that of an unknown name is no key's and no section's.
pub(super) fn join(pattern: &str, name: &str) -> String {
    let names = names_in(pattern);
    let name = match (names.contains(&name), names.contains(&"<name>")) {
        (true, _) => name.to_owned(),
        (false, true) => "<name>".to_owned(),
        // In quotes, so that a name such as "session.idle" is not taken for the path it looks like.
        (false, false) => format!("{name:?}"),
    };
    if pattern.is_empty() { name } else { format!("{pattern}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_tells_keys_sections_and_lists_apart() {
        assert!(matches!(Known::at("session.idle"), Known::Key(_)));
        assert!(matches!(Known::at("session"), Known::Section));
        assert!(matches!(Known::at("upstreams"), Known::Section));
        assert!(matches!(Known::at("upstreams.<name>"), Known::Section));
        assert!(matches!(Known::at("sites"), Known::List));
        assert!(matches!(Known::at("sites[]"), Known::Section));
        assert!(matches!(Known::at("sess"), Known::Nothing));
        assert_eq!(names_in("discovery"), ["jwks", "openid_configuration"]);
        assert_eq!(names_in("upstreams"), ["<name>"]);
        assert_eq!(join("upstreams", "mall"), "upstreams.<name>");
        for path in ["session.idle", "sites[]", "<name>"] {
            assert!(matches!(Known::at(&join("", path)), Known::Nothing), "{path}");
        }
    }

    #[test]
    fn no_key_stands_in_the_list_twice() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(KEYS.iter().skip(at + 1).all(|other| other.path != key.path), "{}", key.path);
        }
    }

    #[test]
    fn every_secret_can_come_from_a_file_and_every_synonym_leads_somewhere() {
        for key in KEYS.iter().filter(|key| matches!(key.kind, Kind::Secret)) {
            let file = format!("{}_file", key.path);
            assert!(KEYS.iter().any(|other| other.path == file && matches!(other.kind, Kind::File)), "{file}");
        }
        for (name, path) in SYNONYMS {
            assert!(matches!(Known::at(path), Known::Key(_)), "{name} -> {path}");
        }
    }
}
