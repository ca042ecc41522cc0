//! The steps of each tool: first what it needs to install dependencies, so that a change of code installs nothing again, then
//! the code. What runs is in `/out` at the end, and a build that made nothing that runs fails.

use super::{BuildError, Step, Tool, processor, runnable, word};
use crate::artifact::function::FunctionError;
use crate::artifact::install::{Install, Needs, install, npm_needs};
use crate::artifact::layer::has_suffix;
use crate::artifact::tree::Tree;
use crate::model::{Architecture, Esbuild, Family};

/// Where a Gradle build finds the tasks that collect what runs, below the function's folder.
pub(in crate::artifact) const GRADLE_SCRIPT_PATH: &str = "build/lambda.gradle";

/// Those tasks.
pub(in crate::artifact) const GRADLE_SCRIPT: &str = include_str!("lambda.gradle");

/// Maven's goal that collects jars. The group is a part of their names, as of those that `sam build` makes: two groups may have
/// an artifact of one name.
const JARS: &str = "dependency:copy-dependencies -DincludeScope=runtime -Dmdep.prependGroupId=true";

/// What is built.
#[derive(Debug, Clone, Copy)]
pub(in crate::artifact) struct Work<'a> {
    /// The function's folder in the context: `functions/<name>`.
    pub(in crate::artifact) home: &'a str,
    /// The folder of the code below it: `src`, `layers/<name>`.
    pub(in crate::artifact) folder: &'a str,
    /// The code.
    pub(in crate::artifact) source: &'a Tree,
    /// The logical id, which a makefile's target is named by.
    pub(in crate::artifact) id: &'a str,
    pub(in crate::artifact) family: Family,
    pub(in crate::artifact) handler: &'a str,
    pub(in crate::artifact) architecture: Architecture,
}

/// Steps of a layer, or that its files are taken as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::artifact) enum Layers {
    AsItIs,
    Built(Tool, Vec<Step>),
}

impl Work<'_> {
    fn path(&self, file: &str) -> String {
        format!("{}/{}/{file}", self.home, self.folder)
    }

    /// Copies those of some files that there are.
    fn copy_files(&self, files: &[&str], to: &str) -> Step {
        let there = files.iter().filter(|file| self.source.get(file).is_some());
        Step::Copy {
            from: there.map(|file| self.path(file)).collect(),
            to: to.to_owned(),
        }
    }

    fn copy_folder(&self, folder: &str, to: &str) -> Step {
        Step::Copy {
            from: vec![self.path(folder)],
            to: to.to_owned(),
        }
    }

    fn copy_code(&self, to: &str) -> Step {
        self.copy_folder("", to)
    }

    fn has(&self, file: &str) -> bool {
        self.source.get(file).is_some()
    }

    /// Whether there are files below a folder, `vendor/cache/`.
    fn has_below(&self, folder: &str) -> bool {
        self.source.paths().any(|path| path.starts_with(folder))
    }

    fn text(&self, file: &str) -> String {
        let piece = self.source.get(file);
        piece
            .and_then(|piece| crate::artifact::read::text_of(piece, file).ok())
            .unwrap_or_default()
    }
}

fn run(script: impl Into<String>) -> Step {
    Step::Run(script.into())
}

/// The steps that build the code of a function.
pub(in crate::artifact) fn steps(tool: &Tool, work: &Work<'_>) -> Result<Vec<Step>, FunctionError> {
    let check = || runnable::in_stage(work.family, work.handler);
    Ok(match tool {
        Tool::Install(install) => installed(*install, work, "/out/"),
        Tool::Esbuild(esbuild) => esbuild_steps(esbuild, work)?,
        Tool::Maven => maven(
            work,
            &format!(
                "{JARS} -DoutputDirectory=/out/lib && cp -R target/classes/. /out/ && {}",
                check()
            ),
        ),
        Tool::Gradle => gradle(work, "lambdaCode", &check()),
        Tool::Bundler => bundler(
            work,
            "/out",
            "cp -R . /out/ && cd /out && bundle config set --local path vendor/bundle",
        ),
        Tool::Go { file } => go(work, &word("handler", file)?),
        Tool::Cargo { binary } => cargo(work, binary.as_deref())?,
        Tool::Dotnet { project, native } => dotnet(work, project, *native, &check()),
        Tool::Make => make(work, &check()),
    })
}

