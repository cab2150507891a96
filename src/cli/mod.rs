//! What an operator can ask for, one file for each command.

pub mod check;
