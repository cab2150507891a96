//! Helpers for HTTP that know no policy.

pub mod language;
pub mod path_pattern;