/// The steps that build a layer for functions of a family.
pub(in crate::artifact) fn layer_steps(
    makefile: bool,
    work: &Work<'_>,
) -> Result<Layers, FunctionError> {
    if makefile {
        let not_empty = "test -n \"$(ls -A /out)\"";
        return Ok(Layers::Built(Tool::Make, make(work, not_empty)));
    }
    let built = |tool: Tool, steps| Ok(Layers::Built(tool, steps));
    match work.family {
        Family::Python | Family::Nodejs => {
            let found = install(work.source, work.family)?;
            let folder = match found {
                Install::Nothing => return Ok(Layers::AsItIs),
                Install::Pip { .. } => "/out/python/",
                Install::Npm { .. } => "/out/nodejs/",
            };
            let mut steps = installed(found, work, folder);
            steps.push(work.copy_code(folder));
            built(Tool::Install(found), steps)
        }
        Family::Java if work.has("pom.xml") => built(
            Tool::Maven,
            maven(
                work,
                &format!(
                    "{JARS} -DoutputDirectory=/out/java/lib && cp target/*.jar /out/java/lib/"
                ),
            ),
        ),
        Family::Java if work.has("build.gradle") || work.has("build.gradle.kts") => built(
            Tool::Gradle,
            gradle(work, "lambdaLayer", "test -n \"$(ls -A /out/java/lib)\""),
        ),
        Family::Ruby if work.has("Gemfile") => {
            let mut steps = bundler(work, "/out/ruby", "bundle config set --local path /gems");
            steps.push(run("mv /gems/ruby /out/ruby/gems"));
            steps.push(work.copy_code("/out/ruby/lib/"));
            built(Tool::Bundler, steps)
        }
        Family::Java | Family::Ruby | Family::Dotnet | Family::Go | Family::Provided => {
            Ok(Layers::AsItIs)
        }
    }
}

/// `pip` into a folder, or `npm` into `node_modules` of one.
fn installed(install: Install, work: &Work<'_>, to: &str) -> Vec<Step> {
    let (needs, lists, script) = match install {
        Install::Nothing => return vec![work.copy_code(to)],
        Install::Pip { offline, needs } => {
            let mut lists = vec![work.copy_files(&["requirements.txt"], "/build/")];
            let mut options = "";
            if offline {
                lists.push(work.copy_folder("wheelhouse/", "/build/wheelhouse/"));
                options = " --no-index --find-links wheelhouse";
            }
            let script = format!(
                "python -m pip install --no-cache-dir{options} --requirement requirements.txt --target {to}"
            );
            (needs, lists, script)
        }
        Install::Npm { locked, needs } => {
            let word = if locked { "ci" } else { "install" };
            let lists = vec![work.copy_files(&["package.json", "package-lock.json"], "/build/")];
            let script = format!(
                "npm {word} --omit=dev --no-audit --no-fund && mkdir -p {to} && cp -R node_modules {to}"
            );
            (needs, lists, script)
        }
    };
    match needs {
        Needs::List => lists.into_iter().chain([run(script)]).collect(),
        Needs::Code => vec![work.copy_code("/build/"), run(script)],
    }
}

