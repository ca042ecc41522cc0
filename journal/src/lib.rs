//! How facts are kept.
