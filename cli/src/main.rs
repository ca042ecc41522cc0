//! The applier.
fn main() {}
