use rstest::rstest;

use super::*;
use crate::image::explain;

fn file(path: &str, text: &str) -> InputFile {
    InputFile {
        path: path.to_owned(),
        mode: 0o644,
        content: InputContent::File {
            digest: Digest::of(text),
            size: u64::try_from(text.len()).unwrap(),
        },
    }
}

/// Everything that goes into a key, owned, so that a case can change one thing.
#[derive(Clone)]
struct Inputs {
    dockerfile: String,
    files: Vec<InputFile>,
    build_args: BTreeMap<String, String>,
    platform: String,
    bases: BTreeMap<String, Digest>,
}

impl Inputs {
    fn fixed() -> Self {
        Self {
            dockerfile: "FROM r.example/esb-lambda-base:1.4.2\nCOPY functions/a/src /var/task\n"
                .to_owned(),
            files: vec![
                file("functions/a/src/x.py", "print(1)\n"),
                InputFile {
                    path: "functions/a/src/run".to_owned(),
                    mode: 0o755,
                    content: InputContent::Symlink {
                        target: "x.py".to_owned(),
                    },
                },
                InputFile {
                    path: "functions/a/src/empty".to_owned(),
                    mode: 0o755,
                    content: InputContent::Directory,
                },
            ],
            build_args: BTreeMap::from([("STAGE".to_owned(), "dev".to_owned())]),
            platform: "linux/amd64".to_owned(),
            bases: BTreeMap::from([(
                "r.example/esb-lambda-base:1.4.2".to_owned(),
                Digest::of("base"),
            )]),
        }
    }

    fn key(&self) -> ContentKey {
        content_key(&KeyInputs {
            dockerfile: &self.dockerfile,
            files: &self.files,
            build_args: &self.build_args,
            platform: &self.platform,
            bases: &self.bases,
        })
    }
}

#[test]
fn the_algorithm_gives_the_key_it_always_gave() {
    // A change of this key is a change of the algorithm: raise its version, and every image is built once more.
    let ContentKey { key, inputs } = Inputs::fixed().key();
    assert_eq!(
        key.as_str(),
        "sha256:94e892c059ce2226598568df239b783792b53ed082e11da68d76ee2785a01a15"
    );
    assert_eq!(
        key_tag(&key),
        "key1-94e892c059ce2226598568df239b783792b53ed0"
    );
    let names: Vec<&String> = inputs.keys().collect();
    assert_eq!(
        names,
        [
            "algorithm",
            "arg STAGE",
            "base r.example/esb-lambda-base:1.4.2",
            "dockerfile",
            "file functions/a/src/empty",
            "file functions/a/src/run",
            "file functions/a/src/x.py",
            "platform",
        ]
    );
}

#[rstest]
#[case::dockerfile(|i: &mut Inputs| i.dockerfile.push('#'), "the Dockerfile changed")]
#[case::content(|i: &mut Inputs| i.files[0] = file("functions/a/src/x.py", "print(2)\n"), "functions/a/src/x.py changed")]
#[case::mode(|i: &mut Inputs| i.files[0].mode = 0o755, "functions/a/src/x.py changed")]
#[case::target(
    |i: &mut Inputs| i.files[1].content = InputContent::Symlink { target: "y.py".to_owned() },
    "functions/a/src/run changed"
)]
#[case::kind(|i: &mut Inputs| i.files[1].content = InputContent::Directory, "functions/a/src/run changed")]
#[case::more(|i: &mut Inputs| i.files.push(file("functions/a/src/y.py", "")), "functions/a/src/y.py is new")]
#[case::fewer(|i: &mut Inputs| drop(i.files.remove(0)), "functions/a/src/x.py is gone")]
#[case::argument(
    |i: &mut Inputs| drop(i.build_args.insert("STAGE".to_owned(), "prod".to_owned())),
    "build argument STAGE changed"
)]
#[case::more_arguments(
    |i: &mut Inputs| drop(i.build_args.insert("X".to_owned(), String::new())),
    "build argument X is new"
)]
#[case::platform(|i: &mut Inputs| i.platform = "linux/arm64".to_owned(), "the platform changed")]
#[case::base(
    |i: &mut Inputs| drop(i.bases.insert("r.example/esb-lambda-base:1.4.2".to_owned(), Digest::of("moved"))),
    "base r.example/esb-lambda-base:1.4.2 moved"
)]
fn every_input_moves_the_key_and_is_named(#[case] change: fn(&mut Inputs), #[case] expected: &str) {
    let old = Inputs::fixed();
    let mut new = old.clone();
    change(&mut new);
    let (old, new) = (old.key(), new.key());
    assert_ne!(old.key, new.key);
    assert_ne!(key_tag(&old.key), key_tag(&new.key));
    assert_eq!(explain(&old.inputs, &new.inputs), [expected]);
}

