//! Ways to spoil an artifact, and what must be said about each.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::refusal::Bench;

pub(super) const MANIFEST: &str = "artifact/artifact.yml";
const FUNCTIONS: &str = "artifact/svc-a/config/functions.yml";
const ROUTING: &str = "artifact/svc-b/config/routing.yml";
const DOCKERFILE: &str = "artifact/svc-a/functions/orders-list/Dockerfile";

/// Makes an artifact bad.
pub(super) type Spoil = fn(&Bench);

/// One way to spoil the artifact, and every violation that must be reported for it: rule, place and words.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) spoil: Spoil,
    pub(super) expected: &'static [(&'static str, &'static str, &'static str)],
}

/// Where the file stands in a violation whose file is the whole place.
const IN_ENTRY: &str = "artifact/artifact.yml:15:25";

#[rustfmt::skip] // a table, a line for each violation
pub(super) const PATHS: &[Case] = &[
    Case { name: "a root that is missing", spoil: |bench| bench.edit(MANIFEST, "artifact_root: svc-a", "artifact_root: svc-x"),
        expected: &[("missing-file", "artifact/artifact.yml:14:20", "the artifact root `svc-x` is missing")] },
    Case { name: "a root that is a file", spoil: |bench| bench.edit(MANIFEST, "artifact_root: svc-a", "artifact_root: artifact.yml"),
        expected: &[("not-a-directory", "artifact/artifact.yml:14:20", "the artifact root `artifact.yml` is not a directory")] },
    Case { name: "a configuration directory that is missing", spoil: |bench| fs::rename(bench.path("artifact/svc-a/config"), bench.path("elsewhere")).unwrap(),
        expected: &[("missing-file", IN_ENTRY, "the directory `config` is missing")] },
    Case { name: "a mandatory file that is missing", spoil: |bench| bench.remove(FUNCTIONS),
        expected: &[("missing-file", IN_ENTRY, "functions.yml` is missing")] },
    Case { name: "a directory in place of a file", spoil: |bench| { bench.remove(FUNCTIONS); fs::create_dir(bench.path(FUNCTIONS)).unwrap(); },
        expected: &[("not-a-file", IN_ENTRY, "functions.yml` is a directory, not a file")] },
    Case { name: "a FIFO in place of a file", spoil: |bench| { bench.remove(FUNCTIONS); fifo(bench, FUNCTIONS); },
        expected: &[("not-a-file", IN_ENTRY, "functions.yml` is a FIFO, not a file")] },
    Case { name: "a FIFO in place of an optional file", spoil: |bench| fifo(bench, DOCKERFILE_OF_NOBODY),
        expected: &[("not-a-file", "artifact/svc-a/functions/nobody/Dockerfile", "the Dockerfile of the function `nobody` is a FIFO")] },
    Case { name: "an unreadable file", spoil: |bench| fs::set_permissions(bench.path(FUNCTIONS), PermissionsExt::from_mode(0o000)).unwrap(),
        expected: &[("unreadable", IN_ENTRY, "functions.yml` cannot be read: Permission denied")] },
    Case { name: "an unreadable directory", spoil: |bench| fs::set_permissions(bench.path("artifact/svc-a/config"), PermissionsExt::from_mode(0o000)).unwrap(),
        expected: &[("unreadable", IN_ENTRY, "`config` cannot be read: Permission denied")] },
    Case { name: "a symlink out of the root", spoil: |bench| link(bench, "../../../out/functions.yml"),
        expected: &[("outside-root", IN_ENTRY, "functions.yml` leads out of the artifact root")] },
    Case { name: "a symlink into another root", spoil: |bench| link(bench, "../../svc-b/config/functions.yml"),
        expected: &[("outside-root", IN_ENTRY, "functions.yml` leads out of the artifact root")] },
    Case { name: "an absolute symlink to a device", spoil: |bench| link(bench, "/dev/zero"),
        expected: &[("outside-root", IN_ENTRY, "functions.yml` leads out of the artifact root")] },
    Case { name: "a symlink to itself", spoil: |bench| link(bench, "functions.yml"),
        expected: &[("symlink-loop", IN_ENTRY, "functions.yml` is a symlink that leads in a circle")] },
    Case { name: "a directory that is a symlink out of the root", spoil: |bench| {
            fs::rename(bench.path("artifact/svc-a/config"), bench.path("elsewhere")).unwrap();
            symlink("../../elsewhere", bench.path("artifact/svc-a/config")).unwrap();
        },
        expected: &[("outside-root", IN_ENTRY, "the directory `config` leads out of the artifact root")] },
    Case { name: "a Dockerfile that is a symlink out of the root", spoil: |bench| { bench.remove(DOCKERFILE); symlink("/etc/hostname", bench.path(DOCKERFILE)).unwrap(); },
        expected: &[("outside-root", DOCKERFILE, "the Dockerfile of the function `orders-list` leads out of the artifact root")] },
    Case { name: "a path that escapes by its text", spoil: |bench| bench.edit(MANIFEST, "    artifact_root: svc-a\n    runtime_config_dir: config", "    artifact_root: svc-a\n    runtime_config_dir: ../x"),
        expected: &[("path-escape", IN_ENTRY, "leaves the artifact root")] },
    Case { name: "a path that escapes and comes back", spoil: |bench| bench.edit(MANIFEST, "    artifact_root: svc-a\n    runtime_config_dir: config", "    artifact_root: svc-a\n    runtime_config_dir: x/../../svc-a/config"),
        expected: &[("path-escape", IN_ENTRY, "leaves the artifact root")] },
    Case { name: "a path that is absolute", spoil: |bench| bench.edit(MANIFEST, "    artifact_root: svc-a\n    runtime_config_dir: config", "    artifact_root: svc-a\n    runtime_config_dir: /etc"),
        expected: &[("absolute-path", IN_ENTRY, "`/etc`")] },
    Case { name: "a path with a backslash", spoil: |bench| bench.edit(MANIFEST, "    artifact_root: svc-a\n    runtime_config_dir: config", "    artifact_root: svc-a\n    runtime_config_dir: '..\\x'"),
        expected: &[("bad-path", IN_ENTRY, "backslash")] },
    Case { name: "a path that is the root", spoil: |bench| bench.edit(MANIFEST, "    artifact_root: svc-a\n    runtime_config_dir: config", "    artifact_root: svc-a\n    runtime_config_dir: ./"),
        expected: &[("path-is-root", IN_ENTRY, "`./`")] },
    Case { name: "a path into runtime-base", spoil: |bench| bench.edit(MANIFEST, "    artifact_root: svc-a\n    runtime_config_dir: config", "    artifact_root: svc-a\n    runtime_config_dir: runtime-base/config"),
        expected: &[("runtime-base", IN_ENTRY, "`runtime-base`")] },
    Case { name: "a symlink into runtime-base", spoil: |bench| {
            fs::create_dir(bench.path("artifact/svc-a/runtime-base")).unwrap();
            bench.write("artifact/svc-a/runtime-base/functions.yml", "functions: {}\n");
            link(bench, "../runtime-base/functions.yml");
        },
        expected: &[("runtime-base", IN_ENTRY, "functions.yml` leads into `runtime-base`")] },
];

