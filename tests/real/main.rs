//! Tests against real parts: the kernel, a disk that is full, a process that is killed, software that is not ours and
//! has to be installed first (into `.test-parts/` at the root, with its versions pinned). `cargo test` leaves them out;
//! `cargo test --release --test real` runs them, and a part that is missing is a failure.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic what went wrong; clippy.toml spares only functions marked as tests"
)]

#[cfg(feature = "demo")]
mod administration;
mod backends;
#[cfg(feature = "demo")]
mod django;
mod dockerfile;
#[cfg(feature = "demo")]
mod flood;
mod forward_auth;
#[cfg(feature = "demo")]
mod front_end;
#[cfg(feature = "demo")]
mod grpc;
#[cfg(feature = "demo")]
mod idle_memory;
#[cfg(feature = "demo")]
mod instructions;
#[cfg(feature = "demo")]
mod journey;
#[cfg(feature = "demo")]
mod kill_storm;
mod killing;
#[cfg(feature = "demo")]
mod nginx_https;
#[cfg(feature = "demo")]
mod oidc;
#[cfg(feature = "demo")]
mod oscar;
#[cfg(feature = "demo")]
mod qq_login_tool;
#[cfg(feature = "demo")]
mod radicale;
#[cfg(feature = "demo")]
mod resource_server;
#[cfg(feature = "demo")]
mod rest_shop;
#[cfg(feature = "demo")]
mod scanner;
#[cfg(feature = "demo")]
mod shared_cache;
#[cfg(feature = "demo")]
mod signals;
#[cfg(feature = "demo")]
mod smuggling;
#[cfg(feature = "demo")]
mod soak;
#[cfg(feature = "demo")]
mod spoofing;
mod store;
#[cfg(feature = "demo")]
mod systemd;
#[cfg(feature = "demo")]
mod web_sockets;
