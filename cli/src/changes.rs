//! Keys that a deploy adds, changes or removes, as every output marks them: `+functions/a ~functions/b -routes/GET /c`.

use std::collections::BTreeSet;

use engine::contract::FunctionName;
use engine::merge::Changes;

use crate::page::Tone;

/// Each key with its sign, in the order in which people look: what is new, what changes, what goes.
pub(crate) fn signed(changes: &Changes) -> impl Iterator<Item = (char, Tone, &str)> {
    [
        ('+', Tone::Good, &changes.added),
        ('~', Tone::Warn, &changes.changed),
        ('-', Tone::Bad, &changes.removed),
    ]
    .into_iter()
    .flat_map(|(sign, tone, keys)| keys.iter().map(move |key| (sign, tone, key.0.as_str())))
}

/// How many keys were added, changed and removed: `+17 ~1 -2`, without what is none.
pub(crate) fn counts(changes: &Changes) -> String {
    let counts = [
        ('+', changes.added.len()),
        ('~', changes.changed.len()),
        ('-', changes.removed.len()),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(sign, count)| format!("{sign}{count}"))
        .collect();
    counts.join(" ")
}

/// What a deploy changed, in short words: its keys, and the images of functions that none of them tells of.
pub(crate) fn words(changes: &Changes, images: &BTreeSet<FunctionName>) -> Vec<String> {
    let all = signed(changes).map(|(sign, _, key)| (sign, key.to_owned()));
    let mut keys: Vec<(char, String)> = all.collect();
    let told: BTreeSet<String> = keys.iter().map(|(_, key)| key.clone()).collect();
    let is_told = |function: &&FunctionName| told.contains(&format!("functions/{function}"));
    let others = images.iter().filter(|function| !is_told(function));
    keys.extend(others.map(|function| ('~', format!("images/{function}"))));
    // Where only a few fit, functions tell most. The sort keeps the order of equals.
    keys.sort_by_key(|(_, key)| match key.split('/').next() {
        Some("functions") => 0,
        Some("images") => 1,
        Some("routes") => 2,
        Some(_) | None => 3,
    });
    keys.into_iter()
        .map(|(sign, key)| format!("{sign}{key}"))
        .collect()
}
