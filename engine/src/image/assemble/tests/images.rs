//! What instructions make of a base and of a context.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{prop_assert, proptest};
use proptest::sample::select;
use rstest::rstest;

use crate::contract::Digest;
use crate::image::assemble::{
    Added, Assembled, AssemblyInputs, BaseImage, BaseLayer, FileTree, ImageConfiguration,
    LayerIndex, LayerMember, ManifestFormat, MemberKind, NewLayer, NodeKind, WrittenLayer,
    assemble,
};
use crate::image::{InputContent, InputFile, NotAssembled, Reference, recipe};

fn member(path: &str, mode: u32, kind: MemberKind) -> LayerMember {
    LayerMember {
        path: path.to_owned(),
        kind,
        mode,
        uid: 0,
        gid: 0,
        xattrs: BTreeMap::new(),
    }
}

/// A base with users, links, a file in the way and a folder with a mode of its own.
fn base() -> BaseImage {
    let link = |target: &str| MemberKind::Symlink {
        target: target.to_owned(),
    };
    let file = MemberKind::File { size: 1 };
    let passwd = "root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n";
    let group = "root:x:0:\nweb:x:33:\n";
    let index = LayerIndex {
        members: vec![
            member("etc", 0o755, MemberKind::Directory),
            member("etc/group", 0o644, file.clone()),
            member("etc/passwd", 0o644, file.clone()),
            member("file", 0o644, file),
            member("lib", 0o777, link("usr/lib")),
            member("odd", 0o1733, MemberKind::Directory),
            member("loop", 0o777, link("loop")),
            member("nowhere", 0o777, link("/new/deep")),
            member("usr", 0o755, MemberKind::Directory),
            member("usr/lib", 0o700, MemberKind::Directory),
        ],
        texts: [("etc/passwd", passwd), ("etc/group", group)]
            .map(|(path, text)| (path.to_owned(), text.to_owned()))
            .into(),
    };
    let layer = BaseLayer {
        digest: Digest::of("layer"),
        diff_id: Digest::of("unpacked"),
        size: 9,
        media_type: ManifestFormat::Oci.layer().to_owned(),
    };
    let mut tree = FileTree::default();
    tree.apply_layer(&layer.digest, &index);
    let configuration = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers"},"history":null,
        "config":{"Env":["PATH=/bin","A=1"],"Cmd":["base"],"WorkingDir":"/srv","Labels":{"b":"1"},
        "ExposedPorts":{"1/tcp":{}},"Hostname":"x"}}"#;
    BaseImage {
        configuration: serde_json::from_str(configuration).unwrap(),
        layers: vec![layer],
        tree,
        format: ManifestFormat::Oci,
    }
}

fn context() -> Vec<InputFile> {
    let entry = |path: &str, mode: u32, content: InputContent| InputFile {
        path: path.to_owned(),
        mode,
        content,
    };
    let file = |path: &str, mode: u32| {
        let (digest, size) = (Digest::of(path), 1);
        entry(path, mode, InputContent::File { digest, size })
    };
    let link = |path: &str, target: &str| {
        let target = target.to_owned();
        entry(path, 0o777, InputContent::Symlink { target })
    };
    vec![
        file("a.py", 0o644),
        file("b.txt", 0o755),
        file("d/e/f.py", 0o644),
        file("d/g.py", 0o755),
        entry("empty", 0o755, InputContent::Directory),
        link("link", "d/g.py"),
    ]
}

fn made_with(text: &str, args: &[(&str, &str)]) -> Result<Assembled, NotAssembled> {
    let args = args
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let bases = [(Reference::parse("base").unwrap(), base())].into();
    let added = |_: &InputFile| Ok(Added::Plain);
    let inputs = AssemblyInputs {
        bases: &bases,
        files: &context(),
        added: &added,
        epoch: 0,
    };
    assemble(&recipe(text, &args, "linux/amd64")?, &inputs)
}

fn made(steps: &str) -> Result<Assembled, NotAssembled> {
    made_with(&format!("FROM base\n{steps}"), &[])
}

/// The entries of all new layers: path, mode, owner, and what of the context it is.
fn entries(assembled: &Assembled) -> Vec<String> {
    let entries = assembled.layers.iter().flat_map(|layer| &layer.entries);
    entries
        .map(|entry| {
            let node = &entry.node;
            let kind = match &node.kind {
                NodeKind::Directory => "/".to_owned(),
                NodeKind::File { .. } => String::new(),
                NodeKind::Symlink { target } => format!(" -> {target}"),
                NodeKind::Special => " special".to_owned(),
            };
            format!(
                "{}{kind} {:o} {}:{}",
                entry.path, node.mode, node.uid, node.gid
            )
        })
        .collect()
}

