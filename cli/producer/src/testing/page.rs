//! A table of a page of the documentation, compared with what the code says.

use std::fs;
use std::sync::{Mutex, PoisonError};

/// Pages are read and written as a whole, and several tests make tables of one.
static FILE: Mutex<()> = Mutex::new(());

/// Compares what stands between two markers of a page, named by its path from the root of the workspace. With the environment
/// variable `SNAPSHOTS=overwrite` it is written instead.
///
/// # Panics
/// When the page has no such markers, or holds something else between them.
pub fn check_page(page: &str, maker: &str, name: &str, made: &str) {
    let _turn = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = format!("{}/../../{page}", env!("CARGO_MANIFEST_DIR"));
    let begin = format!("<!-- {name}: made by {maker} -->\n");
    let text = fs::read_to_string(&path).expect("the page is there");
    let from = text.find(&begin).expect("the marker is there") + begin.len();
    let to = from + text[from..].find("<!-- end -->").expect("the end is there");
    if text[from..to] == *made {
        return;
    }
    if std::env::var_os("SNAPSHOTS").is_some_and(|action| action == "overwrite") {
        let text = format!("{}{made}{}", &text[..from], &text[to..]);
        fs::write(path, text).expect("the page can be written");
    } else {
        panic!("{page} should hold, as SNAPSHOTS=overwrite writes it:\n{made}");
    }
}
