//! What a stack should be.
//!
//! Here: its parameters, and the names and labels that follow from them. Not here: bringing it up (`stack`).

use std::collections::BTreeMap;

/// Who runs the functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerMode {
    /// A service `agent`; plain image names.
    Docker,
    /// A service `runtime-node` with a containerd of its own; image names end in `-containerd`.
    Containerd,
}

impl RunnerMode {
    /// The word in labels, profiles and manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
        }
    }

    /// The service that runs functions.
    pub fn runner(self) -> &'static str {
        match self {
            Self::Docker => "agent",
            Self::Containerd => "runtime-node",
        }
    }

    pub(crate) fn image_suffix(self) -> &'static str {
        match self {
            Self::Docker => "",
            Self::Containerd => "-containerd",
        }
    }
}

/// What a stack should be.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Release: the tag of every image, and label `com.esb.version`.
    pub version: String,
    /// Label `com.esb.api_version`; none: no such label.
    pub api_version: Option<String>,
    /// Who runs functions.
    pub mode: RunnerMode,
    /// Whether images carry `com.esb.version` and `com.esb.mode`; without them only tags and names tell.
    pub labels: bool,
    /// Compose project; none: a name nobody else has.
    pub project: Option<String>,
    /// Variables of the gateway, which it puts into `functions.yml`, beside those that every stack has.
    pub gateway_environment: BTreeMap<String, String>,
    /// How many times as fast as outside the time of schedules passes.
    pub schedule_speed: u32,
}

/// What every gateway knows: the references that a producer writes into `functions.yml` by default.
const GATEWAY_ENVIRONMENT: [(&str, &str); 3] = [
    ("GATEWAY_INTERNAL_URL", "http://gateway:8080"),
    ("RUSTFS_ACCESS_KEY", "stack-access"),
    ("RUSTFS_SECRET_KEY", "stack-secret"),
];

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            version: "1.4.2".to_owned(),
            api_version: Some("1.0".to_owned()),
            mode: RunnerMode::Docker,
            labels: true,
            project: None,
            gateway_environment: BTreeMap::new(),
            schedule_speed: 1,
        }
    }
}

impl StackOptions {
    /// The default with another release.
    pub fn version(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            ..Self::default()
        }
    }

    /// The environment of the gateway as the file that Compose reads.
    pub(crate) fn gateway_env(&self) -> String {
        let known = GATEWAY_ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let all = known.into_iter().chain(self.gateway_environment.clone());
        let lines: Vec<_> = all.map(|(name, value)| format!("{name}={value}")).collect();
        lines.join(
            "
",
        ) + "
"
    }

    /// Nothing of one stack alone is in here: the engine then builds the images of a second such stack from its cache.
    pub(crate) fn image_labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        if self.labels {
            labels.insert("com.esb.version".to_owned(), self.version.clone());
            labels.insert("com.esb.mode".to_owned(), self.mode.name().to_owned());
        }
        if let Some(api_version) = &self.api_version {
            labels.insert("com.esb.api_version".to_owned(), api_version.clone());
        }
        labels
    }
}
