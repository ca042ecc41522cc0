//! Why a function has no folder, and which line of its template says so.

use crate::artifact::NoBase;
use crate::artifact::build::BuildError;
use crate::artifact::dockerfile::{OwnError, Unwritable};
use crate::artifact::gather::GatherError;
use crate::artifact::install::InstallError;
use crate::artifact::read::TextError;
use crate::model::Function;

/// Why a function has no folder.
#[derive(Debug, thiserror::Error)]
pub(in crate::artifact) enum FunctionError {
    #[error(transparent)]
    Gather(#[from] GatherError),
    #[error("its code in `{0}` has no files")]
    NoCode(String),
    #[error(transparent)]
    Hooks(GatherError),
    #[error("its hooks in `{0}` have no files")]
    NoHooks(String),
    #[error("its handler `{handler}` needs {file}, which {place} does not have{hint}")]
    NoHandler {
        handler: String,
        file: String,
        place: String,
        hint: String,
    },
    #[error("its handler `{0}` names no function; write its file and its function: `app.handler`")]
    NoFunction(String),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Base(#[from] NoBase),
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
    #[error("`{path}` is a jar, which `{runtime}` cannot run")]
    NoJava { path: String, runtime: String },
    #[error("`{context}` has no `{dockerfile}`")]
    NoDockerfile { context: String, dockerfile: String },
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Install(#[from] InstallError),
    #[error("its `{path}` cannot be used: {problem}")]
    Dockerfile { path: String, problem: OwnError },
}

impl FunctionError {
    /// The line of the template that says what is wrong here.
    pub(in crate::artifact) fn line(&self, function: &Function) -> u32 {
        let lines = function.lines;
        match self {
            Self::Hooks(_) | Self::NoHooks(_) => lines.hooks,
            Self::NoHandler { .. } | Self::NoFunction(_) => lines.handler,
            Self::Base(_) => lines.runtime,
            Self::Gather(_)
            | Self::NoCode(_)
            | Self::Build(_)
            | Self::NoJava { .. }
            | Self::NoDockerfile { .. }
            | Self::Text(_)
            | Self::Install(_)
            | Self::Dockerfile { .. } => lines.code,
            Self::Unwritable(_) => function.line,
        }
    }
}
