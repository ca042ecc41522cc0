//! Rules, as tables.
