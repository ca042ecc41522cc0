//! Publishing merged files: lock, temporary file, fsync, rename, fsync of the directory.
