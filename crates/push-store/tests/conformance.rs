//! The suite, against every backend.
