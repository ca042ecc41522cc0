//! What several templates of one run have to do with each other: the folders of their entries, and names that they share.

use std::collections::BTreeMap;
use std::path::PathBuf;

use engine::contract::template_slug;

use crate::failure::{Failure, Kind};
use producer::artifact::Remark;
use producer::model::App;

/// What a template is called that nobody names.
const HERE: [&str; 3] = ["template.yaml", "template.yml", "template.json"];

/// The templates that were named; without any, the one in the current folder, and in no folder above it.
pub(super) fn named_or_here(named: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if !named.is_empty() {
        return Ok(named.to_owned());
    }
    let here: Vec<PathBuf> = HERE.iter().map(PathBuf::from).collect();
    let found: Vec<PathBuf> = here.into_iter().filter(|path| path.is_file()).collect();
    let message = match found.as_slice() {
        [_] => return Ok(found),
        [] => format!(
            "no template is named, and no `{}` is in the current folder",
            HERE.join("` or `")
        ),
        [..] => "no template is named, and the current folder has several".to_owned(),
    };
    Err(Failure::new(Kind::Usage, message).hint("name each template with `--template PATH`"))
}

/// A template that stands there twice: it would be the same entry twice.
pub(super) fn twice<'s>(sources: &[&'s str]) -> Option<&'s str> {
    let mut at = sources.iter().enumerate();
    at.find_map(|(index, source)| sources[..index].contains(source).then_some(*source))
}

/// The folder of each entry: the template's name without extension, as ids have it. Of several of one name the first by path has the
/// name, and the others get a number: the order of the run decides nothing.
pub(super) fn folders(sources: &[&str]) -> Vec<String> {
    let mut sorted: Vec<usize> = (0..sources.len()).collect();
    sorted.sort_by_key(|index| sources[*index]);
    let mut folders = vec![String::new(); sources.len()];
    for index in sorted {
        let slug = template_slug(sources[index]);
        let mut name = slug.clone();
        let mut number = 1;
        while folders.contains(&name) {
            number += 1;
            name = format!("{slug}-{number}");
        }
        folders[index] = name;
    }
    folders
}

/// What several templates have: the last of them is what is deployed. Each with the position of its template; `shown` are their files.
pub(super) fn shared_names(apps: &[&App], shown: &[&str]) -> Vec<(usize, Remark)> {
    let mut last: BTreeMap<String, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for (index, app) in apps.iter().enumerate() {
        for (about, line) in named(app) {
            let Some(other) = last
                .insert(about.clone(), index)
                .filter(|last| *last != index)
            else {
                continue;
            };
            let message = format!("it stands in the place of the one of `{}`", shown[other]);
            let remark = Remark {
                line,
                nested_in: None,
                about,
                message,
            };
            found.push((index, remark));
        }
    }
    found
}

/// Everything that is merged by its name, with the line of the template where that is known.
fn named(app: &App) -> Vec<(String, u32)> {
    let mut names = Vec::new();
    for function in &app.functions {
        names.push((format!("function `{}`", function.name), function.line));
        let routes = function.routes.iter();
        names.extend(routes.map(|route| {
            let about = format!("route `{} {}`", route.method.as_str(), route.path);
            (about, function.line)
        }));
    }
    let tables = app.tables.iter();
    names.extend(tables.map(|table| (format!("table `{}`", table.name), 0)));
    let buckets = app.buckets.iter();
    names.extend(buckets.map(|bucket| (format!("bucket `{}`", bucket.name), 0)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_do_not_depend_on_the_order_of_the_run() {
        let one = folders(&["b/template.yaml", "shop.yaml", "a/template.yaml"]);
        assert_eq!(one, ["template-2", "shop", "template"]);
        let other = folders(&["a/template.yaml", "b/template.yaml", "shop.yaml"]);
        assert_eq!(other, ["template", "template-2", "shop"]);
    }

    #[test]
    fn a_number_does_not_meet_a_name() {
        let sources = ["a/shop.yaml", "b/shop.yaml", "c/shop-2.yaml"];
        let folders = folders(&sources);
        assert_eq!(folders, ["shop", "shop-2", "shop-2-2"]);
    }

    #[test]
    fn a_template_that_stands_there_twice_is_found() {
        assert_eq!(twice(&["a", "b", "a"]), Some("a"));
        assert_eq!(twice(&["a", "b"]), None);
    }
}
