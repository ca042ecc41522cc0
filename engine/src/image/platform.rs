//! Platforms that images are built for, as a person names them.

use crate::contract::{nearest, quoted};

/// The architectures of Linux that images are made for, each with its variants. The first name of each line is the usual one.
const ARCHITECTURES: &[(&[&str], &[&str])] = &[
    (&["amd64", "x86_64", "x86-64"], &["v1", "v2", "v3", "v4"]),
    (&["arm64", "aarch64"], &["v8", "v9"]),
    (&["arm"], &["v5", "v6", "v7", "v8"]),
    (&["386", "i386"], &[]),
    (&["loong64"], &[]),
    (&["mips"], &[]),
    (&["mipsle"], &[]),
    (&["mips64"], &[]),
    (&["mips64le"], &[]),
    (&["ppc64"], &[]),
    (&["ppc64le"], &[]),
    (&["riscv64"], &[]),
    (&["s390x"], &[]),
];

/// Reads `linux/ARCH` or `linux/ARCH/VARIANT`. The error says what is wrong, and what may have been meant.
pub fn platform(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let (os, rest) = lower.split_once('/').unwrap_or((&lower, ""));
    let (name, variant) = match rest.split_once('/') {
        Some((name, variant)) => (name, Some(variant)),
        None => (rest, None),
    };
    let known = ARCHITECTURES
        .iter()
        .find(|(names, _)| names.contains(&name));
    match known {
        Some((_, variants)) if os == "linux" => match variant {
            None => Ok(text.to_owned()),
            Some(variant) if variants.contains(&variant) => Ok(text.to_owned()),
            Some(variant) => Err(match variants {
                [] => format!("`{name}` has no variants: write `linux/{name}`"),
                [first, ..] => format!(
                    "{} is no variant of `{name}`: write such as `linux/{name}/{first}`",
                    quoted(variant)
                ),
            }),
        },
        Some(_) => Err(format!("functions run on Linux: write `linux/{name}`")),
        None => {
            let names = ARCHITECTURES.iter().map(|(names, _)| names[0]);
            // `arm64` alone, or an architecture with a slip.
            let meant = if rest.is_empty() { os } else { name };
            let meant = nearest(meant, names).unwrap_or("amd64");
            Err(format!(
                "this is no platform of Linux; did you mean `linux/{meant}`?"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::platform;

    #[rstest]
    #[case("linux/amd64")]
    #[case("linux/arm64")]
    #[case("linux/arm64/v8")]
    #[case("linux/arm/v7")]
    #[case("linux/x86_64")]
    #[case("Linux/ARM64")]
    #[case("linux/riscv64")]
    fn a_platform_is_taken_as_it_is_written(#[case] text: &str) {
        assert_eq!(platform(text), Ok(text.to_owned()));
    }

    #[rstest]
    #[case("linux/arm65", "did you mean `linux/arm64`?")]
    #[case("arm64", "did you mean `linux/arm64`?")]
    #[case("windows/amd64", "write `linux/amd64`")]
    #[case("linux/arm/v12", "`linux/arm/v5`")]
    #[case("linux/s390x/v1", "`linux/s390x`")]
    #[case("linux", "`linux/amd64`")]
    #[case("", "`linux/amd64`")]
    #[case("linux/arm64/v8/x", "`linux/arm64/v8`")]
    fn another_text_is_refused_with_what_may_have_been_meant(
        #[case] text: &str,
        #[case] words: &str,
    ) {
        let why = platform(text).unwrap_err();
        assert!(why.contains(words), "{why}");
    }
}
