//! Helpers for HTTP that know no policy.

mod careless;
pub mod client_certificate;
pub mod cookie;
pub mod encode;
pub mod fold_case;
pub mod forwarded;
pub mod hop_by_hop;
pub mod http_01;
pub mod idle;
pub mod language;
pub mod path_pattern;
pub mod peer;
pub mod request_end;
pub mod request_path;
pub mod safe_redirect;
pub mod strip;
pub mod subscriber;
pub mod version_2;
