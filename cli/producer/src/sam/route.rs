//! Which function answers which path: `ANY` gives way to whoever names a method.

use std::collections::{BTreeMap, BTreeSet};

use super::event::Claim;
use crate::model::{Function, Method, Route};
use crate::report::{Findings, Rule};

/// Gives every function its routes, in the order of its events. Two functions that ask for the same are reported.
pub(super) fn share_out(findings: &Findings<'_>, functions: &mut [(Function, Vec<Claim>)]) {
    let mut named: BTreeMap<(&str, Method), usize> = BTreeMap::new();
    let mut any: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, (_, claims)) in functions.iter().enumerate() {
        for claim in claims {
            let first = match claim.method {
                Some(method) => *named.entry((&claim.path, method)).or_insert(index),
                None => *any.entry(&claim.path).or_insert(index),
            };
            if first != index {
                let other = &functions[first].0.logical_id;
                let method = claim.method.map_or("ANY", Method::as_str);
                let message = format!(
                    "`{method} {}` is answered by the function `{other}` already",
                    claim.path
                );
                findings.error(Rule::DuplicateName, &claim.subject, claim.span, message);
            }
        }
    }
    let routes: Vec<Vec<Route>> = functions
        .iter()
        .map(|(_, claims)| {
            let mut routes = Vec::new();
            let mut seen = BTreeSet::new();
            for claim in claims {
                let methods: Vec<Method> = match claim.method {
                    Some(method) => vec![method],
                    None => Method::ALL
                        .into_iter()
                        .filter(|method| !named.contains_key(&(claim.path.as_str(), *method)))
                        .collect(),
                };
                for method in methods {
                    let route = Route {
                        path: claim.path.clone(),
                        method,
                    };
                    // A function may ask for one path by two events, of an Api and of an HttpApi.
                    if seen.insert(route.clone()) {
                        routes.push(route);
                    }
                }
            }
            routes
        })
        .collect();
    for ((function, _), routes) in functions.iter_mut().zip(routes) {
        function.routes = routes;
    }
}
