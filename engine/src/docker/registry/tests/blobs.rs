//! Blobs to and from a registry that does everything, or that lacks or loses something.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::fake::{Fake, plain};
use super::store::{Mishap, Ways, storing};
use super::{LONG, registry};
use crate::contract::Digest;
use crate::docker::credentials::Credentials;
use crate::docker::limits::Limits;
use crate::docker::registry::transfer::CHUNK;
use crate::docker::registry::{Blob, Manifest, Mount, Progress, Registry, Spool, Written};
use crate::image::Reference;
use crate::machine::FailureKind;
use crate::run::Fault;

/// A blob that is sent in three chunks.
fn large() -> Blob {
    let mut spool = Spool::default();
    let piece: Vec<u8> = (0..=250).cycle().take(1 << 16).collect();
    for _ in 0..=(2 * CHUNK) / (1 << 16) {
        spool.write_all(&piece).unwrap();
    }
    spool.finish()
}

fn small() -> Blob {
    Blob::of("some layer")
}

async fn push(fake: &Fake, blob: &Blob) -> Result<(), Fault> {
    let progress = Arc::new(Progress::default());
    let to = fake.reference("a:1");
    registry(LONG).push_blob(&to, blob, None, &progress).await
}

/// Method and path of each request, without their queries.
fn asked(fake: &Fake) -> Vec<String> {
    let seen = fake.seen().into_iter();
    seen.map(|line| {
        let line = line.split(['?', '(']).next().unwrap_or_default();
        line.trim_end().replace("/v2/a/blobs/uploads", "")
    })
    .collect()
}

#[tokio::test]
async fn a_small_blob_is_two_requests() {
    let (fake, store) = storing(Ways::default()).await;
    push(&fake, &small()).await.unwrap();
    assert_eq!(asked(&fake), ["POST /", "PUT /1"]);
    assert!(store.lock().unwrap().has("a", &small().digest));
}

#[tokio::test]
async fn a_large_blob_goes_in_chunks() {
    let (fake, store) = storing(Ways::default()).await;
    let (blob, progress) = (large(), Arc::new(Progress::default()));
    let to = fake.reference("a:1");
    registry(LONG)
        .push_blob(&to, &blob, None, &progress)
        .await
        .unwrap();
    let expected = ["POST /", "PATCH /1", "PATCH /1", "PATCH /1", "PUT /1"];
    assert_eq!(asked(&fake), expected);
    assert!(store.lock().unwrap().has("a", &blob.digest));
    assert_eq!(progress.bytes(), blob.size);
}

#[tokio::test]
async fn an_upload_goes_where_the_registry_says() {
    let ways = Ways {
        is_relative: true,
        ..Ways::default()
    };
    let (fake, store) = storing(ways).await;
    push(&fake, &small()).await.unwrap();
    assert!(store.lock().unwrap().has("a", &small().digest));
}

/// Whoever takes the bytes in another place is not told who sends them.
#[tokio::test]
async fn an_upload_on_another_host_carries_no_credentials() {
    let other = Fake::start(|_, _| plain(201, "")).await;
    let there = format!("http://{}/upload", other.address);
    let fake = Fake::answering(move |_, who| {
        if who.is_empty() {
            let mut answer = plain(401, "");
            let basic = "Basic realm=\"r\"".parse().unwrap();
            answer.headers_mut().insert("www-authenticate", basic);
            return answer;
        }
        let mut answer = plain(202, "");
        let there = there.parse().unwrap();
        answer.headers_mut().insert("location", there);
        answer
    })
    .await;
    let (registry, to) = (fake.registry_as("hunter22"), fake.reference("a:1"));
    let progress = Arc::new(Progress::default());
    registry
        .push_blob(&to, &small(), None, &progress)
        .await
        .unwrap();
    let query = small().digest.to_string().replace(':', "%3A");
    assert_eq!(
        other.seen(),
        [format!("PUT /upload?digest={query}some layer")]
    );
}