fn esbuild_steps(esbuild: &Esbuild, work: &Work<'_>) -> Result<Vec<Step>, FunctionError> {
    let mut steps = Vec::new();
    let needs = npm_needs(work.source)?;
    if work.has("package.json") {
        let word = if work.has("package-lock.json") {
            "ci"
        } else {
            "install"
        };
        steps.push(match needs {
            Needs::List => work.copy_files(&["package.json", "package-lock.json"], "/build/"),
            Needs::Code => work.copy_code("/build/"),
        });
        steps.push(run(format!("npm {word} --no-audit --no-fund")));
    }
    if needs == Needs::List {
        steps.push(work.copy_code("/build/"));
    }
    let mut words = vec!["npx --yes esbuild".to_owned()];
    for entry in &esbuild.entry_points {
        words.push(word("`EntryPoints`", entry)?);
    }
    words.push("--bundle --platform=node --outdir=/out".to_owned());
    words.push(format!("--format={}", word("`Format`", &esbuild.format)?));
    words.push(format!("--target={}", word("`Target`", &esbuild.target)?));
    for (is_set, option) in [
        (esbuild.minify, "--minify"),
        (esbuild.sourcemap, "--sourcemap"),
        (esbuild.keep_names, "--keep-names"),
    ] {
        words.extend(is_set.then(|| option.to_owned()));
    }
    for (what, option, values) in [
        ("`External`", "external", &esbuild.external),
        ("`Loader`", "loader", &esbuild.loader),
        ("`OutExtension`", "out-extension", &esbuild.out_extension),
    ] {
        for value in values {
            words.push(format!("'--{option}:{}'", word(what, value)?));
        }
    }
    if !esbuild.main_fields.is_empty() {
        let fields = word("`MainFields`", &esbuild.main_fields.join(","))?;
        words.push(format!("--main-fields={fields}"));
    }
    let check = runnable::in_stage(work.family, work.handler);
    steps.push(run(format!("{} && {check}", words.join(" "))));
    Ok(steps)
}

fn maven(work: &Work<'_>, goals: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    // The modules of a project are no part of its own file.
    if !work.text("pom.xml").contains("<module>") {
        steps.push(work.copy_files(&["pom.xml"], "/build/"));
        // What it does not find beforehand, the build downloads.
        steps.push(run("mvn --batch-mode dependency:go-offline || true"));
    }
    steps.push(work.copy_code("/build/"));
    steps.push(run(format!(
        "mkdir -p /out && mvn --batch-mode -DskipTests package {goals}"
    )));
    steps
}

fn gradle(work: &Work<'_>, task: &str, check: &str) -> Vec<Step> {
    let program = if work.has("gradlew") {
        "sh ./gradlew"
    } else {
        "gradle"
    };
    let program = format!("{program} --no-daemon --init-script /tools/lambda.gradle");
    let files = [
        "build.gradle",
        "build.gradle.kts",
        "settings.gradle",
        "settings.gradle.kts",
        "gradle.properties",
        "gradlew",
    ];
    let mut steps = vec![Step::Copy {
        from: vec![format!("{}/{GRADLE_SCRIPT_PATH}", work.home)],
        to: "/tools/".to_owned(),
    }];
    let of_other = |path: &str| path.starts_with("buildSrc/") || path.contains("/build.gradle");
    if !work.source.paths().any(of_other) {
        steps.push(work.copy_files(&files, "/build/"));
        if work.source.top().contains_key("gradle") {
            steps.push(work.copy_folder("gradle/", "/build/gradle/"));
        }
        steps.push(run(format!("{program} lambdaDependencies || true")));
    }
    steps.push(work.copy_code("/build/"));
    steps.push(run(format!(
        "mkdir -p /out && ARTIFACTS_DIR=/out {program} {task} && {check}"
    )));
    steps
}

fn bundler(work: &Work<'_>, folder: &str, prepare: &str) -> Vec<Step> {
    let gemfile = work.text("Gemfile");
    let names_files = ["path:", ":path", "gemspec", "eval_gemfile", "file:"]
        .iter()
        .any(|word| gemfile.contains(word));
    let has_cache = work.has_below("vendor/cache/");
    let mut steps = if names_files {
        vec![work.copy_code("/build/")]
    } else {
        vec![work.copy_files(&["Gemfile", "Gemfile.lock"], "/build/")]
    };
    if has_cache && !names_files {
        steps.push(work.copy_folder("vendor/cache/", "/build/vendor/cache/"));
    }
    // Else Bundler asks the registry for its index first, even when every gem is there.
    let install = if has_cache {
        "{ bundle install --local || bundle install; }"
    } else {
        "bundle install"
    };
    steps.push(run(format!(
        "mkdir -p {folder} && {prepare} && bundle config set --local without development:test && {install}"
    )));
    steps
}

