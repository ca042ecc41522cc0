//! Which platform an image is for, as registries and engines say it.

use serde::Deserialize;

/// A platform. What nobody said is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Platform {
    /// `linux`.
    pub(super) os: String,
    /// `amd64`.
    pub(super) architecture: String,
    /// `v8`.
    pub(super) variant: String,
}

impl Platform {
    /// Whether an image for this platform is one for `os/arch[/variant]`. A variant that one side leaves out is the usual one.
    pub(super) fn is(&self, wanted: &str) -> bool {
        let mut parts = wanted.split('/');
        let mut next = || parts.next().unwrap_or_default().to_ascii_lowercase();
        let (os, architecture, variant) = (next(), next(), next());
        let variants = [self.variant.as_str(), &variant];
        self.os == os
            && usual(&self.architecture) == usual(&architecture)
            && (variants[0] == variants[1] || variants.contains(&""))
    }
}

/// The name that images use of an architecture.
fn usual(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Platform;

    #[rstest]
    #[case("linux", "amd64", "", "linux/amd64", true)]
    #[case("linux", "amd64", "", "linux/x86_64", true)]
    #[case("linux", "arm64", "v8", "linux/arm64", true)]
    #[case("linux", "arm64", "", "linux/arm64/v8", true)]
    #[case("linux", "arm", "v6", "linux/arm/v7", false)]
    #[case("linux", "arm64", "", "linux/amd64", false)]
    #[case("windows", "amd64", "", "linux/amd64", false)]
    #[case("", "", "", "linux/amd64", false)]
    #[case("unknown", "unknown", "", "linux/amd64", false)]
    fn an_image_is_for_a_platform(
        #[case] os: &str,
        #[case] architecture: &str,
        #[case] variant: &str,
        #[case] wanted: &str,
        #[case] expected: bool,
    ) {
        let platform = Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        };
        assert_eq!(platform.is(wanted), expected);
    }
}