#[rstest]
#[case::busy_at_first("POST", 429, false, &["POST /", "POST /", "PUT /1"])]
#[case::busy_with_the_bytes("PUT", 429, false, &["POST /", "PUT /1", "HEAD", "POST /", "PUT /2"])]
#[case::broken_before("PUT", 502, false, &["POST /", "PUT /1", "HEAD", "POST /", "PUT /2"])]
#[case::answer_lost("PUT", 502, true, &["POST /", "PUT /1", "HEAD"])]
#[case::forgotten("PUT", 404, false, &["POST /", "PUT /1", "HEAD", "POST /", "PUT /2"])]
#[tokio::test]
async fn a_small_upload_that_stumbled_begins_anew(
    #[case] request: &'static str,
    #[case] status: u16,
    #[case] done: bool,
    #[case] expected: &[&str],
) {
    let mishaps = vec![Mishap {
        request,
        status,
        done,
    }];
    let ways = Ways {
        mishaps,
        ..Ways::default()
    };
    let (fake, store) = storing(ways).await;
    push(&fake, &small()).await.unwrap();
    let asked = asked(&fake).into_iter();
    let head = |line: String| match line.strip_prefix("HEAD") {
        Some(_) => "HEAD".to_owned(),
        None => line,
    };
    assert_eq!(asked.map(head).collect::<Vec<_>>(), expected);
    assert!(store.lock().unwrap().has("a", &small().digest));
}

#[rstest]
#[case::chunk_lost(502, false, &["POST /", "PATCH /1", "GET /1", "PATCH /1", "PATCH /1", "PATCH /1", "PUT /1"])]
#[case::answer_lost(502, true, &["POST /", "PATCH /1", "GET /1", "PATCH /1", "PATCH /1", "PUT /1"])]
#[case::busy(429, false, &["POST /", "PATCH /1", "GET /1", "PATCH /1", "PATCH /1", "PATCH /1", "PUT /1"])]
#[tokio::test]
async fn a_large_upload_that_stumbled_goes_on_where_it_was(
    #[case] status: u16,
    #[case] done: bool,
    #[case] expected: &[&str],
) {
    let mishaps = vec![Mishap {
        request: "PATCH",
        status,
        done,
    }];
    let ways = Ways {
        mishaps,
        ..Ways::default()
    };
    let (fake, store) = storing(ways).await;
    push(&fake, &large()).await.unwrap();
    assert_eq!(asked(&fake), expected);
    assert!(store.lock().unwrap().has("a", &large().digest));
}

#[tokio::test]
async fn a_large_upload_that_was_forgotten_begins_anew() {
    let mishaps = vec![Mishap {
        request: "PATCH",
        status: 404,
        done: false,
    }];
    let ways = Ways {
        mishaps,
        ..Ways::default()
    };
    let (fake, store) = storing(ways).await;
    push(&fake, &large()).await.unwrap();
    assert_eq!(fake.seen().len(), 2 + 1 + 5);
    assert!(store.lock().unwrap().has("a", &large().digest));
}

#[tokio::test]
async fn a_registry_without_chunks_gets_a_large_blob_at_once() {
    let ways = Ways {
        refuses_chunks: true,
        ..Ways::default()
    };
    let (fake, store) = storing(ways).await;
    push(&fake, &large()).await.unwrap();
    assert_eq!(asked(&fake), ["POST /", "PATCH /1", "POST /", "PUT /2"]);
    assert!(store.lock().unwrap().has("a", &large().digest));
}

