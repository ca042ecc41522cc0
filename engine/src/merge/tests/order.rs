//! The order of routes: the first that matches is the most specific.

use proptest::prelude::*;
use rstest::rstest;

use super::{Out, routing};
use crate::merge::ConfigFile::Routing;
use crate::merge::order::{Position, order};

/// Lines such as `ours GET /a`, in the order in which they are written.
fn ordered(lines: &[&str]) -> Vec<String> {
    let positions: Vec<_> = lines
        .iter()
        .map(|line| {
            let mut words = line.split(' ');
            let ours = words.next() == Some("ours");
            Position {
                route: words.next().zip(words.next()),
                ours,
            }
        })
        .collect();
    let order = order(&positions).into_iter();
    order.map(|at| lines[at].to_owned()).collect()
}

#[rstest]
#[case::text_before_parameter(&["ours GET /{id}", "ours GET /a"], &[1, 0])]
#[case::the_first_difference_decides(&["ours GET /{id}/a", "ours GET /a/{id}"], &[1, 0])]
#[case::a_part_of_a_segment(&["ours GET /{v}", "ours GET /v{n}", "ours GET /v1"], &[2, 1, 0])]
#[case::what_takes_the_rest_is_last(&["ours GET /{p+}", "ours GET /{a}/{b}", "ours GET /a/b"], &[2, 1, 0])]
#[case::rest_below_a_path(&["ours GET /a/{p+}", "ours GET /a/{x}/c"], &[1, 0])]
#[case::methods_in_any_case_are_one(&["ours get /{id}", "ours GET /a"], &[1, 0])]
#[case::other_methods_do_not_meet(&["ours POST /{id}", "ours GET /a"], &[0, 1])]
#[case::other_lengths_do_not_meet(&["ours GET /{id}", "ours GET /a/b"], &[0, 1])]
#[case::an_empty_segment_is_no_value(&["ours GET /{id}", "ours GET /"], &[0, 1])]
#[case::other_texts_do_not_meet(&["ours GET /x/{id}", "ours GET /a/b"], &[0, 1])]
#[case::only_what_must_moves(&["ours GET /z", "ours GET /{id}", "ours GET /y/{id}", "ours GET /a"], &[0, 2, 3, 1])]
#[case::ours_before_theirs(&["their GET /{id}", "ours GET /a"], &[1, 0])]
#[case::ours_after_theirs(&["ours GET /{id}", "their GET /a"], &[1, 0])]
#[case::theirs_keep_their_order(&["their GET /{id}", "their GET /a", "their GET /b"], &[0, 1, 2])]
#[case::an_item_without_a_path_keeps_its_place(&["their", "ours GET /{id}", "their", "ours GET /a"], &[0, 2, 3, 1])]
#[case::theirs_leave_no_place(&["their GET /{id}/x", "their GET /a/b", "ours GET /a/{z}"], &[2, 0, 1])]
fn a_more_specific_route_stands_first(#[case] lines: &[&str], #[case] expected: &[usize]) {
    let expected: Vec<_> = expected.iter().map(|at| lines[*at].to_owned()).collect();
    assert_eq!(ordered(lines), expected);
}

#[test]
fn sources_do_not_hide_each_others_routes() {
    let mut out = Out::default();
    let entries = [
        routing(
            "a",
            "routes: [{path: '/items/{id}', function: one}, {path: '/{any+}', function: rest}]",
        ),
        routing("b", "routes: [{path: /items/new, function: new}]"),
    ];
    out.deploy(&entries);
    let functions: Vec<_> = out
        .text(Routing)
        .lines()
        .filter(|l| l.contains("function"))
        .collect();
    assert_eq!(
        functions,
        [
            "  - function: new",
            "  - function: one",
            "  - function: rest"
        ]
    );
    assert!(out.merge(&entries).changes.is_empty());
    assert_eq!(out.merge(&entries).texts, out.texts);
}

#[test]
fn a_file_in_a_good_order_keeps_its_bytes() {
    let text = "# by hand\nroutes:\n- {path: /b, method: GET}\n- {path: /a, method: GET}\n- {path: '/{id}', method: GET}\n";
    let mut out = Out::with(Routing, text);
    out.deploy(&[routing("a", "routes: [{path: /a, method: GET}]")]);
    assert_eq!(out.text(Routing), text);
}

fn any_path() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["a", "b", "{x}", "{y}"]);
    let end = prop::option::of(prop::sample::select(vec!["{p+}"]));
    (prop::collection::vec(segment, 1..3), end).prop_map(|(segments, end)| {
        segments
            .into_iter()
            .chain(end)
            .fold(String::new(), |path, s| path + "/" + s)
    })
}

/// Whether the gateway's expression of a path matches a request.
fn matches(path: &str, request: &str) -> bool {
    let (mut path, mut request) = (path.split('/'), request.split('/'));
    loop {
        match (path.next(), request.next()) {
            (None, None) | (Some("{p+}"), Some(_)) => return true,
            (Some(segment), Some(text)) if segment.starts_with('{') || segment == text => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

fn ranks(path: &str) -> Vec<usize> {
    let rank = |segment: &str| {
        usize::from(segment.starts_with('{')) + usize::from(segment.ends_with("+}"))
    };
    path.split('/').map(rank).collect()
}

proptest! {
    #[test]
    fn every_request_finds_its_most_specific_route(
        paths in prop::collection::vec(any_path(), 1..9),
        requests in prop::collection::vec("(/[abc]){1,4}", 8),
    ) {
        let lines: Vec<_> = paths.iter().map(|path| format!("ours GET {path}")).collect();
        let ordered = ordered(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        for request in &requests {
            let of_request: Vec<_> = ordered.iter().filter_map(|line| line.strip_prefix("ours GET ")).filter(|path| matches(path, request)).collect();
            let best = of_request.iter().map(|path| ranks(path)).min();
            prop_assert_eq!(of_request.first().map(|path| ranks(path)), best, "{} in {:?}", request, ordered);
        }
    }

    #[test]
    fn routes_of_others_keep_their_order_whatever_is_ours(
        routes in prop::collection::vec((any::<bool>(), any_path()), 0..10),
    ) {
        let lines: Vec<_> = routes.iter().map(|(ours, path)| format!("{} GET {path}", if *ours { "ours" } else { "their" })).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let ordered = ordered(&lines);
        let theirs = |lines: &[String]| lines.iter().filter(|l| l.starts_with("their")).cloned().collect::<Vec<_>>();
        let before: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
        prop_assert_eq!(theirs(&ordered), theirs(&before));
        let mut sorted = (ordered, before);
        sorted.0.sort();
        sorted.1.sort();
        prop_assert_eq!(sorted.0, sorted.1);
    }
}
