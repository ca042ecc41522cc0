//! An engine and a registry that answer what none does.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::thread;

use super::{limited, refused, unmoving};
use crate::refusal::{Bench, DEPLOY, run, shared_stack};

/// What is sent back: a beginning, and what is repeated for ever after it.
#[derive(Clone, Copy)]
struct Answer {
    begins: &'static str,
    goes_on: &'static str,
}

const PONG: Answer = Answer {
    begins: "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK",
    goes_on: "",
};
const VERSION: Answer = Answer {
    begins: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
             {\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"Os\":\"linux\",\"Arch\":\"amd64\"}",
    goes_on: "",
};

/// Answers one request by the end of its path.
fn answer(mut stream: impl Read + Write, route: impl Fn(&str) -> Answer) {
    let mut request = [0; 16 << 10];
    let read = stream.read(&mut request).unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let answer = route(request.lines().next().unwrap_or_default());
    // Whoever has read enough closes the connection, which ends this.
    if stream.write_all(answer.begins.as_bytes()).is_err() || answer.goes_on.is_empty() {
        return;
    }
    let piece = answer.goes_on.repeat((64 << 10) / answer.goes_on.len());
    while stream.write_all(piece.as_bytes()).is_ok() {}
}

/// An engine of this test, on a socket of the bench. It ends with the process.
fn engine(bench: &Bench, list: Answer, version: Answer, ping: Answer) -> String {
    let path = bench.path("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let route = move |line: &str| match line {
                line if line.contains("/_ping") => ping,
                line if line.contains("/version") => version,
                _ => list,
            };
            thread::spawn(move || answer(stream, route));
        }
    });
    format!("unix://{}", path.display())
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";

#[test]
fn an_engine_whose_answer_has_no_end_is_not_listened_to_for_ever() {
    let endless = |begins, goes_on| Answer { begins, goes_on };
    let list = concat!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n",
        "[{}"
    );
    let cases = [
        (
            "a list",
            endless(list, ",{\"Names\":[\"/x\"]}"),
            VERSION,
            PONG,
            "longer than",
        ),
        ("a text", endless(HEAD, "x"), VERSION, PONG, "longer than"),
        (
            "nothing but blanks",
            endless(HEAD, " "),
            VERSION,
            PONG,
            "longer than",
        ),
        (
            "a version",
            endless(list, ","),
            endless(HEAD, "["),
            PONG,
            "longer than",
        ),
        (
            "headers",
            endless("HTTP/1.1 200 OK\r\n", "X-Y: z\r\n"),
            VERSION,
            PONG,
            "cannot",
        ),
        (
            "one header",
            endless("HTTP/1.1 200 OK\r\nX-Y: ", "z"),
            VERSION,
            PONG,
            "cannot",
        ),
        (
            "an error",
            endless("HTTP/1.1 500 No\r\n\r\n", "x"),
            VERSION,
            PONG,
            "longer than",
        ),
        (
            "its ping",
            VERSION,
            VERSION,
            endless("HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\n\r\n", "x"),
            "cannot",
        ),
    ];
    for (name, list, version, ping, words) in cases {
        let bench = Bench::new();
        let host = engine(&bench, list, version, ping);
        let mut deploy = limited(&bench, &DEPLOY);
        let what = format!("an engine without an end of {name}");
        refused(&what, deploy.env("DOCKER_HOST", host), 9, &[words]);
    }
}

#[test]
fn an_engine_that_answers_nonsense_is_unreachable() {
    let deep = format!("{HEAD}[{{\"Labels\":{}", "[".repeat(200_000));
    let deep: &'static str = deep.leak();
    for (name, begins) in [
        ("nesting", deep),
        (
            "no JSON",
            concat!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "\u{1b}[2J"),
        ),
        (
            "another kind",
            concat!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "{\"a\":1}"),
        ),
        (
            "an error that moves a terminal",
            concat!(
                "HTTP/1.1 500 No\r\nConnection: close\r\n\r\n",
                "{\"message\":\"\\u001b[2Jno\\nhint: rm\"}"
            ),
        ),
        (
            "half of an answer",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{}",
        ),
    ] {
        let bench = Bench::new();
        let list = Answer {
            begins,
            goes_on: "",
        };
        let host = engine(&bench, list, VERSION, PONG);
        let mut deploy = limited(&bench, &DEPLOY);
        refused(
            name,
            deploy.env("DOCKER_HOST", host),
            9,
            &["cannot list the running containers"],
        );
    }
}

/// Labels are whatever somebody wrote into an image. Bytes that are no text are refused with the list; what is text is kept
/// as it is, and shown as it can be read.
#[test]
fn labels_that_move_a_terminal_are_shown_as_they_can_be_read() {
    let bench = Bench::new();
    let list = Answer {
        begins: concat!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n",
            r#"[{"Names":["/g\u001b[2J"],"Image":"gateway\u001b[2J","Labels":{"com.docker.compose.project":"esb-dev","#,
            r#""com.docker.compose.service":"gateway","com.esb.version":"1.0\u001b[2J\n  hint: rm"}}]"#
        ),
        goes_on: "",
    };
    let host = engine(&bench, list, VERSION, PONG);
    let mut deploy = limited(&bench, &DEPLOY);
    deploy.args(["--explain", "-v"]).env("DOCKER_HOST", &host);
    refused("labels", &mut deploy, 4, &[r"\u{1b}[2J"]);
    for arguments in [["show", "latest"], ["history", "-v"]] {
        let said = run(&mut limited(&bench, &arguments));
        assert_eq!(said.code, Some(0), "{said:?}");
        unmoving("the record", &said);
    }
}

