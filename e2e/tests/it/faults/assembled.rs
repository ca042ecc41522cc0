//! Faults between the tool and the registry while an image is assembled and uploaded.

use e2e::proxy::FaultEffect;
use rstest::rstest;

use super::At::{self, Registry};
use super::Often::{self, Always, Once};
use super::Outcome::{self, Fails, Succeeds};
use super::{ASSEMBLED, DRIP, SEE_REGISTRY, answer, check};

/// An image that is assembled asks the registry for its base, and brings it what it lacks.
#[rstest]
#[case::base_refused_once(Registry("GET /esb-lambda-base/blobs/"), answer(500), Once, Succeeds)]
#[case::base_refused(
    Registry("GET /esb-lambda-base/blobs/"),
    answer(500),
    Always,
    Fails(9, "unreachable", "500", SEE_REGISTRY)
)]
#[case::base_cut_once(
    Registry("GET /esb-lambda-base/blobs/"),
    FaultEffect::CutAnswer(300),
    Once,
    Succeeds
)]
#[case::mount_refused_once(Registry("POST /*/blobs/uploads/"), answer(500), Once, Succeeds)]
#[case::mounts_denied(Registry("POST /*/blobs/uploads/"), answer(403), Once, Succeeds)]
#[case::upload_refused(
    Registry("POST /*/blobs/uploads/"),
    answer(500),
    Always,
    Fails(9, "unreachable", "500", SEE_REGISTRY)
)]
#[case::upload_cut_once(
    Registry("PUT /*/blobs/uploads/"),
    FaultEffect::CutRequest(10),
    Once,
    Succeeds
)]
#[case::upload_lost_once(
    Registry("PUT /*/blobs/uploads/"),
    FaultEffect::DropAnswer,
    Once,
    Succeeds
)]
#[case::full(
    Registry("PUT /*/blobs/uploads/"),
    answer(507),
    Always,
    Fails(6, "image", "507", "free space where the registry")
)]
#[case::upload_drips(
    Registry("PUT /*/blobs/uploads/"),
    DRIP,
    Always,
    Fails(9, "unreachable", "no answer within 6 s", SEE_REGISTRY)
)]
#[case::manifest_lost_once(
    Registry("PUT /*/manifests/key1-"),
    FaultEffect::DropAnswer,
    Once,
    Succeeds
)]
#[case::manifest_refused(
    Registry("PUT /*/manifests/key1-"),
    answer(500),
    Always,
    Fails(9, "unreachable", "500", SEE_REGISTRY)
)]
#[case::manifest_drips(
    Registry("PUT /*/manifests/key1-"),
    DRIP,
    Always,
    Fails(9, "unreachable", "no answer within 1 s", SEE_REGISTRY)
)]
fn of_an_image_that_is_assembled(
    #[case] at: At,
    #[case] effect: FaultEffect,
    #[case] often: Often,
    #[case] outcome: Outcome,
) {
    check(ASSEMBLED, at, effect, often, outcome);
}
