//! Whatever people call themselves stays one value: in a header, in a cookie and in a claim.
//!
//! A template, then a display name.

#![no_main]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderName;
use http::header::AUTHORIZATION;
use libfuzzer_sys::fuzz_target;
use menshen::identity::{Companion, Content, Field, Identity, Incomplete, Settings, Signing, Snapshot};
use menshen::secret::Secret;
use menshen::template::{JsonTemplate, Place, Template};
use menshen::token::upstream::Signer;
use menshen_fuzz::{NOW, ORIGIN, parts, scene};
use percent_encoding::percent_decode_str;
use serde_json::Value;

const NAME: HeaderName = HeaderName::from_static("x-name");
const OTHER: HeaderName = HeaderName::from_static("x-other");

fuzz_target!(|data: &[u8]| {
    let [template, name] = parts::<2>(data).map(std::str::from_utf8);
    let (Ok(template), Ok(name)) = (template, name) else { return };
    let snapshot = Snapshot { display_name: name.to_owned(), ..scene().snapshot.clone() };
    let written = Template::<Field>::parse(template);
    let identity = identity(written.clone().ok());
    let ready = identity.make(&snapshot, ORIGIN, NOW).unwrap();

    let filled =
        |place| written.as_ref().ok().map(|written| written.fill(place, |field| snapshot.field(field, ORIGIN)));
    let lacks = |filled: Option<Result<String, Field>>| matches!(filled, Some(Err(field)) if field.names_somebody());
    let is_nobody = [Place::Json, Place::Header].into_iter().any(|place| lacks(filled(place)));
    assert_eq!(ready.headers.is_none(), is_nobody, "half an identity is none");
    let Some(headers) = ready.headers else { return };
    let value = |wanted: &HeaderName| headers.iter().find(|(found, _)| found == wanted).map(|(_, value)| value);
    match value(&NAME) {
        Some(value) => stays_one_value(value.to_str().unwrap().strip_prefix("n=").unwrap(), name),
        None => assert!(name.is_empty()),
    }
    let cookies: Vec<_> = identity.companions(&snapshot, ORIGIN).collect();
    assert_eq!(cookies.len(), usize::from(!name.is_empty()));
    for (cookie, value, _) in cookies {
        stays_one_value(&value, name);
        let set = scene().wire.jar.set_companion(cookie, &value, Duration::from_secs(1)).unwrap();
        assert_eq!(set.as_bytes().split(|byte| *byte == b';').count(), 4, "{set:?}");
    }
    let claims = claims(value(&AUTHORIZATION).unwrap().to_str().unwrap());
    assert_eq!(claims["iss"], ORIGIN);
    assert_eq!(claims["sub"], snapshot.user.to_string());
    assert_eq!(claims.get("name").and_then(Value::as_str), Some(name).filter(|name| !name.is_empty()));

    let Ok(written) = &written else { return };
    let filled = filled(Place::Json).and_then(Result::ok);
    assert_eq!(claims.get("other").and_then(Value::as_str), filled.as_deref());
    if written.fields().next().is_none() {
        assert_eq!(filled, Some(template.replace("{{", "{").replace("}}", "}")));
    }
    if let Some(value) = value(&OTHER) {
        assert!(value.as_bytes().iter().all(|byte| *byte >= b' ' && *byte != 0x7f));
    }
});

/// Nothing in it that ends a header, a cookie or a quoted text, and all of the name.
fn stays_one_value(value: &str, name: &str) {
    assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~@:/%".contains(&byte)), "{value}");
    assert_eq!(percent_decode_str(value).decode_utf8().unwrap(), name);
}

fn claims(authorization: &str) -> Value {
    let payload = authorization.strip_prefix("Bearer ").unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn identity(other: Option<Template<Field>>) -> Identity {
    let secret = Secret::new(vec![7; 32]);
    let name = || Template::parse("{user.display_name}").unwrap();
    let claim = |name: &str, template| (name.to_owned(), JsonTemplate::Text(template));
    let settings = Settings {
        name: "default".into(),
        header: Some(AUTHORIZATION),
        scheme: "Bearer".into(),
        signing: Signing::Shared(secret.clone()),
        lifetime: Duration::from_secs(300),
        issuer: None,
        audience: None,
        claims: std::iter::once(claim("name", name()))
            .chain(other.clone().map(|other| claim("other", other)))
            .collect(),
        headers: [(NAME, Template::parse("n={user.display_name}").unwrap())]
            .into_iter()
            .chain(other.map(|other| (OTHER, other)))
            .collect(),
        cookies: vec![Companion { name: "username".into(), content: Content::Told(name()), lifetime: None }],
        incomplete: Incomplete::Anonymous,
        forward_authorization: false,
    };
    Identity::new(settings, Signer::shared(&secret))
}
