//! Images that are assembled, at registries that keep what they are sent.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::docker::registry::tests::fake::Fake;
use crate::docker::registry::tests::store::{Store, Ways, storing};
use crate::docker::registry::tests::{LONG, registry};
use crate::image::{InputContent, InputFile};

const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// A registry with a base of one layer, and a folder with a handler.
struct Bench {
    fake: Fake,
    store: Store,
    folder: tempfile::TempDir,
    layer: Digest,
}

/// Puts the base into a store; its digest, and that of its layer.
fn base(store: &Store) -> (Digest, Digest) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(3);
    archive
        .append_data(&mut header, "etc/os", &b"abc"[..])
        .unwrap();
    let bytes = archive.into_inner().unwrap();
    let mut store = store.lock().unwrap();
    let layer = store.put("base", &bytes);
    let configuration = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [layer] },
    });
    let configuration = configuration.to_string();
    let config = store.put("base", configuration.as_bytes());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": config, "size": configuration.len() },
        "layers": [{ "mediaType": LAYER, "digest": layer, "size": bytes.len() }],
    });
    let manifest = manifest.to_string();
    let digest = Digest::of(&manifest);
    store.manifests.insert(
        ("base".to_owned(), digest.to_string()),
        (MANIFEST.to_owned(), manifest.into()),
    );
    (digest, layer)
}

impl Bench {
    async fn new(ways: Ways) -> Self {
        let (fake, store) = storing(ways).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("handler"), "handle").unwrap();
        let (_, layer) = base(&store);
        Self {
            fake,
            store,
            folder,
            layer,
        }
    }

    /// Assembles the image of a function in the repository of its name.
    async fn make(
        &self,
        assembler: &Assembler,
        function: &str,
        is_known: bool,
    ) -> Result<Result<Digest, NeedsBuilder>, Fault> {
        self.make_over(assembler, function, is_known, &self.fake, &self.store, "")
            .await
    }

    async fn make_over(
        &self,
        assembler: &Assembler,
        function: &str,
        is_known: bool,
        home: &Fake,
        store: &Store,
        more: &str,
    ) -> Result<Result<Digest, NeedsBuilder>, Fault> {
        let (digest, _) = base(store);
        let reference = home.reference("base:1");
        let dockerfile =
            format!("FROM {reference}\n{more}\nCOPY handler /handler\nENV NAME={function}\n");
        let context = Arc::new(Context {
            root: self.folder.path().to_owned(),
            dockerfile,
            files: vec![InputFile {
                path: "handler".to_owned(),
                mode: 0o644,
                content: InputContent::File {
                    digest: Digest::of("handle"),
                    size: 6,
                },
            }],
        });
        let registry = registry(LONG);
        let job = Job {
            registry: &registry,
            function,
            context: &context,
            bases: &[(reference, Base::Registry(digest))],
            build_args: &BTreeMap::new(),
            platform: "linux/amd64",
            keyed: &self.fake.reference(&format!("{function}:key1")),
            is_known,
        };
        assembler.make(&job).await
    }

    fn asked(&self) -> Vec<String> {
        let seen = self.fake.seen().into_iter();
        seen.map(|line| line.split(['?', '{']).next().unwrap().to_owned())
            .collect()
    }

    fn writes(&self) -> Vec<String> {
        let asked = self.asked().into_iter();
        asked
            .filter(|line| line.starts_with("PUT") || line.starts_with("POST"))
            .collect()
    }

    fn has(&self, function: &str) -> Option<Digest> {
        let store = self.store.lock().unwrap();
        let key = (function.to_owned(), "key1".to_owned());
        store
            .manifests
            .get(&key)
            .map(|(_, bytes)| Digest::of(bytes))
    }
}

fn assembler(cache: Option<&Path>) -> Assembler {
    Assembler::new(BuilderChoice::Assemble, cache)
}

#[tokio::test]
async fn the_layers_of_a_base_are_mounted_and_a_layer_of_two_functions_is_sent_once() {
    let bench = Bench::new(Ways::default()).await;
    let assembler = assembler(None);
    let alpha = bench.make(&assembler, "alpha", false).await.unwrap();
    assert_eq!(Some(alpha.unwrap()), bench.has("alpha"));
    assert!(bench.store.lock().unwrap().has("alpha", &bench.layer));
    let before = bench.writes().len();
    let beta = bench.make(&assembler, "beta", false).await.unwrap();
    assert_eq!(Some(beta.unwrap()), bench.has("beta"));
    let mut writes = bench.writes().split_off(before);
    writes.sort();
    let upload = "POST /v2/beta/blobs/uploads/";
    let sent = |line: &&String| line.starts_with("PUT /v2/beta/blobs/uploads/");
    // Both layers are mounted, the configuration is sent.
    assert_eq!(writes.iter().filter(|line| *line == upload).count(), 3);
    assert_eq!(writes.iter().filter(sent).count(), 1, "{writes:?}");
}

