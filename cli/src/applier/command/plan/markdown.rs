//! A plan as Markdown, for a comment on a change that is proposed: what it sums up to, and the whole as a block that is coloured
//! as a difference.

/// `page` is the plan as it is shown without colour: the target first, and last what it sums up to.
pub(super) fn markdown(target: &str, page: &str) -> String {
    let lines: Vec<&str> = page.lines().collect();
    let (sum, shown) = lines.split_last().unwrap_or((&"", &[]));
    let shown: Vec<String> = shown.iter().map(|line| as_difference(line)).collect();
    let shown = shown.join("\n");
    let fence = "`".repeat(longest_run(&shown).max(2) + 1);
    let quote = "`".repeat(longest_run(target) + 1);
    format!("### {quote}{target}{quote}\n\n**{sum}**\n\n{fence}diff\n{shown}\n{fence}\n")
}

/// The signs of keys stand first, as in a difference; one that changes has the sign of a remark.
fn as_difference(line: &str) -> String {
    let text = line.trim_start();
    match text.split_once(' ') {
        Some((sign @ ("+" | "-"), key)) => format!("{sign} {key}"),
        Some(("~", key)) => format!("! {key}"),
        Some(_) | None => line.to_owned(),
    }
}

/// How many backticks follow each other at most: a fence has one more.
fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn the_sum_stands_first_and_signs_are_those_of_a_difference() {
        let page = "nc-shop/dev into /srv/config\nconfiguration:\n  + routes/GET /new\n  ~ functions/hello\n\
                    \x20     timeout  3 -> 5\n  - s3/old\nPlan: 1 to add, 1 to change, 1 to remove";
        let expected = "### `nc-shop/dev`\n\n**Plan: 1 to add, 1 to change, 1 to remove**\n\n```diff\n\
                        nc-shop/dev into /srv/config\nconfiguration:\n+ routes/GET /new\n! functions/hello\n\
                        \x20     timeout  3 -> 5\n- s3/old\n```\n";
        assert_eq!(markdown("nc-shop/dev", page), expected);
    }

    /// A value ends no block, and a name no heading.
    #[test]
    fn nothing_of_a_plan_leaves_its_block() {
        let page = "a`b/dev into /x\n      text  ``` -> ````\nPlan: nothing to change";
        let shown = markdown("a`b/dev", page);
        assert!(shown.starts_with("### ``a`b/dev``\n"), "{shown}");
        assert!(shown.ends_with("\n`````\n"), "{shown}");
    }
}