#[tokio::test]
async fn a_registry_that_says_another_digest_is_found_out() {
    let ways = Ways {
        lies: true,
        ..Ways::default()
    };
    let (fake, _) = storing(ways).await;
    let fault = push(&fake, &small()).await.unwrap_err();
    assert_eq!((fault.kind, fault.retryable), (FailureKind::Image, false));
    assert!(fault.to_string().contains("another blob"), "{fault}");
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted() {
    let (fake, store) = storing(Ways::default()).await;
    let digest = store.lock().unwrap().put("b", b"layer");
    let (to, from) = (fake.reference("a:1"), fake.reference("b:2"));
    let mount = registry(LONG).mount_blob(&to, &digest, &from).await;
    assert!(matches!(mount.unwrap(), Mount::Mounted));
    assert!(store.lock().unwrap().has("a", &digest));
    assert_eq!(asked(&fake), ["POST /"]);
}

#[tokio::test]
async fn an_upload_goes_on_where_a_mount_was_refused() {
    let ways = Ways {
        refuses_mounts: true,
        ..Ways::default()
    };
    let (fake, store) = storing(ways).await;
    let blob = small();
    store.lock().unwrap().put("b", b"some layer");
    let (to, from) = (fake.reference("a:1"), fake.reference("b:2"));
    let registry = registry(LONG);
    let mount = registry.mount_blob(&to, &blob.digest, &from).await;
    let Mount::Refused(Some(upload)) = mount.unwrap() else {
        panic!("it was mounted");
    };
    let progress = Arc::new(Progress::default());
    registry
        .push_blob(&to, &blob, Some(upload), &progress)
        .await
        .unwrap();
    assert_eq!(asked(&fake), ["POST /", "PUT /1"]);
    assert!(store.lock().unwrap().has("a", &blob.digest));
}

#[tokio::test]
async fn a_registry_that_knows_no_mounts_is_not_asked_for_them_in_vain() {
    let mishaps = vec![Mishap {
        request: "POST",
        status: 405,
        done: false,
    }];
    let ways = Ways {
        mishaps,
        ..Ways::default()
    };
    let (fake, _) = storing(ways).await;
    let (to, from) = (fake.reference("a:1"), fake.reference("b:2"));
    let mount = registry(LONG).mount_blob(&to, &small().digest, &from).await;
    assert!(matches!(mount.unwrap(), Mount::Refused(None)));
}

/// A token for a mount must allow to read the other repository.
#[tokio::test]
async fn a_mount_asks_for_both_scopes() {
    let challenge = r#"Bearer realm="http://HERE/token",service="s""#;
    let fake = Fake::challenging(challenge, |_, _| plain(201, "")).await;
    let (to, from) = (fake.reference("a:1"), fake.reference("b:2"));
    let mount = registry(LONG).mount_blob(&to, &small().digest, &from).await;
    assert!(matches!(mount.unwrap(), Mount::Mounted));
    let scopes = "scope=repository%3Aa%3Apull%2Cpush&scope=repository%3Ab%3Apull&service=s";
    assert_eq!(fake.seen()[1], format!("GET /token?{scopes}"));
}

#[rstest]
#[case::small(small())]
#[case::large(large())]
#[tokio::test]
async fn a_blob_that_is_read_is_what_its_digest_says(#[case] blob: Blob) {
    let (fake, store) = storing(Ways::default()).await;
    let mut bytes = Vec::new();
    blob.reader().read_to_end(&mut bytes).unwrap();
    store.lock().unwrap().put("a", &bytes);
    let from = fake.reference("a:1");
    let registry = registry(LONG);
    let read = registry.fetch_blob(&from, &blob.digest, blob.size).await;
    let read = read.unwrap();
    let mut found = Vec::new();
    read.reader().read_to_end(&mut found).unwrap();
    assert_eq!(read.digest, blob.digest);
    assert!(found == bytes, "the bytes differ");
}

/// The first connection breaks in the middle; the rest is asked for.
#[tokio::test]
async fn a_blob_that_broke_off_is_read_from_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answers = [
        "HTTP/1.1 400 what\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsome ",
        "HTTP/1.1 206 OK\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nlayer",
    ];
    let served = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            heads.push(String::from_utf8_lossy(&head[..read]).to_ascii_lowercase());
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        heads
    });
    let from = Reference::parse(&format!("{address}/a:1")).unwrap();
    let (blob, registry) = (small(), registry(LONG));
    let read = registry.fetch_blob(&from, &blob.digest, blob.size).await;
    assert_eq!(read.unwrap().digest, blob.digest);
    let heads = served.await.unwrap();
    assert!(!heads[1].contains("range:") && heads[2].contains("range: bytes=5-"));
}