#[rstest]
#[case::file_as("COPY a.py /x", &["x 644 0:0"])]
#[case::file_into("COPY a.py /x/", &["x/ 755 0:0", "x/a.py 644 0:0"])]
#[case::into_a_folder_that_is_there("COPY a.py /odd", &["odd/ 1733 0:0", "odd/a.py 644 0:0"])]
#[case::from_the_working_directory("COPY a.py .", &["srv/ 755 0:0", "srv/a.py 644 0:0"])]
#[case::deep("COPY a.py /x/y/z", &["x/ 755 0:0", "x/y/ 755 0:0", "x/y/z 644 0:0"])]
#[case::what_a_folder_holds("COPY d /x", &["x/ 755 0:0", "x/e/ 755 0:0", "x/e/f.py 644 0:0", "x/g.py 755 0:0"])]
#[case::empty_folder("COPY empty /x", &["x/ 755 0:0"])]
#[case::several("COPY a.py b.txt d /x/", &["x/ 755 0:0", "x/a.py 644 0:0", "x/b.txt 755 0:0", "x/e/ 755 0:0", "x/e/f.py 644 0:0", "x/g.py 755 0:0"])]
#[case::wildcard("COPY *.py d/*.py /x/", &["x/ 755 0:0", "x/a.py 644 0:0", "x/g.py 755 0:0"])]
#[case::wildcard_without_a_match("COPY *.no /x", &[])]
#[case::link_is_followed("COPY link /x/", &["x/ 755 0:0", "x/link 755 0:0"])]
#[case::link_stays("COPY . /x/", &["x/ 755 0:0", "x/a.py 644 0:0", "x/b.txt 755 0:0", "x/d/ 755 0:0", "x/d/e/ 755 0:0", "x/d/e/f.py 644 0:0", "x/d/g.py 755 0:0", "x/empty/ 755 0:0", "x/link -> d/g.py 777 0:0"])]
#[case::through_a_link_of_the_base("COPY a.py /lib/x", &["usr/ 755 0:0", "usr/lib/ 700 0:0", "usr/lib/x 644 0:0"])]
#[case::where_a_link_leads("COPY --chown=7 a.py /nowhere", &["new/ 755 7:7", "new/deep 644 7:7"])]
#[case::owner_by_number("COPY --chown=7 a.py /x/", &["x/ 755 7:7", "x/a.py 644 7:7"])]
#[case::owner_by_name("COPY --chown=app a.py /x", &["x 644 1000:1001"])]
#[case::group_by_name("COPY --chown=7:web a.py /x", &["x 644 7:33"])]
#[case::mode("COPY --chmod=600 d /x", &["x/ 755 0:0", "x/e/ 600 0:0", "x/e/f.py 600 0:0", "x/g.py 600 0:0"])]
#[case::workdir("WORKDIR /w/x", &["w/ 755 0:0", "w/x/ 755 0:0"])]
#[case::workdir_is_the_users("USER app\nWORKDIR y", &["srv/ 755 1000:1001", "srv/y/ 755 1000:1001"])]
#[case::workdir_that_is_there("WORKDIR /odd", &[])]
#[case::two_layers("COPY a.py /x\nCOPY b.txt /x", &["x 644 0:0", "x 755 0:0"])]
#[case::variable("ENV P=/x\nCOPY a.py $P/y", &["x/ 755 0:0", "x/y 644 0:0"])]
fn files_go_where_a_builder_puts_them(#[case] steps: &str, #[case] expected: &[&str]) {
    assert_eq!(entries(&made(steps).unwrap()), expected);
}

#[rstest]
#[case::missing("COPY no /x", "`no` is not there")]
#[case::wildcard_in_a_missing_folder("COPY no/*.py /x/", "`/no` is not there")]
#[case::below_a_file("COPY a.py /file/x", "`/file` is no folder")]
#[case::file_over_a_folder(
    "COPY a.py /usr/a.py/\nCOPY a.py /usr",
    "`/usr/a.py` is a folder, and a file would take its place"
)]
#[case::folder_over_a_file(
    "COPY a.py /x/e\nCOPY d /x",
    "`/x/e` is no folder, and a folder would take its place"
)]
#[case::several_as_one(
    "COPY a.py b.txt /x",
    "several sources go into a folder, which ends with `/`"
)]
#[case::unknown_user("COPY --chown=nobody a.py /x", "`nobody` is not in `/etc/passwd`")]
#[case::changed_users(
    "COPY a.py /etc/passwd\nCOPY --chown=app a.py /x",
    "the base has no `/etc/passwd` that can be read"
)]
#[case::loop_of_links("COPY a.py /loop/x", "a path leads through too many links")]
#[case::argument_over_environment(
    "ARG A=2",
    "builders differ on whether it hides the `ENV A` before it"
)]
#[case::port("EXPOSE x", "`x` is not understood")]
#[case::signal("STOPSIGNAL NO", "`NO` is not understood")]
fn what_a_builder_would_refuse_is_left_to_it(#[case] steps: &str, #[case] expected: &str) {
    assert_eq!(made(steps).unwrap_err().why, expected);
}

