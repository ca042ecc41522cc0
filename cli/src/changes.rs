//! Keys that a deploy adds, changes or removes, as every output marks them: `+functions/a ~functions/b -routes/GET /c`.

use engine::merge::Changes;

use crate::page::Tone;
use crate::report::counted;

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

/// What a deploy changed, in short words: its keys, and its images when no key tells of them.
pub(crate) fn words(changes: &Changes, built: usize) -> Vec<String> {
    let mut keys: Vec<(char, &str)> = signed(changes).map(|(sign, _, key)| (sign, key)).collect();
    // Where only a few fit, functions tell most. The sort keeps the order of equals.
    keys.sort_by_key(|(_, key)| match key.split('/').next() {
        Some("functions") => 0,
        Some("routes") => 1,
        Some(_) | None => 2,
    });
    let keys: Vec<String> = keys
        .into_iter()
        .map(|(sign, key)| format!("{sign}{key}"))
        .collect();
    match (keys.is_empty(), built) {
        (true, 0) => Vec::new(),
        (true, built) => vec![format!("{} built", counted(built as u64, "image"))],
        (false, _) => keys,
    }
}
