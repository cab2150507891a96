//! Tests against software that is not ours and has to be installed first: `cargo test --test real`. Everything they
//! install goes into `.test-parts/` at the root, with its versions pinned.

#[cfg(feature = "demo")]
mod qq_login_tool;
