//! Which function answers which path: `ANY` gives way to whoever names a method.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Claim;
use crate::model::{Function, Method, Route};
use crate::report::{Findings, Level, TemplateRule};

/// Gives every function its routes, in the order of its events. Two functions that ask one API for the same are reported; of two APIs
/// the first in the order of logical ids answers, since the gateway has one set of routes.
pub(super) fn share_out(findings: &Findings<'_>, functions: &mut [(Function, Vec<Claim>)]) {
    let lost = lost_claims(findings, functions);
    for (index, (_, claims)) in functions.iter_mut().enumerate() {
        let mut at = 0;
        claims.retain(|_| {
            at += 1;
            !lost.contains(&(index, at - 1))
        });
    }
    let named: BTreeSet<(String, Method)> = functions
        .iter()
        .flat_map(|(_, claims)| claims)
        .filter_map(|claim| Some((claim.path.clone(), claim.method?)))
        .collect();
    for (function, claims) in functions {
        let mut seen = BTreeSet::new();
        for claim in claims.iter() {
            let methods: Vec<Method> = match claim.method {
                Some(method) => vec![method],
                None => Method::ALL
                    .into_iter()
                    .filter(|method| !named.contains(&(claim.path.clone(), *method)))
                    .collect(),
            };
            for method in methods {
                let route = Route {
                    path: claim.path.clone(),
                    method,
                };
                // A function may ask for one path by two events, of an Api and of an HttpApi.
                if seen.insert(route.clone()) {
                    function.routes.push(route);
                }
            }
        }
    }
}

/// The paths of these claims for which no function answers `OPTIONS`, sorted.
pub(super) fn without_options(
    functions: &[(Function, Vec<Claim>)],
    wanted: impl Fn(&Claim) -> bool,
) -> BTreeSet<&str> {
    let routes = functions.iter().flat_map(|(function, _)| &function.routes);
    let answered: BTreeSet<&str> = routes
        .filter(|route| route.method == Method::Options)
        .map(|route| route.path.as_str())
        .collect();
    let covers = |route: &str, path: &str| {
        let above = route
            .strip_suffix("+}")
            .and_then(|route| route.rsplit_once('{'));
        route == path || above.is_some_and(|(above, _)| path.starts_with(above))
    };
    functions
        .iter()
        .flat_map(|(_, claims)| claims)
        .filter(|claim| wanted(claim))
        .map(|claim| claim.path.as_str())
        .filter(|path| !answered.iter().any(|route| covers(route, path)))
        .collect()
}

/// The claims, by function and position, that another function answers already.
fn lost_claims(
    findings: &Findings<'_>,
    functions: &[(Function, Vec<Claim>)],
) -> BTreeSet<(usize, usize)> {
    let mut lost = BTreeSet::new();
    let mut first: BTreeMap<(&str, Option<Method>), (usize, &Claim)> = BTreeMap::new();
    for (index, (_, claims)) in functions.iter().enumerate() {
        for (at, claim) in claims.iter().enumerate() {
            let key = (claim.path.as_str(), claim.method);
            let (other, winner) = *first.entry(key).or_insert((index, claim));
            if other == index {
                continue;
            }
            let method = claim.method.map_or("ANY", Method::as_str);
            let message = format!(
                "`{method} {}` is answered by the function `{}` already",
                claim.path, functions[other].0.logical_id
            );
            let (subject, place) = (&claim.subject, claim.place.clone());
            if winner.api == claim.api {
                findings.error_at(TemplateRule::DuplicateName, subject, place, message);
                continue;
            }
            lost.insert((index, at));
            let message = format!("it is left out: {message}, by another API");
            let hint = "the gateway has one set of routes: give one of the two another path";
            let (level, rule, hint) = (
                Level::Warning,
                TemplateRule::PropertyLeftOut,
                hint.to_owned(),
            );
            findings.note_at(level, rule, subject, place, message, Some(hint));
        }
    }
    lost
}
