//! Patterns against a matcher that tries everything, and knows nothing of programs.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{TimedEvent, event, mismatch, pattern};

/// A pattern as the reference has it.
#[derive(Debug, Clone)]
enum Shape {
    Any,
    Kind(&'static str),
    Not(&'static str),
    Both(Box<Shape>, Box<Shape>),
    Either(Box<Shape>, Box<Shape>),
    Times(Box<Shape>, u32, Option<u32>),
    Within(Box<Shape>, i64),
}

impl Shape {
    fn text(&self) -> String {
        match self {
            Self::Any => "_".to_owned(),
            Self::Kind(kind) => (*kind).to_owned(),
            Self::Not(kind) => format!("!{kind}"),
            Self::Both(left, right) => format!("({} {})", left.text(), right.text()),
            Self::Either(left, right) => format!("({} | {})", left.text(), right.text()),
            Self::Times(shape, least, None) => format!("({}){{{least},}}", shape.text()),
            Self::Times(shape, least, Some(most)) => {
                format!("({}){{{least},{most}}}", shape.text())
            }
            Self::Within(shape, seconds) => format!("(({}) within {seconds}s)", shape.text()),
        }
    }

    /// Every place at which it can end when it begins at this one.
    fn ends(&self, events: &[TimedEvent], from: usize) -> BTreeSet<usize> {
        let one = |fits: bool| BTreeSet::from_iter(fits.then_some(from + 1));
        let event = events.get(from);
        let from_each = |shape: &Self, places: &BTreeSet<usize>| -> BTreeSet<usize> {
            let places = places.iter();
            places
                .flat_map(|place| shape.ends(events, *place))
                .collect()
        };
        match self {
            Self::Any => one(event.is_some()),
            Self::Kind(kind) => one(event.is_some_and(|event| event.kind == *kind)),
            Self::Not(kind) => one(event.is_some_and(|event| event.kind != *kind)),
            Self::Both(left, right) => from_each(right, &left.ends(events, from)),
            Self::Either(left, right) => &left.ends(events, from) | &right.ends(events, from),
            Self::Times(shape, least, most) => {
                let mut places = BTreeSet::from([from]);
                for _ in 0..*least {
                    places = from_each(shape, &places);
                }
                let mut all = places.clone();
                for _ in 0..most.map_or(20, |most| most.saturating_sub(*least)) {
                    places = from_each(shape, &places);
                    all.extend(&places);
                }
                all
            }
            Self::Within(shape, seconds) => {
                let in_time = |end: &usize| {
                    let mut inside = events[from..*end].iter();
                    let begin = events.get(from).map_or(0, |event| event.recorded_at_ms);
                    inside.all(|event| event.recorded_at_ms - begin <= seconds * 1000)
                };
                shape
                    .ends(events, from)
                    .into_iter()
                    .filter(in_time)
                    .collect()
            }
        }
    }
}

const KINDS: [&str; 3] = ["Requested", "ImageBuilt", "Failed"];

fn shapes() -> impl Strategy<Value = Shape> {
    let kinds = prop::sample::select(&KINDS[..]);
    let leaf = prop_oneof![
        Just(Shape::Any),
        kinds.clone().prop_map(Shape::Kind),
        kinds.prop_map(Shape::Not),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let boxed = inner.prop_map(Box::new).boxed();
        let times = (0..3_u32, prop::option::of(0..3_u32));
        prop_oneof![
            (boxed.clone(), boxed.clone()).prop_map(|(left, right)| Shape::Both(left, right)),
            (boxed.clone(), boxed.clone()).prop_map(|(left, right)| Shape::Either(left, right)),
            (boxed.clone(), times).prop_map(|(shape, (least, more))| {
                Shape::Times(shape, least, more.map(|more| least + more))
            }),
            (boxed, 0..4_i64).prop_map(|(shape, seconds)| Shape::Within(shape, seconds)),
        ]
    })
    .prop_filter(
        "a pattern limits at most three times in each other",
        |shape| within_depth(shape) <= 3,
    )
}

fn within_depth(shape: &Shape) -> usize {
    match shape {
        Shape::Any | Shape::Kind(_) | Shape::Not(_) => 0,
        Shape::Both(left, right) | Shape::Either(left, right) => {
            within_depth(left).max(within_depth(right))
        }
        Shape::Times(shape, ..) => within_depth(shape),
        Shape::Within(shape, _) => 1 + within_depth(shape),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Events fit, and their beginnings do, exactly where the reference says so. Clocks go forth and back.
    #[test]
    fn a_pattern_fits_what_a_matcher_that_tries_everything_fits(
        shape in shapes(),
        kinds in prop::collection::vec((prop::sample::select(&KINDS[..]), 0..6_i64), 0..8),
    ) {
        let events: Vec<TimedEvent> =
            kinds.into_iter().map(|(kind, second)| event(kind, second)).collect();
        let ends = shape.ends(&events, 0);
        let compared = pattern(&shape.text()).compare(&events);
        prop_assert_eq!(compared.is_ok(), ends.contains(&events.len()), "{}", shape.text());
        if let Err(difference) = compared {
            let found = mismatch(difference);
            prop_assert_eq!(found.whole, ends.iter().next_back().copied(), "{}", shape.text());
            prop_assert!(found.whole.is_none_or(|whole| whole <= found.index));
        }
    }
}