fn go(work: &Work<'_>, file: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    // Modules in `vendor` are all that a build takes.
    if !work.text("go.mod").contains("=> .") && !work.has("vendor/modules.txt") {
        steps.push(work.copy_files(&["go.mod", "go.sum"], "/build/"));
        steps.push(run("go mod download"));
    }
    steps.push(work.copy_code("/build/"));
    let (processor, _) = processor(work.architecture);
    let package = go_package(work, file);
    steps.push(run(format!(
        "mkdir -p /out && CGO_ENABLED=0 GOOS=linux GOARCH={processor} go build -buildvcs=false -trimpath -tags lambda.norpc -ldflags '-s -w' -o /out/{file} {package}"
    )));
    steps
}

/// The package of the program: the folder of the code, else the one below it that the handler names, as `sam build` finds it.
fn go_package(work: &Work<'_>, file: &str) -> String {
    let is_go = |path: &str| has_suffix(path, ".go");
    let at_top = |path: &str| !path.contains('/') && is_go(path);
    let folder = format!("{file}/");
    let in_folder = |path: &str| path.strip_prefix(&folder).is_some_and(at_top);
    if !work.source.paths().any(at_top) && work.source.paths().any(in_folder) {
        return format!("./{file}");
    }
    ".".to_owned()
}

fn cargo(work: &Work<'_>, binary: Option<&str>) -> Result<Vec<Step>, BuildError> {
    let manifest = work.text("Cargo.toml");
    let mut steps = Vec::new();
    let names_files = ["[workspace", "[[", "[lib]", "path =", "build ="]
        .iter()
        .any(|word| manifest.contains(word));
    // Its configuration may name vendored crates, or a registry.
    if !names_files && !work.has_below(".cargo/") {
        steps.push(work.copy_files(&["Cargo.toml", "Cargo.lock"], "/build/"));
        steps.push(run(
            "mkdir src && touch src/main.rs && cargo fetch && rm -r src",
        ));
    }
    steps.push(work.copy_code("/build/"));
    let target = match work.architecture {
        Architecture::X86_64 => "--x86-64",
        Architecture::Arm64 => "--arm64",
    };
    let build = format!("cargo lambda build --release {target} --lambda-dir /lambda");
    let collect = match binary {
        Some(binary) => format!(
            "cp /lambda/{}/bootstrap /out/bootstrap",
            word("`Binary`", binary)?
        ),
        None => {
            "set -- /lambda/*/bootstrap && test $# -eq 1 && cp \"$1\" /out/bootstrap".to_owned()
        }
    };
    steps.push(run(format!("mkdir -p /out && {build} && {collect}")));
    Ok(steps)
}

fn dotnet(work: &Work<'_>, project: &str, native: bool, check: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut options = String::new();
    if native {
        let (_, platform) = processor(work.architecture);
        options = format!(" --runtime {platform} --self-contained true");
    } else {
        let files = [
            project,
            "nuget.config",
            "NuGet.Config",
            "Directory.Build.props",
        ];
        if !work.text(project).contains("ProjectReference") {
            steps.push(work.copy_files(&files, "/build/"));
            steps.push(run(format!("dotnet restore {project}")));
        }
    }
    steps.push(work.copy_code("/build/"));
    steps.push(run(format!(
        "dotnet publish {project} --configuration Release{options} --output /out && {check}"
    )));
    steps
}

fn make(work: &Work<'_>, check: &str) -> Vec<Step> {
    vec![
        work.copy_code("/build/"),
        run(format!(
            "mkdir -p /out && ARTIFACTS_DIR=/out make build-{} && {check}",
            work.id
        )),
    ]
}
