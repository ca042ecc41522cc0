//! A base whose tag moves while it is built from, and one that a registry has for several platforms.
//!
//! Both builders build from the image that was looked up, by its digest.

use std::collections::BTreeMap;

use e2e::command;
use e2e::http;
use e2e::images::BuildContext;
use rstest::rstest;
use serde_json::{Value, json};

use crate::builds::Builder;
use crate::process::{Ran, run};
use crate::rig::{BY_ENGINE, Rig};

const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn docker(rig: &Rig<'_>, words: &[&str]) -> String {
    let said = command::run(rig.stack.engine().docker().args(words)).unwrap();
    said.trim().to_owned()
}

/// A rig whose function copies its handler onto a base of the stack's registry.
fn rig() -> Rig<'static> {
    let rig = Rig::new(&["alpha"]);
    let base = format!("registry:5000/{}/base:1", rig.payload.repository());
    rig.payload.dockerfile(
        "alpha",
        &format!("FROM {base}\nCOPY functions/alpha/handler /var/task/handler\n"),
    );
    rig
}

/// The base in the registry, as the engine knows it.
fn base(rig: &Rig<'_>, tag: &str) -> String {
    rig.stack
        .host_image(&format!("{}/base", rig.payload.repository()), tag)
}

/// Builds a base that says which it is, for a platform, and pushes it.
fn push_base(rig: &Rig<'_>, tag: &str, platform: &str) {
    let reference = base(rig, tag);
    let dockerfile = format!("FROM scratch\nCOPY which /which\nLABEL which={tag}\n");
    let mut context = BuildContext::new(&dockerfile).unwrap();
    context.add("which", tag.as_bytes(), 0o644).unwrap();
    let mut build = rig.stack.engine().docker();
    let label = format!("{}={}", e2e::engine::LABEL_RUN, rig.stack.engine().run_id());
    // The builder that the engine has without plugins of its client.
    build.env("DOCKER_BUILDKIT", "0");
    build.args([
        "build",
        "--quiet",
        "--platform",
        platform,
        "--label",
        &label,
    ]);
    build.args(["--tag", &reference, "-"]);
    command::run_with_input(&mut build, &context.into_tar().unwrap()).unwrap();
    docker(rig, &["push", "--quiet", &reference]);
}

/// Which base the function's image was built from, as the registry has it.
fn built_from(rig: &Rig<'_>, ran: &Ran) -> String {
    let digest = ran.payload("ImageBuilt")["digest"]
        .as_str()
        .unwrap()
        .to_owned();
    let name = rig
        .stack
        .host_image(&format!("{}/alpha", rig.payload.repository()), "1");
    let (name, _) = name.rsplit_once(':').unwrap();
    let image = format!("{name}@{digest}");
    docker(rig, &["pull", "--quiet", &image]);
    docker(
        rig,
        &[
            "inspect",
            "--format",
            "{{index .Config.Labels \"which\"}}",
            &image,
        ],
    )
}

#[rstest]
fn a_tag_that_moves_during_a_deploy_moves_no_build(
    #[values(Builder::Classic, Builder::BuildKit)] builder: Builder,
) {
    let rig = rig();
    push_base(&rig, "other", "linux/amd64");
    push_base(&rig, "1", "linux/amd64");
    builder.prefer(&rig);
    let deploy = rig.start_held_at("alpha", &[]);
    // On the engine and in the registry.
    docker(&rig, &["tag", &base(&rig, "other"), &base(&rig, "1")]);
    docker(&rig, &["push", "--quiet", &base(&rig, "1")]);
    rig.proxy.release();
    let ran = deploy.wait().ended(0);
    builder.assert_used(&rig);
    assert_eq!(built_from(&rig, &ran), "1", "the base that was looked up");
}

fn put(rig: &Rig<'_>, tag: &str, kind: &str, manifest: &Value) {
    let path = format!("/v2/{}/base/manifests/{tag}", rig.payload.repository());
    let port = rig.stack.registry_port();
    let headers = [("Content-Type", kind)];
    let reply = http::call_with(port, "PUT", &path, &headers, &manifest.to_string()).unwrap();
    assert_eq!(reply.status, 201, "{reply:?}");
}

/// Makes a tag a list of two others, one for each platform.
fn push_list(rig: &Rig<'_>) {
    let port = rig.stack.registry_port();
    let image = |tag: &str, architecture: &str| {
        push_base(rig, tag, &format!("linux/{architecture}"));
        let path = format!("/v2/{}/base/manifests/{tag}", rig.payload.repository());
        let reply = http::call_with(port, "GET", &path, &[("Accept", IMAGE)], "").unwrap();
        let digest = reply.header("docker-content-digest").unwrap().to_owned();
        let size: usize = reply.header("content-length").unwrap().parse().unwrap();
        json!({
            "mediaType": IMAGE, "digest": digest, "size": size,
            "platform": { "os": "linux", "architecture": architecture },
        })
    };
    let images = [image("amd64", "amd64"), image("arm64", "arm64")];
    let list = json!({ "schemaVersion": 2, "mediaType": LIST, "manifests": images });
    put(rig, "1", LIST, &list);
}

/// The engine keeps one image under the digest of a list, so that the second platform is another one's.
#[rstest]
fn a_base_for_several_platforms_is_built_from_for_each(
    #[values(Builder::Classic, Builder::BuildKit)] builder: Builder,
) {
    let rig = rig();
    push_list(&rig);
    let mut keys = BTreeMap::new();
    for platform in ["amd64", "arm64", "amd64"] {
        rig.payload
            .answer("alpha", &format!("{platform} {}", keys.len()));
        builder.prefer(&rig);
        let asked = format!("linux/{platform}");
        let ran = run(rig
            .request("deploy", &BY_ENGINE)
            .args(["--platform", &asked]))
        .ended(0);
        builder.assert_used(&rig);
        assert_eq!(built_from(&rig, &ran), platform);
        let key = ran.payload("ImageBuilt")["key"].to_string();
        keys.insert(key, platform);
    }
    assert_eq!(keys.len(), 3);
}
