//! Everything a newcomer needs to try a login offline: a QQ simulator and a sample mall.

pub mod mall;
pub mod qq;