#[rstest]
#[case("ENV B=$A C=\"$A $B\"", r#"{"Env":["PATH=/bin","A=1","B=1","C=1 "]}"#)]
#[case("ENV A 2 3", r#"{"Env":["PATH=/bin","A=2 3"]}"#)]
#[case(
    "ARG G\nARG D=$G-d\nENV X=$G$D$NO",
    r#"{"Env":["PATH=/bin","A=1","X=given given -d"]}"#
)]
#[case("CMD a  $b", r#"{"Cmd":["/bin/sh","-c","a  $b"],"ArgsEscaped":true}"#)]
#[case(
    "SHELL [\"x\"]\nCMD a",
    r#"{"Cmd":["x","a"],"ArgsEscaped":true,"Shell":["x"]}"#
)]
#[case("ENTRYPOINT [\"e\"]", r#"{"Entrypoint":["e"],"Cmd":null}"#)]
#[case(
    "CMD [\"c\"]\nENTRYPOINT [\"e\"]",
    r#"{"Entrypoint":["e"],"Cmd":["c"],"ArgsEscaped":true}"#
)]
#[case("USER u:$A", r#"{"User":"u:1"}"#)]
#[case(
    "EXPOSE 80 8-9/UDP",
    r#"{"ExposedPorts":{"1/tcp":{},"80/tcp":{},"8/udp":{},"9/udp":{}}}"#
)]
#[case(
    "LABEL a=\"x y\" c=$A\nLABEL b=2",
    r#"{"Labels":{"a":"x y","b":"2","c":"1"}}"#
)]
#[case(
    "VOLUME /a /b\nVOLUME [\"/c d\"]",
    r#"{"Volumes":{"/a":{},"/b":{},"/c d":{}}}"#
)]
#[case("STOPSIGNAL SIGTERM", r#"{"StopSignal":"SIGTERM"}"#)]
#[case("WORKDIR x\nWORKDIR ../y", r#"{"WorkingDir":"/srv/y"}"#)]
#[case(
    "HEALTHCHECK --interval=1m30s --retries=3 CMD x y",
    r#"{"Healthcheck":{"Test":["CMD-SHELL","x y"],"Interval":90000000000,"Retries":3}}"#
)]
#[case("HEALTHCHECK NONE", r#"{"Healthcheck":{"Test":["NONE"]}}"#)]
fn settings_are_those_that_a_builder_sets(#[case] steps: &str, #[case] changed: &str) {
    let text = format!("ARG G\nFROM base\n{steps}");
    let made = made_with(&text, &[("G", "given ")])
        .unwrap()
        .configuration
        .config;
    let mut expected = serde_json::to_value(base().configuration.config).unwrap();
    let changed: BTreeMap<String, serde_json::Value> = serde_json::from_str(changed).unwrap();
    for (name, value) in changed {
        expected[name] = value;
    }
    let expected = serde_json::from_value(expected).unwrap();
    assert_eq!(made, expected);
}

#[test]
fn a_stage_goes_on_from_another_and_copies_from_one() {
    let text = "FROM base AS one\nENV S=/s\nWORKDIR /made\nCOPY --chown=5 d .\n\
        FROM base AS two\nRUN not reached\n\
        FROM one\nCOPY --from=one $S/../made/e/*.py /x/\nCOPY --from=base /lib/../lib /y";
    let assembled = made_with(text, &[]).unwrap();
    let expected = [
        "made/ 755 0:0",
        "made/ 755 0:0",
        "made/e/ 755 5:5",
        "made/e/f.py 644 5:5",
        "made/g.py 755 5:5",
        "x/ 755 0:0",
        "x/f.py 644 5:5",
        "y/ 755 0:0",
    ];
    assert_eq!(entries(&assembled), expected);
    assert_eq!(assembled.configuration.config.working_dir, "/made");
}