const DOCKERFILE_OF_NOBODY: &str = "artifact/svc-a/functions/nobody/Dockerfile";

#[rustfmt::skip]
pub(super) const TEXTS: &[Case] = &[
    Case { name: "a key twice", spoil: |bench| bench.write(FUNCTIONS, "functions:\n  a: {}\n  a: {}\n"),
        expected: &[("duplicate-key", "artifact/svc-a/config/functions.yml:3:3", "the key `a` stands twice; the first is at line 2, column 3")] },
    Case { name: "a key of the manifest twice", spoil: |bench| bench.edit(MANIFEST, "env: dev\n", "env: dev\nenv: prod\n"),
        expected: &[("duplicate-key", "artifact/artifact.yml:4:1", "the key `env` stands twice")] },
    Case { name: "a second document", spoil: |bench| bench.write(MANIFEST, "---\nschema_version: '1'\n---\nproject: x\n"),
        expected: &[("second-document", "artifact/artifact.yml:3:1", "the file must hold one")] },
    Case { name: "an alias bomb", spoil: |bench| bench.write(ROUTING, bomb()),
        expected: &[("alias-bomb", "artifact/svc-b/config/routing.yml:6:10", "aliases expand to more than")] },
    Case { name: "an alias inside of its value", spoil: |bench| bench.write(ROUTING, "routes: &a [*a]\n"),
        expected: &[("recursive-alias", "artifact/svc-b/config/routing.yml:1:13", "this alias stands inside the value that it names")] },
    Case { name: "an alias of nothing", spoil: |bench| bench.write(ROUTING, "routes: *a\n"),
        expected: &[("unknown-alias", "artifact/svc-b/config/routing.yml:1:9", "no anchor `a` stands above this alias")] },
    Case { name: "lists in lists in lists", spoil: |bench| bench.write(ROUTING, format!("routes: {}", "[".repeat(100_000))),
        expected: &[("too-deep", "artifact/svc-b/config/routing.yml:1:73", "lists and mappings are nested too deep")] },
    Case { name: "more than 8 MiB", spoil: |bench| bench.write(ROUTING, vec![b'#'; 9 << 20]),
        expected: &[("too-large", "artifact/artifact.yml:22:25", "routing.yml` is larger than 8388608 bytes")] },
    Case { name: "a manifest of more than 8 MiB", spoil: |bench| bench.write(MANIFEST, vec![b'#'; 9 << 20]),
        expected: &[("too-large", "artifact/artifact.yml", "the manifest is larger than 8388608 bytes")] },
    Case { name: "bytes that are not UTF-8", spoil: |bench| bench.write(ROUTING, b"routes: \xff\n"),
        expected: &[("not-utf8", "artifact/svc-b/config/routing.yml:1:9", "this byte is not UTF-8")] },
    Case { name: "a manifest that is not UTF-8", spoil: |bench| bench.write(MANIFEST, b"env: \xff\n"),
        expected: &[("not-utf8", "artifact/artifact.yml:1:6", "this byte is not UTF-8")] },
    Case { name: "a NUL", spoil: |bench| bench.write(ROUTING, "routes: 'a\0b'\n"),
        expected: &[("control-character", "artifact/svc-b/config/routing.yml:1:11", "a NUL byte stands in the text")] },
    Case { name: "a tab", spoil: |bench| bench.write(ROUTING, "routes:\n\t- path: /\n"),
        expected: &[("tab", "artifact/svc-b/config/routing.yml:2:2", "a tab stands where YAML takes only spaces")] },
    Case { name: "no YAML", spoil: |bench| bench.write(ROUTING, "routes: [\n"),
        expected: &[("syntax", "artifact/svc-b/config/routing.yml:1:9", "unclosed bracket")] },
    Case { name: "an empty file", spoil: |bench| bench.write(ROUTING, ""),
        expected: &[("wrong-kind", "artifact/svc-b/config/routing.yml:1:1", "must be a mapping")] },
    Case { name: "a Dockerfile that is none", spoil: |bench| bench.write(DOCKERFILE, "FRM x\n"),
        expected: &[("bad-dockerfile", "artifact/svc-a/functions/orders-list/Dockerfile:1:1", "`FRM` is no instruction; did you mean `FROM`?")] },
];