#[rstest]
#[case::another("same length", 11, "what its digest says")]
#[case::more("some layer and more", 10, "more of a blob")]
#[case::less("some", 10, "less of a blob")]
#[tokio::test]
async fn a_blob_that_is_another_is_refused(
    #[case] sent: &'static str,
    #[case] size: u64,
    #[case] words: &str,
) {
    let fake = Fake::serving("", Arc::new(move |_, _, _, _| plain(200, sent))).await;
    let (registry, from) = (registry(LONG), fake.reference("a:1"));
    let read = registry.fetch_blob(&from, &small().digest, size).await;
    let fault = read.unwrap_err();
    assert_eq!(fault.kind, FailureKind::Image);
    assert!(fault.to_string().contains(words), "{fault}");
}

fn manifest_of(blobs: [&Digest; 2]) -> Manifest {
    let [config, layer] = blobs.map(|digest| serde_json::json!({ "digest": digest }));
    let text = serde_json::json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
    let bytes = text.to_string().into_bytes();
    Manifest {
        digest: Digest::of(&bytes),
        bytes: bytes.into(),
        kind: "application/vnd.oci.image.manifest.v1+json".to_owned(),
    }
}

#[tokio::test]
async fn a_manifest_is_taken_once_its_blobs_are_there() {
    let (fake, store) = storing(Ways::default()).await;
    let there = store.lock().unwrap().put("a", b"there");
    let absent = Digest::of("absent");
    let manifest = manifest_of([&there, &absent]);
    let (registry, to) = (registry(LONG), fake.reference("a:1"));
    let written = registry.put_manifest(&to, &manifest).await.unwrap();
    let Written::Lacking { missing, fault } = written else {
        panic!("it was taken");
    };
    assert!(fault.to_string().contains("MANIFEST_BLOB_UNKNOWN"));
    assert_eq!(missing, [absent]);
    assert!(store.lock().unwrap().manifests.is_empty());
    store.lock().unwrap().put("a", b"absent");
    let written = registry.put_manifest(&to, &manifest).await.unwrap();
    assert!(matches!(written, Written::Done));
    assert!(
        store
            .lock()
            .unwrap()
            .manifests
            .contains_key(&("a".to_owned(), "1".to_owned()))
    );
}

#[tokio::test]
async fn a_registry_that_says_another_digest_of_a_manifest_is_found_out() {
    let ways = Ways {
        lies: true,
        ..Ways::default()
    };
    let (fake, store) = storing(ways).await;
    let there = store.lock().unwrap().put("a", b"there");
    let manifest = manifest_of([&there, &there]);
    let written = registry(LONG)
        .put_manifest(&fake.reference("a:1"), &manifest)
        .await;
    let fault = written.unwrap_err();
    assert!(fault.to_string().contains("another manifest"), "{fault}");
}

/// Not how long it takes counts, but that nothing moves.
#[tokio::test]
async fn an_upload_that_nobody_takes_is_late() {
    let fake = Fake::serving(
        "",
        Arc::new(|number, _, _, _| {
            let mut answer = plain(if number == 0 { 202 } else { 504 }, "");
            let there = "/upload".parse().unwrap();
            answer.headers_mut().insert("location", there);
            answer
        }),
    )
    .await;
    let limits = Limits {
        silence: Duration::from_millis(50),
        ..Limits::default()
    };
    let registry = Registry::new(Credentials::default(), None, limits);
    let progress = Arc::new(Progress::default());
    let to = fake.reference("a:1");
    let pushed = registry.push_blob(&to, &small(), None, &progress).await;
    let fault = pushed.unwrap_err();
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Unreachable, true)
    );
    assert!(fault.to_string().contains("within 0.05 s"), "{fault}");
}
