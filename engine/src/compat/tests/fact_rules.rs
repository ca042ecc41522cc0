//! How facts are read from labels, image references and service names.

use std::collections::BTreeMap;

use rstest::rstest;

use super::{container, with};
use crate::compat::facts::{api_version_of, mode_of, version_of};
use crate::compat::{Container, ModeSource, VersionSource};
use crate::contract::Mode;

use VersionSource::{EsbLabel, ImageTag, OciLabel};

const ESB: &str = "com.esb.version";
const OCI: &str = "org.opencontainers.image.version";

#[rstest]
#[case::esb_label_first(&[(ESB, "1.4.2"), (OCI, "9.0.0")], "gateway:v2.0.0", Some(("1.4.2", EsbLabel)), None)]
#[case::then_the_oci_label(&[(OCI, "1.4.2")], "gateway:v2.0.0", Some(("1.4.2", OciLabel)), None)]
#[case::then_the_tag(&[], "gateway:v2.0.0", Some(("v2.0.0", ImageTag)), None)]
#[case::no_version_keeps_the_tag(&[], "gateway:latest", None, Some("latest"))]
#[case::a_label_beside_a_moving_tag(&[(ESB, "1.4.2")], "gateway:latest", Some(("1.4.2", EsbLabel)), Some("latest"))]
#[case::a_blank_label_does_not_answer(&[(ESB, "  ")], "gateway:1.0.0", Some(("1.0.0", ImageTag)), None)]
#[case::our_label_answers_with_anything(&[(ESB, "nightly")], "gateway:1.0.0", Some(("nightly", EsbLabel)), None)]
#[case::a_base_image_leaks_its_label(&[(OCI, "24.04")], "gateway:1.0.0", Some(("1.0.0", ImageTag)), None)]
#[case::a_partial_version_is_a_tag(&[], "gateway:1.4", None, Some("1.4"))]
#[case::registry_port_is_no_tag(&[], "127.0.0.1:5000/x", None, None)]
#[case::port_tag_and_digest(&[], "127.0.0.1:5000/x:v1.2.0@sha256:0123", Some(("v1.2.0", ImageTag)), None)]
#[case::port_and_digest(&[], "127.0.0.1:5000/a/b/x@sha256:0123", None, None)]
#[case::port_and_partial_tag(&[], "127.0.0.1:5000/x:v1.2@sha256:0123", None, Some("v1.2"))]
#[case::pre_release_tag(&[], "ghcr.io/o/x:1.5.0-rc.1", Some(("1.5.0-rc.1", ImageTag)), None)]
#[case::bare_image_id(&[], "sha256:0123456789abcdef", None, None)]
#[case::empty(&[], "", None, None)]
#[case::odd(&[], ":/@:", None, None)]
fn version(
    #[case] labels: &[(&str, &str)],
    #[case] image: &str,
    #[case] expected: Option<(&str, VersionSource)>,
    #[case] expected_tag: Option<&str>,
) {
    let labels: BTreeMap<_, _> = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let (found, tag) = version_of(&labels, image);
    let found = found.map(|found| (found.value, found.source));
    assert_eq!(
        found,
        expected.map(|(value, source)| (value.to_owned(), source))
    );
    assert_eq!(tag.as_deref(), expected_tag);
}

fn api(service: &str, label: &str) -> Container {
    with(service, |c| c.api_version = Some(label.to_owned()))
}

#[rstest]
#[case::gateway_first(vec![api("agent", "2.0"), api("gateway", "1.0")], Some(("1.0", "gateway")))]
#[case::then_the_agent(vec![api("runtime-node", "3.0"), api("agent", "2.0"), container("gateway")], Some(("2.0", "agent")))]
#[case::then_the_provisioner(vec![api("runtime-node", "3.0"), api("provisioner", "2.5")], Some(("2.5", "provisioner")))]
#[case::then_the_runtime_node(vec![api("runtime-node", "3.0")], Some(("3.0", "runtime-node")))]
#[case::a_replica_that_says_it(vec![container("gateway"), api("gateway", "1.1")], Some(("1.1", "gateway")))]
#[case::blank(vec![api("gateway", " ")], None)]
#[case::no_other_service(vec![api("postgres", "1.0")], None)]
#[case::nothing(vec![], None)]
fn api_version(#[case] containers: Vec<Container>, #[case] expected: Option<(&str, &str)>) {
    let found = api_version_of(&containers).map(|found| (found.value, found.source));
    let expected = expected.map(|(value, service)| (value.to_owned(), service.to_owned()));
    assert_eq!(found, expected);
}

fn labelled(service: &str, label: &str) -> Container {
    with(service, |c| c.mode = Some(label.to_owned()))
}

fn image(service: &str, reference: &str) -> Container {
    with(service, |c| c.image = reference.to_owned())
}

const DOCKER_IMAGE: &str = "127.0.0.1:5000/esb-gateway-docker:v1.4.2@sha256:0123";

#[rstest]
#[case::label_first(
    vec![labelled("gateway", "docker"), container("runtime-node")],
    Some((Mode::Docker, ModeSource::Label("gateway".to_owned())))
)]
#[case::label_of_a_stack_service_before_others(
    vec![labelled("aaa", "docker"), labelled("agent", "containerd")],
    Some((Mode::Containerd, ModeSource::Label("agent".to_owned())))
)]
#[case::label_of_any_container(
    vec![labelled("sidecar", "docker")],
    Some((Mode::Docker, ModeSource::Label("sidecar".to_owned())))
)]
#[case::a_label_that_names_no_mode_does_not_answer(
    vec![labelled("gateway", "podman"), container("runtime-node")],
    Some((Mode::Containerd, ModeSource::RuntimeNode))
)]
#[case::then_the_runtime_node(
    vec![image("gateway", DOCKER_IMAGE), container("runtime-node")],
    Some((Mode::Containerd, ModeSource::RuntimeNode))
)]
#[case::then_the_image_name(
    vec![container("agent"), image("gateway", DOCKER_IMAGE)],
    Some((Mode::Docker, ModeSource::ImageName(DOCKER_IMAGE.to_owned())))
)]
#[case::image_name_before_the_agent(
    vec![image("agent", "esb-agent-containerd")],
    Some((Mode::Containerd, ModeSource::ImageName("esb-agent-containerd".to_owned())))
)]
#[case::a_tag_is_no_name(
    vec![image("agent", "esb-agent:v1-containerd")],
    Some((Mode::Docker, ModeSource::Agent))
)]
#[case::the_image_of_another_service_says_nothing(vec![image("ci", "builder-docker")], None)]
#[case::then_the_agent(vec![container("agent")], Some((Mode::Docker, ModeSource::Agent)))]
#[case::else_unknown(vec![container("gateway")], None)]
#[case::nothing(vec![], None)]
fn mode(#[case] containers: Vec<Container>, #[case] expected: Option<(Mode, ModeSource)>) {
    let found = mode_of(&containers).map(|found| (found.value, found.source));
    assert_eq!(found, expected);
}
