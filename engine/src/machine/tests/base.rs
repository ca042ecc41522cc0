//! What the next deploy builds upon.

use super::*;

#[test]
fn a_deploy_that_may_have_begun_to_publish_is_the_base_of_the_next() {
    let begun = [
        Event::Requested(requested()),
        observed(),
        checked(Verdict::Compatible),
        merged(&["a"]),
    ];
    let with = |more: &[Event]| state(&[&begun[..], more].concat()).base();
    assert_eq!(with(&[abandoned()]), None);
    assert_eq!(
        with(&[built("a"), abandoned()]),
        Some(Base {
            deploy: DEPLOY,
            merged: 4,
            applied: false,
            images: None
        })
    );
    assert_eq!(
        with(&[built("a"), applied()]),
        Some(Base {
            deploy: DEPLOY,
            merged: 4,
            applied: true,
            images: None
        })
    );
    // A later attempt that never got as far does not hide that the first one did.
    assert_eq!(
        with(&[built("a"), resumed(2), abandoned()]),
        Some(Base {
            deploy: DEPLOY,
            merged: 4,
            applied: false,
            images: None
        })
    );
}
