//! One version for the whole stack: the tag of a lambda base that names none.

use super::Observation;
use super::facts::STACK_SERVICES;

/// The version of the first service of the stack that has one, in the order in which services are asked; without a `v` prefix
/// it is what stack images are tagged with.
pub fn stack_version(observation: &Observation) -> Option<String> {
    STACK_SERVICES.iter().find_map(|service| {
        let of_service = |c: &&super::Container| c.service == *service;
        observation
            .containers
            .iter()
            .filter(of_service)
            .find_map(|c| Some(c.version.as_ref()?.value.clone()))
    })
}
