//! Texts of the configuration as what they mean, each with a remark where they mean nothing.

pub(super) mod address;
pub(super) mod member;
pub(super) mod mode;
pub(super) mod name;
pub(super) mod path;
pub(super) mod status;
pub(super) mod template;
pub(super) mod web;