#[test]
fn an_archive_of_add_is_left_to_the_builder() {
    let bases = [].into();
    let files = context();
    let added = |file: &InputFile| match file.path.as_str() {
        "a.py" => Ok(Added::Archive),
        "b.txt" => Err("it went away".to_owned()),
        _ => Ok(Added::Plain),
    };
    let inputs = AssemblyInputs {
        bases: &bases,
        files: &files,
        added: &added,
        epoch: 0,
    };
    let refused = |sources: &str| {
        let text = format!("FROM scratch\nADD {sources} /x/\n");
        let recipe = recipe(&text, &BTreeMap::new(), "linux/amd64").unwrap();
        assemble(&recipe, &inputs).map_err(|refused| refused.why)
    };
    assert!(refused("d link").is_ok());
    assert_eq!(refused("*.py").unwrap_err(), "`a.py` is an archive");
    assert_eq!(refused("b.txt").unwrap_err(), "it went away");
}

#[test]
fn scratch_is_nothing_but_a_path_and_a_root() {
    let assembled = made_with("FROM scratch\nCOPY a.py /", &[]).unwrap();
    let config = &assembled.configuration.config;
    assert_eq!(
        config.env,
        ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    );
    assert_eq!(config.working_dir, "/");
    assert!(assembled.base_layers.is_empty());
    let empty = made_with("FROM scratch\nENV A=1", &[]).unwrap_err();
    assert_eq!(empty.why, "the image has no layer");
}

#[test]
fn a_finished_image_names_its_layers_in_their_order() {
    let assembled = made("COPY a.py /x\nENV B=2").unwrap();
    let written = WrittenLayer {
        diff_id: Digest::of("new unpacked"),
        digest: Digest::of("new"),
        size: 3,
    };
    let finished = assembled.finish(std::slice::from_ref(&written));
    assert_eq!(
        finished.configuration_digest,
        Digest::of(&finished.configuration)
    );
    assert_eq!(finished.digest, Digest::of(&finished.manifest));
    let configuration: ImageConfiguration =
        serde_json::from_slice(&finished.configuration).unwrap();
    assert_eq!(
        configuration.rootfs.diff_ids,
        [Digest::of("unpacked"), written.diff_id]
    );
    let history: Vec<_> = configuration
        .history
        .iter()
        .map(|entry| entry.empty_layer)
        .collect();
    assert_eq!(history, [false, true]);
    let manifest: serde_json::Value = serde_json::from_slice(&finished.manifest).unwrap();
    assert_eq!(manifest["config"]["size"], finished.configuration.len());
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers[0]["digest"], Digest::of("layer").as_str());
    assert_eq!(layers[1]["digest"], Digest::of("new").as_str());
    assert_eq!(layers[1]["mediaType"], ManifestFormat::Oci.layer());
}

proptest! {
    /// Whatever stands in a Dockerfile, it is assembled or a line of it is named.
    #[test]
    fn no_text_ends_the_program(lines in vec((select(INSTRUCTIONS.to_vec()), vec(select(WORDS.to_vec()), 0..4)), 0..6)) {
        let lines = lines.iter().map(|(name, words)| format!("{name} {}\n", words.join(" ")));
        let text = "FROM base\n".to_owned() + &lines.collect::<Vec<_>>().concat();
        match made_with(&text, &[]) {
            Ok(assembled) => {
                let sorted = |layer: &NewLayer| layer.entries.is_sorted_by(|one, two| one.path < two.path);
                prop_assert!(assembled.layers.iter().all(sorted));
            }
            Err(refused) => prop_assert!(refused.line <= 1 + u32::try_from(text.lines().count()).unwrap()),
        }
    }
}

const INSTRUCTIONS: [&str; 17] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
    "copy",
];
const WORDS: [&str; 40] = [
    "a.py",
    "d",
    "*",
    "d/*",
    "[",
    "\\",
    "/",
    ".",
    "..",
    "/x/",
    "/lib/../y",
    "loop/x",
    "/file/x",
    "link",
    "--chown=app",
    "--chown=:",
    "--chown=",
    "--chmod=",
    "--chmod=777",
    "--from=base",
    "--from=0",
    "--from=-1",
    "--from",
    "--",
    "$A",
    "${A:-$B}",
    "${",
    "'",
    "\"",
    "A=1",
    "=",
    "\"A=\"",
    "[\"a\",\"b\"]",
    "[]",
    "[1]",
    "80-70/tcp",
    "1ms",
    "CMD",
    "NONE",
    "Ä\u{2028}",
];
