//! The adapter to a real Docker engine and a real registry.