#[rustfmt::skip]
pub(super) const MEANINGS: &[Case] = &[
    Case { name: "wrong types", spoil: |bench| { bench.write(FUNCTIONS, "functions: [a]\n"); bench.write(ROUTING, "routes: { path: / }\n"); },
        expected: &[
            ("wrong-kind", "artifact/svc-a/config/functions.yml:1:12", "`functions` must be a mapping, not a list"),
            ("wrong-kind", "artifact/svc-b/config/routing.yml:1:9", "`routes` must be a list, not a mapping"),
        ] },
    Case { name: "wrong types in the manifest", spoil: |bench| bench.edit(MANIFEST, "env: dev", "env: [dev]"),
        expected: &[("wrong-kind", "artifact/artifact.yml:3:6", "`env` must be a scalar, not a list")] },
    Case { name: "a field that is missing", spoil: |bench| bench.edit(MANIFEST, "env: dev\n", ""),
        expected: &[("missing-field", "artifact/artifact.yml:1:1", "the manifest lacks the required key `env`")] },
    Case { name: "no artifacts", spoil: |bench| bench.write(MANIFEST, "schema_version: 1\nproject: p\nenv: e\nmode: docker\nartifacts: []\n"),
        expected: &[("no-artifacts", "artifact/artifact.yml:5:12", "`artifacts`")] },
    Case { name: "another schema version", spoil: |bench| bench.edit(MANIFEST, "schema_version: \"1\"", "schema_version: 2"),
        expected: &[("schema-version", "artifact/artifact.yml:1:17", "`schema_version` must be `1`, not `2`")] },
    Case { name: "a mode that is none", spoil: |bench| bench.edit(MANIFEST, "env: dev\nmode: docker", "env: dev\nmode: podman"),
        expected: &[("bad-mode", "artifact/artifact.yml:4:7", "`mode` must be `docker` or `containerd`, not `podman`")] },
    Case { name: "modes that differ", spoil: |bench| bench.edit(MANIFEST, "env: dev\nmode: docker", "env: dev\nmode: containerd"),
        expected: &[("mode-mismatch", "artifact/artifact.yml:7:9", "`runtime_stack.mode` is `docker`, but the manifest's `mode` is `containerd`")] },
    Case { name: "a project that is an argument", spoil: |bench| bench.edit(MANIFEST, "project: esb-dev", "project: --privileged"),
        expected: &[("bad-name", "artifact/artifact.yml:2:10", "`--privileged`")] },
    Case { name: "a version range that is none", spoil: |bench| bench.edit(MANIFEST, "agent: \"^1.2\"", "agent: \"newest\""),
        expected: &[("bad-version-range", "artifact/artifact.yml:11:12", "`newest`")] },
    Case { name: "an id that is none", spoil: |bench| bench.edit(MANIFEST, "orders-f2d1205f", "../orders"),
        expected: &[("bad-id", "artifact/artifact.yml:13:9", "the computed id is `orders-f2d1205f`")] },
    Case { name: "an id of something else", spoil: |bench| bench.edit(MANIFEST, "orders-f2d1205f", "orders-00000000"),
        expected: &[("id-mismatch", "artifact/artifact.yml:13:9", "manifest sync-ids --artifact artifact/artifact.yml")] },
    Case { name: "an id twice", spoil: |bench| {
            bench.edit(MANIFEST, "shop/stock.yaml", "shop/orders.yaml");
            bench.edit(MANIFEST, "bae24ea3cef322759aa4ae53395972933bece737655efcdaf528b17955b38d4c", "44a4611209d00ec1a1d5d1407887a25b6e267d1ff089250d4f0f2d2476c753d5");
            bench.edit(MANIFEST, "stock-33745b03", "orders-f2d1205f");
        },
        expected: &[("duplicate-id", "artifact/artifact.yml:20:9", "`orders-f2d1205f`")] },
    Case { name: "a function's name that leads up", spoil: |bench| bench.write(FUNCTIONS, "functions:\n  ../x: {}\n"),
        expected: &[("bad-function-name", "artifact/svc-a/config/functions.yml:2:3", "not `../x`")] },
    Case { name: "an image that is a command", spoil: |bench| bench.edit(FUNCTIONS, "registry:5000/shop/orders-list:1.0", "'x:1; rm -rf $(pwd)'"),
        expected: &[("bad-image", "artifact/svc-a/config/functions.yml:9:12", "`image` is no image reference")] },
    Case { name: "everything at once", spoil: |bench| {
            bench.edit(MANIFEST, "schema_version: \"1\"", "schema_version: 7");
            bench.edit(MANIFEST, "env: dev\nmode: docker", "env: dev\nmode: podman");
            bench.write(FUNCTIONS, "functions:\n  ../x: {}\n  y: []\n");
            bench.remove(ROUTING);
        },
        expected: &[
            ("schema-version", "artifact/artifact.yml:1:17", ""),
            ("bad-mode", "artifact/artifact.yml:4:7", ""),
            ("bad-function-name", "artifact/svc-a/config/functions.yml:2:3", ""),
            ("wrong-kind", "artifact/svc-a/config/functions.yml:3:6", ""),
            ("missing-file", "artifact/artifact.yml:22:25", ""),
        ] },
];

pub(super) fn fifo(bench: &Bench, relative: &str) {
    let path = bench.path(relative);
    if relative == DOCKERFILE_OF_NOBODY {
        fs::create_dir(path.parent().unwrap()).unwrap();
        bench.edit(
            FUNCTIONS,
            "functions:\n",
            "functions:\n  nobody: { image: 'nobody:1' }\n",
        );
    }
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

fn link(bench: &Bench, to: &str) {
    bench.remove(FUNCTIONS);
    symlink(to, bench.path(FUNCTIONS)).unwrap();
}

/// Nine lists of nine: 9^9 values.
fn bomb() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let alias = format!("*a{} ", level - 1);
        let items = vec![alias; 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    text
}
