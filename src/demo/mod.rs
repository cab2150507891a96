//! Everything a newcomer needs to try a login offline: a QQ simulator and a sample mall.

pub mod config;
pub mod mall;
pub mod qq;
