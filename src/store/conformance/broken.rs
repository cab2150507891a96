//! The suite put to the test: stores that break one promise each, and the check that must notice.
