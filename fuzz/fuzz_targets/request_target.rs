//! However a server reads a path, what it takes for guarded is guarded, and what it takes for the way into the login is no
//! other way into it. To work that out takes bounded space and time.
//!
//! A request target.

#![no_main]

use std::sync::LazyLock;

use http::{Method, Uri};
use libfuzzer_sys::fuzz_target;
use menshen::gateway::{Access, Authorization, NullOrigin, OwnPaths, RouteSettings, SiteContext};
use menshen::http::path_pattern::PathPattern;
use menshen::http::request_path;
use menshen_fuzz::scene;
use percent_encoding::percent_decode;
use url::Url;

static OWN: LazyLock<OwnPaths> =
    LazyLock::new(|| OwnPaths::new("/qq/login/", "/oauth_callback/", "/.menshen/", true, true));
static SITE: LazyLock<SiteContext> = LazyLock::new(|| {
    let route = |path: &str, access, ignore_case| RouteSettings {
        host: None,
        path: PathPattern::parse(path).unwrap(),
        methods: Vec::new(),
        access,
        authorization: Authorization::Passed,
        upstream: 0,
        application: 0,
        identity: 0,
        ignore_case,
        null_origin: NullOrigin::IsForeign,
        websocket_origins: Vec::new(),
        handling: std::sync::Arc::default(),
    };
    let routes = [
        route("/*", Access::Optional, false),
        route("/static/*", Access::Public, false),
        route("/admin/*", Access::Required, false),
        route("/exact", Access::Required, false),
        route("/fold/*", Access::Required, true),
    ];
    let issuers = scene().wire.issuers.clone();
    SiteContext::new(&scene().site, &[("qq", "/oauth_callback/")], "/login".into(), "s", issuers, &routes).unwrap()
});

fuzz_target!(|data: &[u8]| {
    let Ok(target) = Uri::try_from(data) else { return };
    let path = target.path();
    if OWN.find(path).is_some() {
        return;
    }
    // What has too many readings is refused.
    let Ok(readings) = request_path::read(path) else { return };
    let size: usize = readings.others.iter().map(String::len).sum();
    assert!(readings.others.len() <= 128 && size <= 32 * 1024);
    if OWN.is_shadowed(&readings) {
        return;
    }
    let matched = SITE.routes.find("www.meiduo.site:8000", &readings, &Method::GET).unwrap();
    for reading in other_servers_readings(path) {
        let text = || format!("{path} was read as {}", String::from_utf8_lossy(&reading));
        assert!(!is_guarded(&reading) || matched.access == Access::Required, "{}", text());
        assert!(!is_login(&reading), "{}", text());
        let is_open = reading.starts_with(b"/static/");
        assert!(is_open || matched.access != Access::Public || !is_optional(&reading), "{}", text());
    }
});

fn is_guarded(path: &[u8]) -> bool {
    let folded = path.to_ascii_lowercase();
    let is_below =
        |path: &[u8], folder: &[u8]| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
    is_below(path, b"/admin") || is_below(&folded, b"/fold") || path == b"/exact" || path == b"/exact/"
}

/// Whether it is surely none of the open folder's.
fn is_optional(path: &[u8]) -> bool {
    path.starts_with(b"/") && path != b"/static" && !path.starts_with(b"/static/")
}

fn is_login(path: &[u8]) -> bool {
    [&b"/qq/login"[..], b"/qq/login/", b"/oauth_callback", b"/oauth_callback/"].contains(&path)
}

/// How servers of several kinds read a raw path, each written down in the simplest way and without regard to ours.
fn other_servers_readings(raw: &str) -> Vec<Vec<u8>> {
    let raw = raw.as_bytes();
    let once = decoded(raw);
    let mut readings = vec![
        // CGI and WSGI as they stand: decoded, and nothing resolved.
        once.clone(),
        // What forgets to decode.
        raw.to_vec(),
        // nginx: decoded, slashes merged, dots resolved.
        resolved(&merged(&once)),
        // Go and Node: decoded, dots resolved.
        resolved(&once),
        // Dots resolved before anything is decoded.
        decoded(&resolved(raw)),
        // Java: parameters cut, then decoded, then resolved.
        resolved(&decoded(&without_parameters(raw))),
        resolved(&without_parameters(&once)),
        // IIS: backslashes are slashes.
        resolved(&merged(&slashed(&once))),
        resolved(&slashed(&once)),
        // Decoded by a proxy and by the server behind it.
        resolved(&decoded(&once)),
        resolved(&merged(&slashed(&decoded(&once)))),
        // C: a NUL ends it.
        resolved(&until_nul(&once)),
    ];
    // Browsers and their like.
    let url = Url::parse("http://host").unwrap();
    if let Some(url) = std::str::from_utf8(raw).ok().and_then(|path| url.join(path).ok()) {
        readings.push(decoded(url.path().as_bytes()));
    }
    readings
}

fn decoded(path: &[u8]) -> Vec<u8> {
    percent_decode(path).collect()
}

fn merged(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|one, other| *one == b'/' && *other == b'/');
    merged
}

fn slashed(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

fn until_nul(path: &[u8]) -> Vec<u8> {
    path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

fn without_parameters(path: &[u8]) -> Vec<u8> {
    let segments = path.split(|byte| *byte == b'/').map(|segment| segment.split(|byte| *byte == b';').next().unwrap());
    segments.collect::<Vec<_>>().join(&b'/')
}

fn resolved(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    let segments: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(usize::from(path.starts_with(b"/"))).collect();
    for (at, segment) in segments.iter().enumerate() {
        match *segment {
            b"." => {}
            b".." => drop(kept.pop()),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if at + 1 == segments.len() {
            kept.push(b"");
        }
    }
    [b"/", &kept.join(&b'/')[..]].concat()
}
