//! Menshen: a reverse proxy that adds QQ login to a web application without changing one line of it.
//!
//! | module | owns |
//! | --- | --- |
//! | [`cli`] | one file for each command |
//! | [`app`] | where everything is put together |
//! | [`admin`] | what operators do |
//! | [`doctor`] | whether what a configuration relies on is there |
//! | [`config`] | `config.toml`, from text to finished settings |
//! | [`server`] | listening, one runtime for each core, draining |
//! | [`tls`] | certificates by name, and handshakes |
//! | [`gateway`] | what happens to a request: the hot path |
//! | [`login`] | from the click on the QQ button to the session; the identity providers |
//! | [`account`] | whom an identity stands for |
//! | [`session`] | sealed cookies, API tokens, revocations |
//! | [`identity`] | how an upstream learns who is logged in |
//! | [`template`] | the operator's texts with placeholders |
//! | [`token`] | JWTs and their keys |
//! | [`upstream`] | connections to the application, and forwarding |
//! | [`store`] | users, bindings, revocations, keys, the audit trail |
//! | [`page`] | what visitors read |
//! | [`telemetry`] | what operators read |
//! | [`http`] | helpers that know no policy |

#![warn(missing_docs)]

pub mod account;
pub mod acme;
pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod doctor;
pub mod error_chain;
pub mod gateway;
pub mod http;
pub mod identity;
pub mod keyring;
pub mod login;
pub mod master_key;
pub mod page;
pub mod random;
mod rule;
pub mod seal;
pub mod secret;
pub mod server;
pub mod session;
pub mod site;
pub mod store;
pub mod telemetry;
pub mod template;
pub mod tls;
pub mod token;
pub mod trail;
pub mod units;
pub mod upstream;
