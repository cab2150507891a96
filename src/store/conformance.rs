//! What every store promises, as tests that run against each of them.
