//! How records are written down: a version byte, then the record.
