//! Routes as the gateway reads them: it takes the first that matches, and reads a path as an expression.
//!
//! The gateway puts `[^/]+` in the place of each `{word}` and takes every other character of a path as one of a regular
//! expression. It knows no `{word+}`.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::model::{App, Function, Method};

/// How many segments a greedy parameter stands for, since the gateway has none that stands for any number.
const GREEDY_SEGMENTS: usize = 6;

/// Characters that the gateway's expressions give a meaning of their own. `.` matches itself too and may stay.
const MEANT: [char; 13] = [
    '$', '(', ')', '*', '+', '?', '[', ']', '\\', '^', '{', '|', '}',
];

/// A route as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Written<'a> {
    pub(super) path: String,
    pub(super) method: Method,
    pub(super) function: &'a str,
}

/// What is odd about a route of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Odd<'a> {
    pub(super) function: &'a Function,
    pub(super) message: String,
}

/// Every route of a template, the most specific first, and what is odd about some.
pub(super) fn written(app: &App) -> (Vec<Written<'_>>, Vec<Odd<'_>>) {
    let mut routes: Vec<(Vec<Specificity>, Written<'_>)> = Vec::new();
    let mut odd = Vec::new();
    for function in &app.functions {
        let mut say = |message: String| {
            let one = Odd { function, message };
            if !odd.contains(&one) {
                odd.push(one);
            }
        };
        for route in &function.routes {
            let paths = match readable(&route.path) {
                Readable::AsItIs => vec![route.path.clone()],
                Readable::Greedy(paths) => {
                    say(greedy_message(&route.path));
                    paths
                }
                Readable::Not(why) => {
                    say(format!("its route `{}` is left out: {why}", route.path));
                    continue;
                }
            };
            let specific = specificity(&route.path);
            routes.extend(paths.into_iter().map(|path| {
                let route = Written {
                    path,
                    method: route.method,
                    function: function.name.as_str(),
                };
                (specific.clone(), route)
            }));
        }
    }
    routes.sort();
    // A path that a function names stands before the same path that a greedy parameter was expanded to.
    let mut seen = BTreeSet::new();
    routes.retain(|(_, route)| seen.insert((route.path.clone(), route.method)));
    let routes = routes.into_iter().map(|(_, route)| route);
    (routes.collect(), odd)
}

fn greedy_message(path: &str) -> String {
    format!(
        "the gateway does not know `+` in `{path}`: the route is written for up to {GREEDY_SEGMENTS} segments, and its \
         parameter holds the first of them; name the paths that the function needs, such as `/orders/{{id}}`"
    )
}

/// What the gateway makes of a path.
enum Readable {
    AsItIs,
    /// Paths in its place.
    Greedy(Vec<String>),
    /// Why it would match something else, or nothing.
    Not(String),
}

fn readable(path: &str) -> Readable {
    let (front, greedy) = match greedy_end(path) {
        Some((front, name)) => (front, Some(name)),
        None => (path, None),
    };
    let mut names: Vec<&str> = greedy.into_iter().collect();
    for segment in front.split('/') {
        for part in parts(segment) {
            let name = match part {
                Part::Parameter(name) => name,
                Part::Literal(text) => match text.chars().find(|c| MEANT.contains(c)) {
                    None => continue,
                    Some(sign) => {
                        return Readable::Not(format!("the gateway cannot read its `{sign}`"));
                    }
                },
            };
            if !is_word(name) {
                return Readable::Not(format!(
                    "the gateway knows no parameter `{{{name}}}`; make its name of letters, digits and `_`"
                ));
            }
            names.push(name);
        }
    }
    names.sort_unstable();
    let mut next = names.iter().skip(1);
    let twice = names.iter().find(|name| next.next() == Some(name));
    if let Some(twice) = twice {
        return Readable::Not(format!("`{{{twice}}}` stands in it twice"));
    }
    match greedy {
        None => Readable::AsItIs,
        Some(name) if !is_word(name) => Readable::Not(format!(
            "the gateway knows no parameter `{{{name}}}`; make its name of letters, digits and `_`"
        )),
        Some(name) => Readable::Greedy(expanded(front, name)),
    }
}

/// A path that ends with `/{name+}`: what stands before it, and the name.
fn greedy_end(path: &str) -> Option<(&str, &str)> {
    let (front, last) = path.rsplit_once('/')?;
    let name = last.strip_prefix('{')?.strip_suffix("+}")?;
    Some((front, name))
}

fn expanded(front: &str, name: &str) -> Vec<String> {
    (1..=GREEDY_SEGMENTS)
        .map(|segments| {
            let more = (2..=segments).map(|number| format!("/{{{name}_{number}}}"));
            format!("{front}/{{{name}}}{}", more.collect::<String>())
        })
        .collect()
}

/// A part of a segment.
enum Part<'p> {
    Literal(&'p str),
    Parameter(&'p str),
}

fn parts(segment: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('{')
        && let Some((name, behind)) = after.split_once('}')
    {
        parts.push(Part::Literal(before));
        parts.push(Part::Parameter(name));
        rest = behind;
    }
    parts.push(Part::Literal(rest));
    parts
}

/// Whether a text can name a group of an expression.
fn is_word(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

/// How specific a segment of a path is, the most specific first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    Literal,
    /// A parameter and so many literal characters.
    InPart(Reverse<usize>),
    Parameter,
    Greedy,
}

/// Sorts the more specific of two paths that match the same request first, by their segments from the left.
fn specificity(path: &str) -> Vec<Specificity> {
    path.split('/')
        .map(|segment| {
            let (mut literal, mut parameters, mut greedy) = (0, 0, false);
            for part in parts(segment) {
                match part {
                    Part::Literal(text) => literal += text.len(),
                    Part::Parameter(name) => {
                        parameters += 1;
                        greedy |= name.ends_with('+');
                    }
                }
            }
            match (parameters, literal) {
                _ if greedy => Specificity::Greedy,
                (0, _) => Specificity::Literal,
                (_, 0) => Specificity::Parameter,
                (_, 1..) => Specificity::InPart(Reverse(literal)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn paths_of(path: &str) -> Vec<String> {
        match readable(path) {
            Readable::AsItIs => vec![path.to_owned()],
            Readable::Greedy(paths) => paths,
            Readable::Not(_) => Vec::new(),
        }
    }

    #[test]
    fn the_most_specific_path_stands_first() {
        let expected = [
            "/",
            "/orders",
            "/orders/latest",
            "/orders/latest/{line}",
            "/orders/{order}.json",
            "/orders/{id}",
            "/orders/{order}/lines",
            "/orders/{id}/{line}",
            "/orders/{all+}",
            "/{kind}/latest",
            "/{kind}/{id}",
            "/{all+}",
        ];
        let mut sorted = expected.to_vec();
        sorted.reverse();
        sorted.sort_by_cached_key(|path| (specificity(path), (*path).to_owned()));
        assert_eq!(sorted, expected);
    }

    #[rstest]
    #[case::parameter("/orders/{order_id}/lines/{line2}")]
    #[case::dot("/v1.0/feed.xml")]
    #[case::signs("/a-b/c~d/%20/@me:1")]
    #[case::in_part("/files/{name}.json")]
    fn a_path_that_the_gateway_reads_stays(#[case] path: &str) {
        assert_eq!(paths_of(path), [path]);
    }

    #[rstest]
    #[case::dash("/orders/{order-id}")]
    #[case::digit("/orders/{1}")]
    #[case::greedy_dash("/orders/{or-der+}")]
    #[case::twice("/a/{id}/b/{id}")]
    #[case::group("/a(b")]
    #[case::star("/a/*")]
    #[case::greedy_in_the_middle("/a/{all+}/b")]
    #[case::open("/a/{b")]
    #[case::no_name("/a/{}")]
    fn a_path_that_would_match_something_else_is_left_out(#[case] path: &str) {
        assert_eq!(paths_of(path), Vec::<String>::new());
    }

    #[test]
    fn a_greedy_parameter_stands_for_several_segments() {
        let paths = paths_of("/a/{proxy+}");
        assert_eq!(paths.len(), GREEDY_SEGMENTS);
        assert_eq!(paths[0], "/a/{proxy}");
        assert_eq!(paths[2], "/a/{proxy}/{proxy_2}/{proxy_3}");
    }
}
