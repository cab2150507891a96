//! Wherever a login is asked to lead, it leads to a place on the site or on a host that the site lists, as browsers read it.
//!
//! A `next`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use menshen::http::safe_redirect::SafeRedirect;
use menshen::site::Origin;
use menshen_fuzz::{ORIGIN, scene};
use url::Url;

fuzz_target!(|data: &[u8]| {
    let Ok(next) = std::str::from_utf8(data) else { return };
    let site = &scene().site;
    let kept = SafeRedirect::parse(next, site);
    let place = kept.as_str();
    assert!(place.len() <= SafeRedirect::MAX && place.bytes().all(|byte| byte.is_ascii_graphic()), "{place}");
    assert_eq!(kept.location(), place);
    // From wherever it is followed.
    for base in [ORIGIN, "http://www.meiduo.site:8000/oauth_callback/?code=1", "http://www.meiduo.site:8000//x//y"] {
        let resolved = Url::parse(base).unwrap().join(place).unwrap();
        let origin = Origin::of(&resolved).unwrap();
        assert!(origin == site.origin || site.allowed_hosts.contains(&origin), "{place}");
        assert!(resolved.username().is_empty() && resolved.password().is_none(), "{place}");
    }
    // A reader that knows no rules: a path, or one of the two hosts and then a path.
    let is_path = place.starts_with('/') && !place.starts_with("//") && !place.starts_with("/\\");
    assert!(is_path || place.starts_with("https://m.meiduo.site/"), "{place}");
    assert_eq!(SafeRedirect::parse(place, site), kept);
});
