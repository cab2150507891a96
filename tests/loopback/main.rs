//! The whole proxy against upstreams and a QQ of our own, on loopback: raw bytes in, raw bytes out.

#![cfg(feature = "demo")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by a panic what went wrong; clippy.toml spares only functions marked as tests"
)]

mod acme;
mod attempts;
mod authorization;
mod balance;
mod balancers;
mod blocked;
mod callback;
mod certs;
mod client_certificates;
mod client_certificates_over_time;
mod companions;
mod connections;
mod cors;
mod doctor;
mod explain;
mod explain_session;
mod fixture;
mod forged_tokens;
mod forward_auth;
mod forwarding_answer;
mod forwarding_body;
mod forwarding_fault;
mod forwarding_framing;
mod forwarding_head;
mod forwarding_pool;
mod forwarding_stream;
mod forwarding_target;
mod front_end;
mod gate;
mod gate_paths;
mod going_down;
mod health_checks;
mod http2;
mod identity;
mod identity_presets;
mod keys;
mod login;
mod logout;
mod logs;
mod monitoring;
mod not_logged_in;
mod operators;
mod operators_import;
mod overload;
mod pace;
mod providers;
mod qq_down;
mod qq_switches;
mod refusals;
mod reload;
mod route_handling;
mod service;
mod sessions;
mod spoofing;
mod support;
mod targets;
mod timing;
mod tls;
mod tokens;
mod unix_socket;
mod upgrade;
mod upstream_http2;
mod upstream_http2_odd;
mod upstream_names;
mod upstream_tls;
mod upstream_unix;
mod way_on;
mod web_sockets;
