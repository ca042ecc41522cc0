//! Reading an artifact and an output directory from disk.
