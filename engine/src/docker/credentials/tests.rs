//! Who the Docker configuration says that we are.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use rstest::rstest;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Credentials, FILE_LIMIT, Login};

const LIMIT: Duration = Duration::from_secs(10);

fn password(username: &str, password: &str) -> Login {
    Login::Password {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

#[rstest]
#[case::by_host("registry.example:5000", password("me", "pa:ss"))]
#[case::by_url("old.example", password("you", "pw"))]
#[case::hub("docker.io", password("hub", "pw"))]
#[case::hub_by_its_index("index.docker.io", password("hub", "pw"))]
#[case::in_the_clear("clear.example", password("a", "b"))]
#[case::identity_token("token.example", Login::IdentityToken("tok".to_owned()))]
#[case::damaged("broken.example", Login::Anonymous)]
#[case::unknown("other.example", Login::Anonymous)]
#[case::part_of_a_name("example", Login::Anonymous)]
#[tokio::test]
async fn a_stored_login_is_found(#[case] host: &str, #[case] login: Login) {
    let auth = |text: &str| STANDARD.encode(text);
    let text = serde_json::json!({
        "auths": {
            "registry.example:5000": { "auth": auth("me:pa:ss") },
            "https://old.example/v1/": { "auth": auth("you:pw") },
            "https://index.docker.io/v1/": { "auth": auth("hub:pw") },
            "clear.example": { "username": "a", "password": "b" },
            "token.example": { "auth": auth("00000000:"), "identitytoken": "tok" },
            "broken.example": { "auth": "%%%" },
        },
        "HttpHeaders": { "User-Agent": "x" },
    });
    let credentials = Credentials::parse(text.to_string()).unwrap();
    assert_eq!(credentials.login(host, LIMIT).await, login);
}

#[rstest]
#[case::missing(None)]
#[case::damaged(Some("{"))]
#[case::of_another_kind(Some("[]"))]
#[tokio::test]
async fn without_a_readable_file_we_are_nobody(#[case] text: Option<&str>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    if let Some(text) = text {
        std::fs::write(&path, text).unwrap();
    }
    let credentials = Credentials::read(Some(&path));
    assert_eq!(
        credentials.login("docker.io", LIMIT).await,
        Login::Anonymous
    );
}

/// Opening a FIFO waits for whoever writes to it, and a device has no end.
#[rstest]
#[case::fifo(|path: &Path| mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap())]
#[case::device(|path: &Path| symlink("/dev/zero", path).unwrap())]
#[case::folder(|path: &Path| std::fs::create_dir(path).unwrap())]
#[case::larger_than_any(|path: &Path| std::fs::File::create(path).unwrap().set_len(FILE_LIMIT + 1).unwrap())]
#[tokio::test]
async fn what_is_no_configuration_file_is_not_read(#[case] make: fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    make(&path);
    let credentials = Credentials::read(Some(&path));
    assert_eq!(
        credentials.login("docker.io", LIMIT).await,
        Login::Anonymous
    );
}

#[rstest]
#[case::shell_words("x; touch y")]
#[case::a_path("../x")]
#[case::not_installed("no-such-program-is-installed")]
#[tokio::test]
async fn a_credential_program_that_cannot_be_asked_leaves_the_stored_login(#[case] name: &str) {
    let text = serde_json::json!({
        "credsStore": name,
        "auths": { "r.example": { "username": "a", "password": "b" } },
    });
    let credentials = Credentials::parse(text.to_string()).unwrap();
    assert_eq!(
        credentials.login("r.example", LIMIT).await,
        password("a", "b")
    );
}

#[tokio::test]
async fn a_credential_program_is_told_the_host_and_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker-credential-test");
    let script = "#!/bin/sh\nread host\n[ \"$1\" = get ] || exit 1\nprintf '{\"ServerURL\":\"x\",\"Username\":\"%s\",\"Secret\":\"s\"}' \"$host\"\n";
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let answer = super::ask_program(path.as_os_str(), "r.example", LIMIT).await;
    assert_eq!(answer, Ok(Some(password("r.example", "s"))));
}

#[test]
fn the_engine_gets_what_it_understands() {
    let decode = |login: Login| {
        let bytes = URL_SAFE.decode(login.for_engine("r.example")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
    };
    assert_eq!(decode(Login::Anonymous), serde_json::json!({}));
    assert_eq!(
        decode(password("ü", "p")),
        serde_json::json!({"username": "ü", "password": "p", "serveraddress": "r.example"})
    );
    assert_eq!(
        decode(Login::IdentityToken("t".to_owned())),
        serde_json::json!({"identitytoken": "t", "serveraddress": "r.example"})
    );
}

#[test]
fn nothing_secret_is_shown() {
    let text =
        r#"{"auths":{"r.example":{"username":"a","password":"hunter22","auth":"aHVudGVyMjI="}}}"#;
    let credentials = Credentials::parse(text).unwrap();
    let shown = format!(
        "{credentials:?} {:?} {:?}",
        password("a", "hunter22"),
        Login::IdentityToken("hunter22".to_owned()),
    );
    assert!(
        !shown.contains("hunter22") && !shown.contains("aHVudGVyMjI="),
        "{shown}"
    );
}
