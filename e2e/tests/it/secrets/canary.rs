//! What is planted, and where: one canary for each place from which a command reads.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::search::{Canary, Home};
use crate::refusal::{Bench, shared_stack};

/// In the secret file and in Compose's env file, under a name that the artifact requires. It is spelled differently in a URL, in
/// JSON and in a shell.
pub(super) const SECRET: &str = "canary\"of/the+secret file?";
/// In both files under another name: nobody says that it is a secret, and nobody prints it.
const OTHER: &str = "canary-of-another-name";
/// Of the address of the proxy, in which they are percent-encoded. They reach a build as arguments.
const PROXY_USER: &str = "canary-of-the-proxy-user";
const PROXY_PASSWORD: &str = "canary/of the+proxy-password";
const LOGIN: &str = "canary-of-the-docker-login";
/// What a credential program answers.
const PROGRAM: &str = "canary-of-the-credential-program";
const ENVIRONMENT: &str = "canary-of-the-environment";
/// In the addresses that engines and registries quote in their errors.
pub(super) const REPLY: &str = "canary-of-a-reply";
/// In the environment of a function, under the name of a secret and in an address: published, and nowhere else.
pub(super) const LITERAL: &str = "canary-of-a-literal";
const ADDRESS: &str = "canary-of-an-address";
/// In the environment of a function: published, and kept among the values of the deploy.
pub(super) const FUNCTION: &str = "canary-of-a-function";
/// The value of a `NoEcho` parameter, in a file of parameters.
pub(super) const PARAMETER: &str = "canary=of \"the\" parameter";
/// The default of another one, in the template.
pub(super) const DEFAULT: &str = "canary-of-a-default";

/// Every canary, and where it may be found although nothing has gone wrong.
pub(super) const ALL: [Canary; 13] = [
    Canary::new(SECRET, Home::Files),
    Canary::new(OTHER, Home::Files),
    Canary::new(PROXY_USER, Home::Environment),
    Canary::new(PROXY_PASSWORD, Home::Environment),
    Canary::new(LOGIN, Home::Files),
    Canary::new(PROGRAM, Home::Files),
    Canary::new(ENVIRONMENT, Home::Environment),
    Canary::new(REPLY, Home::Files),
    Canary::new(FUNCTION, Home::Kept),
    Canary::new(LITERAL, Home::Published),
    Canary::new(ADDRESS, Home::Published),
    Canary::new(PARAMETER, Home::Files),
    Canary::new(DEFAULT, Home::Files),
];

/// Where the login of the registry comes from.
#[derive(Clone, Copy)]
pub(super) enum Logins {
    /// The file itself.
    File,
    /// A program.
    Program,
}

/// A bench with a canary in every place.
pub(super) fn planted(repository: &str, logins: Logins) -> Bench {
    let bench = Bench::with_images_of(repository);
    bench.edit(
        "artifact/artifact.yml",
        "    artifact_root: svc-a\n",
        "    artifact_root: svc-a\n    required_secret_env: [AUTH_PASS]\n",
    );
    bench.write(
        "secrets.env",
        format!("AUTH_PASS='{SECRET}'\nOTHER='{OTHER}'\nDbPassword='{PARAMETER}'\n"),
    );
    bench.edit(
        "artifact/svc-a/config/functions.yml",
        "      TABLE: orders\n",
        &format!(
            "      TABLE: orders\n      WORD: {FUNCTION}\n      DB_PASSWORD: {LITERAL}\n      \
             DB: postgres://shop:{ADDRESS}@db/shop\n"
        ),
    );
    fs::create_dir(bench.path("tmp")).unwrap();
    fs::create_dir(bench.path("state")).unwrap();
    plant_logins(&bench, logins);
    plant_template(&bench);
    bench
}

fn plant_logins(bench: &Bench, logins: Logins) {
    fs::create_dir(bench.path("docker")).unwrap();
    let registry = shared_stack().host_registry();
    let auth = STANDARD.encode(format!("{LOGIN}:{LOGIN}"));
    let config = match logins {
        Logins::File => serde_json::json!({ "auths": { registry: { "auth": auth } } }),
        Logins::Program => serde_json::json!({ "credHelpers": { registry: "canary" } }),
    };
    bench.write("docker/config.json", config.to_string());
    let answer = format!(r#"{{"ServerURL":"x","Username":"{PROGRAM}","Secret":"{PROGRAM}"}}"#);
    let program = "docker/docker-credential-canary";
    bench.write(
        program,
        format!("#!/bin/sh\ncat > /dev/null\ntouch \"$0.asked\"\necho '{answer}'\n"),
    );
    fs::set_permissions(bench.path(program), PermissionsExt::from_mode(0o755)).unwrap();
}

/// A template of one function, with a secret that is given and one that has a default, and a file of parameters.
fn plant_template(bench: &Bench) {
    fs::create_dir_all(bench.path("sam/code")).unwrap();
    bench.write("sam/code/bootstrap", "#!/bin/sh\ncat\n");
    let template = format!(
        "Transform: AWS::Serverless-2016-10-31\nParameters:\n  DbPassword: {{ Type: String, NoEcho: true, MinLength: 8 }}\n  \
         Spare: {{ Type: String, NoEcho: true, Default: {DEFAULT} }}\nResources:\n  One:\n    Type: AWS::Serverless::Function\n    \
         Properties:\n      FunctionName: one\n      Runtime: provided.al2023\n      Handler: bootstrap\n      CodeUri: code/\n      \
         Environment:\n        Variables: {{ PASSWORD: !Ref DbPassword }}\n"
    );
    bench.write("sam/template.yaml", template);
    let values = serde_json::json!({ "DbPassword": PARAMETER });
    bench.write("sam/parameters.json", values.to_string());
}

/// The environment of whoever deploys, and a log that says all that any crate has to say.
pub(super) fn surround(bench: &Bench, command: &mut Command) {
    let password = utf8_percent_encode(PROXY_PASSWORD, NON_ALPHANUMERIC);
    let proxy = format!("http://{PROXY_USER}:{password}@127.0.0.1:9");
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("HTTP_PROXY", &proxy)
        .env("https_proxy", &proxy)
        .env("NO_PROXY", "localhost")
        .env("DB_PASSWORD", ENVIRONMENT)
        .env("DOCKER_CONFIG", bench.path("docker"))
        .env("PATH", format!("{}:{path}", bench.path("docker").display()))
        .env("TMPDIR", bench.path("tmp"))
        .env("XDG_STATE_HOME", bench.path("state"))
        .env("ARTIFACTCTL_LOG", "trace")
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full");
}
