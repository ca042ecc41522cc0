//! The variables of a Dockerfile: ARG before the first FROM, and ARG and ENV within a stage.

use std::collections::BTreeMap;

use super::shell::{self, Unexpanded, Variable};
use super::words;
use crate::image::proxy::is_predefined;

/// How many variables one scope may hold.
const MAX_VARIABLES: usize = 512;

/// Arguments that the build itself sets, besides the proxies: a default in the Dockerfile says nothing about them.
const PREDEFINED: [&str; 10] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "SOURCE_DATE_EPOCH",
];

/// The variables that an instruction sees.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    arguments: BTreeMap<String, Variable>,
    environment: BTreeMap<String, Variable>,
    /// What an undeclared name is: the global scope knows that there is nothing, a stage may have it from its base.
    undeclared: Variable,
}

/// There are more variables than the tool keeps.
#[derive(Debug)]
pub(super) struct TooMany;

impl Scope {
    /// The scope before the first FROM.
    pub(super) fn global() -> Self {
        Self::with(Variable::Unset)
    }

    /// The scope of a stage from an external image, whose environment is not known here.
    pub(super) fn stage() -> Self {
        Self::with(Variable::Unknown)
    }

    fn with(undeclared: Variable) -> Self {
        Self {
            arguments: BTreeMap::new(),
            environment: BTreeMap::new(),
            undeclared,
        }
    }

    /// The scope of a stage from this stage: the environment goes on, and arguments are left to the build.
    pub(super) fn child(&self) -> Self {
        Self {
            arguments: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// What is known of a variable; ENV wins over ARG.
    pub(super) fn lookup(&self, name: &str) -> Variable {
        if let Some(value) = self.environment.get(name) {
            return value.clone();
        }
        if PREDEFINED.contains(&name) || is_predefined(name) {
            return Variable::Unknown;
        }
        self.arguments.get(name).unwrap_or(&self.undeclared).clone()
    }

    /// Expands a word.
    pub(super) fn expand(&self, word: &str, escape: char) -> Result<String, Unexpanded> {
        shell::expand(word, escape, &|name| self.lookup(name))
    }

    /// Takes an ARG before the first FROM: each default sees those before it.
    pub(super) fn global_arguments(&mut self, text: &str, escape: char) -> Result<(), TooMany> {
        for word in words::quoted_words(text, escape) {
            let (name, value) = self.pair(word, escape);
            self.arguments
                .insert(name, value.unwrap_or(Variable::Unset));
        }
        self.check()
    }

    /// Takes an ARG of a stage: without a default, the global one of that name.
    pub(super) fn arguments(
        &mut self,
        text: &str,
        escape: char,
        global: &Self,
    ) -> Result<(), TooMany> {
        let words = words::quoted_words(text, escape);
        if words.len() > 1 {
            // Builders differ on whether a default sees the names of its own line.
            for word in &words {
                let (name, _) = self.pair(word, escape);
                self.arguments.insert(name, Variable::Unknown);
            }
        }
        let pairs: Vec<_> = words.iter().map(|word| self.pair(word, escape)).collect();
        for (name, value) in pairs {
            let value = value.unwrap_or_else(|| match global.lookup(&name) {
                // The base's environment may still have it.
                Variable::Unset | Variable::Unknown => Variable::Unknown,
                set @ Variable::Set(_) => set,
            });
            self.arguments.insert(name, value);
        }
        self.check()
    }

    /// Takes an ENV: every value sees the environment as it was before the instruction.
    pub(super) fn environment(&mut self, text: &str, escape: char) -> Result<(), TooMany> {
        let words = words::quoted_words(text, escape);
        let pairs: Vec<_> = match words.first() {
            None => Vec::new(),
            // `ENV name any text`, the old form.
            Some(first) if !first.contains('=') => {
                let value = self.known(text[first.len()..].trim(), escape);
                vec![((*first).to_owned(), Some(value))]
            }
            Some(_) => words.iter().map(|word| self.pair(word, escape)).collect(),
        };
        for (name, value) in pairs {
            self.environment
                .insert(name, value.unwrap_or(Variable::Unknown));
        }
        self.check()
    }

    /// `name` or `name=value`.
    fn pair(&self, word: &str, escape: char) -> (String, Option<Variable>) {
        match word.split_once('=') {
            None => (word.to_owned(), None),
            Some((name, value)) => (name.to_owned(), Some(self.known(value, escape))),
        }
    }

    fn known(&self, value: &str, escape: char) -> Variable {
        match self.expand(value, escape) {
            Ok(value) => Variable::Set(value),
            Err(Unexpanded::Syntax(_) | Unexpanded::Unset(_) | Unexpanded::Unknown(_)) => {
                Variable::Unknown
            }
        }
    }

    fn check(&self) -> Result<(), TooMany> {
        let count = self.arguments.len() + self.environment.len();
        if count > MAX_VARIABLES {
            Err(TooMany)
        } else {
            Ok(())
        }
    }
}
