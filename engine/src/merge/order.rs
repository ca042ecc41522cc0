//! The order of routes: the gateway takes the first route that matches, so the most specific one stands first.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// What the order needs to know of one item of `routes`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position<'a> {
    /// Method and path; none for an item without a path, which matches nothing.
    pub(super) route: Option<(&'a str, &'a str)>,
    /// This artifact or an earlier deploy wrote it, so it may move.
    pub(super) ours: bool,
}

/// The indices of `routes` in the order in which they are written.
///
/// A route stands before every less specific one that matches some of its requests. Routes of others keep their order
/// among themselves, and a route moves only when it must. When the order of others leaves no such place for a route
/// of ours, it stands where it is reached.
pub(super) fn order(routes: &[Position<'_>]) -> Vec<usize> {
    let mut graph = Graph::of(routes);
    let mut order = Vec::with_capacity(routes.len());
    while order.len() < routes.len() {
        let next = graph.ready.first().copied().unwrap_or_else(|| {
            // Only the order of others can close a circle; the most specific waiting route of ours breaks it.
            let waiting = (0..routes.len()).filter(|at| !graph.done[*at] && routes[*at].ours);
            waiting
                .min_by(|a, b| graph.shapes[*a].specificity(&graph.shapes[*b]))
                .expect("a circle holds a route of ours, since those of others are one chain")
        });
        graph.take(next);
        order.push(next);
    }
    order
}

/// Which routes stand before which.
struct Graph<'a> {
    shapes: Vec<Shape<'a>>,
    followers: Vec<Vec<usize>>,
    waits_for: Vec<usize>,
    ready: BTreeSet<usize>,
    done: Vec<bool>,
}

impl<'a> Graph<'a> {
    fn of(routes: &[Position<'a>]) -> Self {
        let shapes: Vec<_> = routes.iter().map(|route| Shape::of(route.route)).collect();
        let mut methods: BTreeMap<&str, Trie<'a>> = BTreeMap::new();
        for (at, shape) in shapes.iter().enumerate() {
            if let Some(method) = &shape.method {
                methods
                    .entry(method)
                    .or_default()
                    .insert(&shape.segments, at);
            }
        }
        let mut followers = vec![Vec::new(); routes.len()];
        let mut last_of_others: Option<usize> = None;
        for (at, shape) in shapes.iter().enumerate() {
            if !routes[at].ours
                && let Some(before) = last_of_others.replace(at)
            {
                followers[before].push(at);
            }
            let Some(trie) = shape.method.as_deref().and_then(|m| methods.get(m)) else {
                continue;
            };
            trie.overlapping(&shape.segments, &mut |other| {
                let both_foreign = !routes[at].ours && !routes[other].ours;
                if !both_foreign && shape.specificity(&shapes[other]).is_lt() {
                    followers[at].push(other);
                }
            });
        }
        let mut waits_for = vec![0; routes.len()];
        for follower in followers.iter().flatten() {
            waits_for[*follower] += 1;
        }
        let ready = (0..routes.len()).filter(|at| waits_for[*at] == 0).collect();
        Self {
            shapes,
            followers,
            waits_for,
            ready,
            done: vec![false; routes.len()],
        }
    }

    fn take(&mut self, at: usize) {
        self.done[at] = true;
        self.ready.remove(&at);
        for follower in std::mem::take(&mut self.followers[at]) {
            self.waits_for[follower] -= 1;
            if self.waits_for[follower] == 0 && !self.done[follower] {
                self.ready.insert(follower);
            }
        }
    }
}

/// What a route matches.
struct Shape<'a> {
    /// In upper case; none for an item that matches nothing.
    method: Option<String>,
    segments: Vec<Segment<'a>>,
}

impl<'a> Shape<'a> {
    fn of(route: Option<(&str, &'a str)>) -> Self {
        let segments = route.map(|(_, path)| path.strip_prefix('/').unwrap_or(path));
        Self {
            method: route.map(|(method, _)| method.to_uppercase()),
            segments: segments
                .into_iter()
                .flat_map(|path| path.split('/').map(Segment::of))
                .collect(),
        }
    }

    /// `Less` is more specific: the first segment that differs in kind decides.
    fn specificity(&self, other: &Self) -> Ordering {
        let ranks = |shape: &Self| shape.segments.iter().map(Segment::rank).collect::<Vec<_>>();
        ranks(self).cmp(&ranks(other))
    }
}

/// One segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    /// `orders`.
    Literal(&'a str),
    /// `v{major}`: text and parameters.
    Mixed,
    /// `{id}`.
    Parameter,
    /// `{proxy+}`: this segment and all that follow.
    Rest,
}

impl<'a> Segment<'a> {
    fn of(text: &'a str) -> Self {
        let inner = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        match inner {
            Some(name) if name.contains(['{', '}']) => Self::Mixed,
            Some(name) if name.ends_with('+') => Self::Rest,
            Some(_) => Self::Parameter,
            None if text.contains('{') && text.contains('}') => Self::Mixed,
            None => Self::Literal(text),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Mixed => 1,
            Self::Parameter => 2,
            Self::Rest => 3,
        }
    }

    /// Whether some segment is matched by both. Text around a parameter is not compared: a pair that is ordered
    /// without need does no harm.
    fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Literal(text), _) | (_, Self::Literal(text)) => !text.is_empty(),
            (
                Self::Mixed | Self::Parameter | Self::Rest,
                Self::Mixed | Self::Parameter | Self::Rest,
            ) => true,
        }
    }
}

/// Routes of one method by their segments, so that those that overlap are found without comparing all pairs.
#[derive(Default)]
struct Trie<'a> {
    ends: Vec<usize>,
    next: BTreeMap<Segment<'a>, Trie<'a>>,
}

impl<'a> Trie<'a> {
    fn insert(&mut self, segments: &[Segment<'a>], at: usize) {
        let end = segments
            .iter()
            .fold(self, |trie, segment| trie.next.entry(*segment).or_default());
        end.ends.push(at);
    }

    /// Hands over every route that matches some path that `segments` matches too.
    fn overlapping(&self, segments: &[Segment<'a>], found: &mut dyn FnMut(usize)) {
        let Some((first, rest)) = segments.split_first() else {
            self.ends.iter().for_each(|at| found(*at));
            return;
        };
        let mut visit = |segment: &Segment<'a>, trie: &Self| {
            if !first.overlaps(segment) {
                return;
            }
            match (first, segment) {
                (Segment::Rest, _) => trie.all(found),
                (_, Segment::Rest) => trie.ends.iter().for_each(|at| found(*at)),
                (
                    Segment::Literal(_) | Segment::Mixed | Segment::Parameter,
                    Segment::Literal(_) | Segment::Mixed | Segment::Parameter,
                ) => trie.overlapping(rest, found),
            }
        };
        if let Segment::Literal(_) = first {
            let others = [*first, Segment::Mixed, Segment::Parameter, Segment::Rest];
            for segment in &others {
                if let Some(trie) = self.next.get(segment) {
                    visit(segment, trie);
                }
            }
            return;
        }
        for (segment, trie) in &self.next {
            visit(segment, trie);
        }
    }

    fn all(&self, found: &mut dyn FnMut(usize)) {
        self.ends.iter().for_each(|at| found(*at));
        for trie in self.next.values() {
            trie.all(found);
        }
    }
}