#[rstest]
#[case("HTTP_PROXY")]
#[case("https_proxy")]
#[case("NO_PROXY")]
#[case("all_proxy")]
fn proxies_do_not_move_the_key(#[case] name: &str) {
    let old = Inputs::fixed();
    let mut new = old.clone();
    new.build_args
        .insert(name.to_owned(), "http://proxy.example:3128".to_owned());
    assert_eq!(old.key(), new.key());
}

#[test]
fn the_order_of_files_does_not_move_the_key() {
    let old = Inputs::fixed();
    let mut new = old.clone();
    new.files.reverse();
    assert_eq!(old.key(), new.key());
}

#[test]
fn texts_do_not_run_into_each_other() {
    assert_ne!(hash(&["a", "bc"]), hash(&["ab", "c"]));
    assert_ne!(hash(&["a", ""]), hash(&["a"]));
    let [mut old, mut new] = [Inputs::fixed(), Inputs::fixed()];
    old.build_args = BTreeMap::from([("AB".to_owned(), "C".to_owned())]);
    new.build_args = BTreeMap::from([("A".to_owned(), "BC".to_owned())]);
    assert_ne!(old.key().key, new.key().key);
}

#[test]
fn no_value_is_kept() {
    let mut inputs = Inputs::fixed();
    inputs
        .build_args
        .insert("TOKEN".to_owned(), "hunter2".to_owned());
    let kept = serde_json::to_string(&inputs.key().inputs).unwrap();
    assert!(kept.contains("arg TOKEN"));
    assert!(!kept.contains("hunter2"));
    assert!(!kept.contains(Digest::of("hunter2").hex()));
}

fn many(count: usize, path: impl Fn(usize) -> String) -> Inputs {
    let files = (0..count).map(|n| file(&path(n), "x")).collect();
    Inputs {
        files,
        ..Inputs::fixed()
    }
}

#[rstest]
#[case::just_few_enough(64, |n| format!("functions/a/f{n}"), "file functions/a/f0", 64)]
#[case::one_more(65, |n| format!("functions/a/f{n}"), "files functions/a", 1)]
#[case::folders(200, |n| format!("functions/a/{}/{n}", n % 7), "files functions/a/0", 7)]
#[case::folders_of_folders(200, |n| format!("functions/a/{}/{n}/x", n % 7), "files functions/a/0", 7)]
#[case::flat(200, |n| format!("f{n}"), "files .", 1)]
#[case::wide(200, |n| format!("d{n}/x"), "files .", 1)]
#[case::long_paths(64, |n| format!("functions/{n}{}/f", "d".repeat(400)), "files functions", 1)]
#[case::longer_than_everything(3, |n| format!("{}/f{n}", "d".repeat(20_000)), "files .", 1)]
fn many_files_are_folded_by_folder(
    #[case] count: usize,
    #[case] path: fn(usize) -> String,
    #[case] first: &str,
    #[case] named: usize,
) {
    let inputs = many(count, path);
    let key = inputs.key();
    let files: Vec<&String> = key
        .inputs
        .keys()
        .filter(|name| name.starts_with("file"))
        .collect();
    assert_eq!(files.len(), named, "{files:?}");
    assert!(files.contains(&&first.to_owned()), "{files:?}");
    assert!(serde_json::to_string(&key.inputs).unwrap().len() <= MAX_INPUTS);
    // A folded file still moves the key, and the folder that holds it.
    let mut changed = inputs.clone();
    changed.files[0].mode = 0o755;
    let changed = changed.key();
    assert_ne!(changed.key, key.key);
    assert_ne!(changed.inputs.get(first), key.inputs.get(first));
}

#[test]
fn many_arguments_and_bases_are_folded_too() {
    let mut inputs = many(100, |n| format!("d{n}/x"));
    inputs.build_args = (0..500)
        .map(|n| (format!("ARGUMENT_{n}"), String::new()))
        .collect();
    let named = inputs.key().inputs;
    assert!(named.contains_key("args") && named.contains_key("files ."));
    assert!(named.keys().any(|name| name.starts_with("base ")));
    let long = |n: usize| {
        (
            format!("r.example/{}:{n}", "x".repeat(240)),
            Digest::of("b"),
        )
    };
    inputs.bases = (0..64).map(long).collect();
    let named = inputs.key().inputs;
    assert!(named.contains_key("bases"));
    assert!(serde_json::to_string(&named).unwrap().len() <= MAX_INPUTS);
}

#[test]
fn one_path_given_twice_counts_as_both() {
    let once = Inputs::fixed();
    let mut same = once.clone();
    same.files.push(file("functions/a/src/x.py", "print(1)\n"));
    assert_eq!(once.key(), same.key());
    let mut other = once.clone();
    other.files.push(file("functions/a/src/x.py", "print(2)\n"));
    assert_ne!(once.key().key, other.key().key);
    let either_order = other.key();
    other.files.reverse();
    assert_eq!(other.key(), either_order);
}

#[test]
fn an_input_file_survives_its_json_form() {
    for file in Inputs::fixed().files {
        let json = serde_json::to_string(&file).unwrap();
        assert_eq!(serde_json::from_str::<InputFile>(&json).unwrap(), file);
    }
}
