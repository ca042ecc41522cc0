//! Images in words: what becomes of each, and what became of it.

use std::time::Duration;

use engine::machine::{ImageBuilt, ImageSource};
use engine::run::{PlannedImage, PlannedPrefix};

use super::{Detail, counted, short};

/// What is taken though this journal did not record it, a line for each kind.
pub(super) fn promoted(images: &[PlannedImage]) -> Vec<String> {
    let is_promoted = |source: &ImageSource| *source == ImageSource::Promoted;
    let sources = images.iter().map(|image| image.source);
    let whole = sources.filter(is_promoted).count() as u64;
    let prefixes = images.iter().filter_map(|image| image.prefix.as_ref());
    let sources = prefixes.map(|prefix| prefix.source);
    let prefixes = sources.filter(is_promoted).count() as u64;
    let layers = match prefixes {
        1 => "1 build prefix".to_owned(),
        many => format!("{many} build prefixes"),
    };
    let counts = [(whole, counted(whole, "image")), (prefixes, layers)];
    let found = counts.into_iter().filter(|(count, _)| *count > 0);
    found
        .map(|(_, what)| {
            format!("  {what} in the registry that this target did not record: adopted")
        })
        .collect()
}

/// One planned image in one line.
pub(crate) fn image_line(image: &PlannedImage) -> String {
    if image.build_because.is_empty() {
        let (how, why) = match image.source {
            ImageSource::Promoted => ("adopt", ": it is in the registry already"),
            ImageSource::Reused | ImageSource::Built if image.moves_tag => {
                ("reuse", ": the registry has it")
            }
            ImageSource::Reused | ImageSource::Built => ("reuse", ""),
        };
        let tag = if image.moves_tag {
            "; its tag moves"
        } else {
            ""
        };
        return format!("  {how} {} ({}){why}{tag}", image.function, image.reference);
    }
    let causes = image.build_because.iter().map(ToString::to_string);
    let needs_builder = image.needs_builder.iter().cloned();
    let prefix = image.prefix.iter().map(prefix_words);
    let causes: Vec<String> = causes.chain(needs_builder).chain(prefix).collect();
    format!(
        "  build {} ({}): {}",
        image.function,
        image.reference,
        causes.join("; ")
    )
}

/// What becomes of a build prefix.
fn prefix_words(
    PlannedPrefix {
        line,
        source,
        build_because,
        ..
    }: &PlannedPrefix,
) -> String {
    let because = build_because.as_ref();
    let because = because.map_or_else(String::new, |cause| format!(" ({cause})"));
    let how = match source {
        ImageSource::Built => "is built once",
        ImageSource::Reused => "is reused",
        ImageSource::Promoted => "is adopted: it is in the registry already",
    };
    format!("the build prefix up to line {line} {how}{because}")
}

/// An image that is there, in words.
pub(super) fn image_words(image: &ImageBuilt, detail: Detail) -> Vec<String> {
    let how = match image.source {
        ImageSource::Reused if detail == Detail::Live => return Vec::new(),
        ImageSource::Reused => "reused",
        ImageSource::Built if image.assembled => "assembled",
        ImageSource::Built => "built",
        ImageSource::Promoted => "adopted, as another target or machine pushed it",
    };
    let seconds = Duration::from_millis(image.duration_ms).as_secs_f64();
    let digest = short(image.digest.hex());
    let prefix = image.prefix.as_ref().map(|prefix| match prefix.source {
        ImageSource::Built => "; its build prefix was built",
        ImageSource::Reused => "; its build prefix was reused",
        ImageSource::Promoted => "; its build prefix was adopted",
    });
    vec![format!(
        "{how}: {} {} {digest} in {seconds:.1} s{}",
        image.function,
        image.reference,
        prefix.unwrap_or_default()
    )]
}

#[cfg(test)]
mod tests {
    use engine::contract::{Digest, FunctionName};
    use engine::run::Cause;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::built(
        ImageSource::Built,
        Some(Cause::NotInRegistry),
        "needs one; the build prefix up to line 4 is built once (the registry does not have it)"
    )]
    #[case::reused(ImageSource::Reused, None, "the build prefix up to line 4 is reused")]
    #[case::promoted(
        ImageSource::Promoted,
        None,
        "the build prefix up to line 4 is adopted: it is in the registry already"
    )]
    fn a_line_says_what_becomes_of_a_build_prefix(
        #[case] source: ImageSource,
        #[case] build_because: Option<Cause>,
        #[case] words: &str,
    ) {
        let is_built = build_because.is_some();
        let image = PlannedImage {
            function: FunctionName::parse("a").unwrap(),
            reference: "r/a:1".to_owned(),
            key: Digest::of("key"),
            source: ImageSource::Built,
            build_because: vec![Cause::Input("app.py changed".to_owned())],
            moves_tag: true,
            keyed: None,
            named: None,
            needs_builder: is_built.then(|| "needs one".to_owned()),
            prefix: Some(PlannedPrefix {
                key: Digest::of("prefix"),
                line: 4,
                source,
                build_because,
                taken: (!is_built).then(|| Digest::of("image")),
            }),
        };
        let line = image_line(&image);
        assert_eq!(line, format!("  build a (r/a:1): app.py changed; {words}"));
        let said = promoted(&[image]);
        let expected = usize::from(source == ImageSource::Promoted);
        assert_eq!(said.len(), expected, "{said:?}");
    }
}