#[tokio::test]
async fn a_registry_without_mounts_gets_every_layer() {
    let bench = Bench::new(Ways {
        refuses_mounts: true,
        ..Ways::default()
    })
    .await;
    let assembler = assembler(None);
    for function in ["alpha", "beta"] {
        let made = bench.make(&assembler, function, false).await.unwrap();
        assert_eq!(Some(made.unwrap()), bench.has(function));
        assert!(bench.store.lock().unwrap().has(function, &bench.layer));
    }
}

#[tokio::test]
async fn a_base_of_another_registry_is_copied() {
    let bench = Bench::new(Ways::default()).await;
    let (other, store) = storing(Ways::default()).await;
    bench.store.lock().unwrap().blobs.clear();
    let assembler = assembler(None);
    let made = bench.make_over(&assembler, "alpha", false, &other, &store, "");
    let made = made.await.unwrap().unwrap();
    assert_eq!(Some(made), bench.has("alpha"));
    assert!(bench.store.lock().unwrap().has("alpha", &bench.layer));
    let writes = |line: &String| line.starts_with("PUT") || line.starts_with("POST");
    assert!(!other.seen().iter().any(writes), "it is read only");
}

/// Whoever has deployed the function before has its layers there: one request says so.
#[tokio::test]
async fn a_manifest_is_tried_first_where_the_repository_is_known() {
    let bench = Bench::new(Ways::default()).await;
    let first = bench.make(&assembler(None), "alpha", false).await.unwrap();
    let before = bench.writes().len();
    let again = bench.make(&assembler(None), "alpha", true).await.unwrap();
    assert_eq!(first.unwrap(), again.unwrap());
    assert_eq!(
        bench.writes().split_off(before),
        ["PUT /v2/alpha/manifests/key1"]
    );
}

/// What is missing is brought, and no more.
#[tokio::test]
async fn a_known_repository_gets_what_it_lacks() {
    let bench = Bench::new(Ways::default()).await;
    let made = bench.make(&assembler(None), "alpha", false).await.unwrap();
    let lost = ("alpha".to_owned(), bench.layer.to_string());
    bench.store.lock().unwrap().blobs.remove(&lost).unwrap();
    let before = bench.writes().len();
    let again = bench.make(&assembler(None), "alpha", true).await.unwrap();
    assert_eq!(made.unwrap(), again.unwrap());
    let expected = [
        "PUT /v2/alpha/manifests/key1",
        "POST /v2/alpha/blobs/uploads/",
        "PUT /v2/alpha/manifests/key1",
    ];
    assert_eq!(bench.writes().split_off(before), expected);
}

/// A layer of a base is read once on this machine, whatever run needs it.
#[tokio::test]
async fn the_index_of_a_layer_is_kept() {
    let bench = Bench::new(Ways::default()).await;
    let cache = tempfile::tempdir().unwrap();
    let read = format!("GET /v2/base/blobs/{}", bench.layer);
    let reads = || bench.asked().iter().filter(|line| **line == read).count();
    for function in ["alpha", "beta"] {
        let assembler = assembler(Some(cache.path()));
        bench
            .make(&assembler, function, false)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(reads(), 1);
    }
    for entry in std::fs::read_dir(cache.path().join("layers")).unwrap() {
        std::fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    let assembler = assembler(Some(cache.path()));
    bench
        .make(&assembler, "gamma", false)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reads(), 2, "a damaged index is read anew");
}

#[rstest]
#[case::another("hundle")]
#[case::longer("handle it")]
#[case::shorter("hand")]
#[tokio::test]
async fn a_file_that_changed_since_it_was_hashed_ends_the_image(#[case] text: &str) {
    let bench = Bench::new(Ways::default()).await;
    std::fs::write(bench.folder.path().join("handler"), text).unwrap();
    let made = bench.make(&assembler(None), "alpha", false).await;
    let fault = made.unwrap_err();
    assert_eq!((fault.kind, fault.retryable), (FailureKind::Image, true));
    let said = fault.to_string();
    assert!(said.contains("changed while it was deployed"), "{said}");
    assert_eq!(bench.writes(), [""; 0]);
}

#[tokio::test]
async fn an_instruction_that_runs_needs_a_builder() {
    let bench = Bench::new(Ways::default()).await;
    let (fake, store) = (&bench.fake, &bench.store);
    let assembler = assembler(None);
    let made = bench.make_over(&assembler, "alpha", false, fake, store, "RUN true");
    let why = made.await.unwrap().unwrap_err().to_string();
    assert!(why.starts_with("line 2: `RUN` needs a builder"), "{why}");
    assert_eq!(bench.writes(), [""; 0]);
}

#[tokio::test]
async fn a_base_that_only_the_engine_has_needs_a_builder() {
    let bases = [(
        Reference::parse("local:1").unwrap(),
        Base::Local {
            id: Digest::of("x"),
            absent: true,
        },
    )];
    let recipe = recipe("FROM local:1\n", &BTreeMap::new(), "linux/amd64").unwrap();
    let why = wanted(&recipe, &bases).unwrap_err().to_string();
    assert!(why.contains("`local:1` needs a builder"), "{why}");
}
