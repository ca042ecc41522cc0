//! What a node costs, when it stands in more than one place or beside many others, and what a merge key takes.

use crate::yaml::{Map, Node, Value};

/// What keeping a node costs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// Nodes, this one too.
    pub(crate) nodes: usize,
    /// Bytes of scalars and keys.
    pub(crate) bytes: usize,
    pub(super) height: usize,
}

/// What keeping this node costs.
pub(crate) fn cost(node: &Node) -> Cost {
    let mut sum = Cost {
        nodes: 1,
        bytes: node.value.text().map_or(0, str::len),
        height: 0,
    };
    let mut add = |key_bytes: usize, child: &Node| {
        let child = cost(child);
        sum.nodes += child.nodes;
        sum.bytes += key_bytes + child.bytes;
        sum.height = sum.height.max(child.height + 1);
    };
    match &node.value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        Value::List(items) => items.iter().for_each(|item| add(0, item)),
        Value::Map(map) => map
            .iter()
            .for_each(|(key, entry)| add(key.len(), &entry.node)),
    }
    sum
}

/// The mappings under a merge key, the strongest first.
pub(super) fn merge_bases(node: Node) -> Option<Vec<Map>> {
    match node.value {
        Value::Map(map) => Some(vec![map]),
        Value::List(items) => items
            .into_iter()
            .map(|item| match item.value {
                Value::Map(map) => Some(map),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::List(_) => None,
            })
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