#[test]
fn bytes_that_are_no_text_in_a_label_are_refused() {
    let bench = Bench::new();
    let path = bench.path("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = stream;
                let mut request = [0; 16 << 10];
                let read = stream.read(&mut request).unwrap_or(0);
                let line = String::from_utf8_lossy(&request[..read]).into_owned();
                let mut bytes = HEAD.as_bytes().to_vec();
                bytes.extend(b"[{\"Labels\":{\"a\":\"\xff\xfe\"}}]");
                let known = [("/_ping", PONG), ("/version", VERSION)];
                let known = known.iter().find(|(path, _)| line.contains(path));
                let bytes = known.map_or(bytes, |(_, answer)| answer.begins.as_bytes().to_vec());
                stream.write_all(&bytes).ok();
            });
        }
    });
    let host = format!("unix://{}", path.display());
    let mut deploy = limited(&bench, &DEPLOY);
    refused(
        "a label",
        deploy.env("DOCKER_HOST", host),
        9,
        &["cannot list the running containers"],
    );
}

/// Whom the registry takes us for, and what it answers without an end.
#[derive(Clone, Copy)]
struct Endless {
    name: &'static str,
    code: i32,
    begins: &'static str,
    goes_on: &'static str,
    words: &'static str,
}

const ENDLESS: [Endless; 6] = [
    Endless {
        name: "a manifest",
        code: 6,
        begins: "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n{",
        goes_on: "\"a\":1,",
        words: "longer than 4194304 bytes",
    },
    Endless {
        name: "a manifest in chunks",
        code: 6,
        begins: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        goes_on: "40\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        words: "longer than 4194304 bytes",
    },
    Endless {
        name: "an error",
        code: 9,
        begins: "HTTP/1.1 500 No\r\nConnection: close\r\n\r\n",
        goes_on: "x",
        words: "answered 500",
    },
    Endless {
        name: "a refusal",
        code: 6,
        begins: "HTTP/1.1 403 No\r\n\r\n{\"errors\":[",
        goes_on: "{\"code\":\"DENIED\"},",
        words: "docker login",
    },
    Endless {
        name: "headers",
        code: 9,
        begins: "HTTP/1.1 200 OK\r\n",
        goes_on: "X-Y: z\r\n",
        words: "registry",
    },
    Endless {
        name: "redirects",
        code: 6,
        begins: "HTTP/1.1 307 There\r\nLocation: /v2/a/manifests/b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        goes_on: "",
        words: "registry",
    },
];

/// Somebody who answers every connection like this; it ends with the process.
fn answering(route: impl Fn(&str, &str) -> Answer + Copy + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let own = address.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let own = own.clone();
            thread::spawn(move || answer(stream, |line| route(line, &own)));
        }
    });
    address
}

/// A deploy onto the shared stack that meets a registry of the test.
#[track_caller]
fn meets(what: &str, registry: &str, code: i32, words: &[&str]) {
    let stack = shared_stack();
    let bench = Bench::with_images_of("endless");
    std::fs::create_dir(bench.path("docker")).unwrap();
    let login = format!(r#"{{"auths":{{"{registry}":{{"username":"me","password":"x"}}}}}}"#);
    bench.write("docker/config.json", login);
    let mut command = limited(&bench, &DEPLOY);
    command.args(["--compose-project", stack.project()]);
    command.envs(stack.deploy_env());
    command.env("HOST_REGISTRY_ADDR", registry);
    command.env("DOCKER_CONFIG", bench.path("docker"));
    refused(what, &mut command, code, words);
}

#[test]
fn a_registry_whose_answer_has_no_end_is_not_listened_to_for_ever() {
    for endless in ENDLESS {
        let Endless {
            begins, goes_on, ..
        } = endless;
        let registry = answering(move |_, _| Answer { begins, goes_on });
        let what = format!("a registry without an end of {}", endless.name);
        meets(&what, &registry, endless.code, &["registry", endless.words]);
    }
}

/// The server that a registry names for its tokens is bounded as the registry is.
#[test]
fn a_token_server_whose_answer_has_no_end_is_not_listened_to_for_ever() {
    for (status, code, words) in [
        ("200 OK", 6, "longer than 1048576 bytes"),
        ("401 No", 6, "docker login"),
        ("503 No", 9, "answered 503"),
    ] {
        let begins: &str = format!("HTTP/1.1 {status}\r\n\r\n{{\"token\":\"").leak();
        // A registry without encryption may name only itself.
        let registry = answering(move |line, own| {
            if line.contains(" /t") {
                let goes_on = "x";
                return Answer { begins, goes_on };
            }
            let challenge = format!(
                "HTTP/1.1 401 Who\r\nWWW-Authenticate: Bearer realm=\"http://{own}/t\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            Answer {
                begins: challenge.leak(),
                goes_on: "",
            }
        });
        let what = format!("a token server without an end, {status}");
        meets(&what, &registry, code, &["registry", words]);
    }
}
