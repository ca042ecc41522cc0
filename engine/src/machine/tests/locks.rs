//! Holds, which change nothing of the deploy that they stop.

use super::*;

#[test]
fn a_hold_changes_nothing_of_the_deploy_it_stops() {
    let before = [Event::Requested(requested()), observed()];
    let after = state(&[&before[..], &[held(), taken_over(), released()]].concat());
    assert_eq!(after, state(&before));
    let hold = state(&[&before[..], &[held()]].concat()).hold.unwrap();
    assert_eq!((hold.id, hold.sequence), (DEPLOY, 3));
}

#[test]
fn a_hold_of_a_target_without_an_unfinished_deploy_has_an_id_of_its_own_and_says_where_the_deploy_is()
 {
    let ended = state(&[Event::Requested(requested()), abandoned()]);
    let hold = Command::Hold {
        message: "why".to_owned(),
    };
    let (held, _) = decide(ended, hold, 3, || OTHER).unwrap();
    assert_eq!(held.event.as_held().unwrap().latest, Some(1));
    assert_eq!(held.deploy, OTHER);
}
