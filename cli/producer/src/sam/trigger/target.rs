//! The function that a value means: by a reference, or by its ARN.

use engine::yaml::Node;

use super::Trigger;
use crate::intrinsics::{Context, references};
use crate::report::Read;
use crate::template::{Kind, Resource};

/// How many aliases and versions stand for each other.
const MAX_STEPS: usize = 4;

impl Trigger<'_, '_> {
    /// The name of the function that a value means; none when it means something else.
    pub(super) fn function_of(&self, node: &Node) -> Read<Option<String>> {
        let Some(node) = self.own.branch(node)? else {
            return Ok(None);
        };
        let found = references(node);
        for (id, _) in &found {
            if let Some((resource, kind)) = function_behind(self.context, id, MAX_STEPS) {
                let name = self.own.resource_name(&resource, kind, node.span)?;
                return Ok(Some(name));
            }
        }
        // A reference to anything else would only be warned about.
        let knows = |id: &str| self.context.resource(id).is_none_or(Resource::is_nested);
        if !found.iter().all(|(id, _)| knows(id)) {
            return Ok(None);
        }
        let Some(text) = self.own.text(node)? else {
            return Ok(None);
        };
        Ok(text.shown().ok().and_then(of_arn))
    }
}

/// The function that a logical id stands for, by itself or as its alias, version or URL.
fn function_behind<'c>(
    context: &Context<'c>,
    id: &str,
    steps: usize,
) -> Option<(Resource<'c>, Kind)> {
    let resource = *context.resource(id)?;
    match (resource.kind, resource.type_name) {
        (Some(kind @ (Kind::ServerlessFunction | Kind::LambdaFunction)), _) => {
            Some((resource, kind))
        }
        (None, "AWS::Lambda::Alias" | "AWS::Lambda::Version") if steps > 0 => {
            let properties = resource.property_map()?;
            let named = references(&properties.get("FunctionName")?.node);
            named
                .iter()
                .find_map(|(id, _)| function_behind(context, id, steps - 1))
        }
        (
            Some(
                Kind::ServerlessLayer
                | Kind::LambdaLayer
                | Kind::SimpleTable
                | Kind::Table
                | Kind::Bucket,
            )
            | None,
            _,
        ) => None,
    }
}

/// The name of the function that an ARN, or the URI of an integration, holds.
fn of_arn(text: &str) -> Option<String> {
    let (_, rest) = text.split_once(":function:")?;
    let name = rest.split([':', '/']).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}
