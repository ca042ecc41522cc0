//! What tests of several crates share: made-up input for every pure module, and the comparison of a page with the code.

mod fuzz;
mod page;

pub use fuzz::read_template;
pub use page::check_page;
