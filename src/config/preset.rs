//! What the backends that people run already verify: other defaults for an identity, under one name.

use super::section::Defaults;

/// The words that `identity.<name>.preset` takes.
pub(super) const NAMES: [&str; 6] = ["plain", "drf-jwt", "simplejwt", "spring", "hasura", "remote-user"];

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Preset {
    /// What is different where nothing is written.
    pub(super) defaults: Defaults,
    /// Whether such a backend refuses tokens that say whom they are for, unless it was told the same.
    pub(super) refuses_audience: bool,
}

const PLAIN: Preset = Preset { defaults: &[], refuses_audience: false };

/// djangorestframework-jwt: finds the user by `username`, and takes no other scheme than `JWT`.
const DRF_JWT: Preset = Preset {
    defaults: &[("scheme", r#""JWT""#), ("algorithm", r#""HS256""#), ("claims", r#"{ username = "{user.username}" }"#)],
    refuses_audience: true,
};

/// djangorestframework-simplejwt: finds the user by `user_id`.
const SIMPLEJWT: Preset = Preset {
    defaults: &[
        ("algorithm", r#""HS256""#),
        ("claims", r#"{ token_type = "access", user_id = "{user.upstream_id}" }"#),
    ],
    refuses_audience: false,
};

/// A resource server of Spring Security: finds our keys by the issuer, and takes RS256 unless it was told otherwise.
const SPRING: Preset = Preset {
    defaults: &[
        ("algorithm", r#""RS256""#),
        ("claims", r#"{ preferred_username = "{user.handle}", name = "{user.display_name}" }"#),
    ],
    refuses_audience: false,
};

/// Hasura: reads user and roles from one claim of its own.
const HASURA: Preset = Preset {
    defaults: &[
        ("algorithm", r#""RS256""#),
        (
            "claims",
            r#"{ "https://hasura.io/jwt/claims" = { x-hasura-default-role = "user", x-hasura-allowed-roles = ["user"], x-hasura-user-id = "{user.id}" } }"#,
        ),
    ],
    refuses_audience: false,
};

/// Whoever believes a name in a header, such as Django's RemoteUserMiddleware: there is no token, so that nobody else may
/// reach the application.
const REMOTE_USER: Preset = Preset {
    defaults: &[("header", r#""""#), ("headers", r#"{ Remote-User = "{user.handle|raw}" }"#)],
    refuses_audience: false,
};

/// In the order of [`NAMES`].
pub(super) const PRESETS: [&Preset; 6] = [&PLAIN, &DRF_JWT, &SIMPLEJWT, &SPRING, &HASURA, &REMOTE_USER];
