//! Registries that speak HTTPS: which certificates are believed, and what is said when none is.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rstest::rstest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::fake::{Fake, MANIFEST, manifest};
use super::{LONG, registry};
use crate::contract::Digest;
use crate::docker::credentials::Login;
use crate::docker::fault;
use crate::docker::registry::certificates;
use crate::docker::registry::client::{Client, Target, Transport};
use crate::docker::registry::error::{Handshake, RegistryError};
use crate::image::Reference;
use crate::machine::FailureKind;

/// An authority that vouches for certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    fn vouches_for(&self, name: &str, has_expired: bool) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if has_expired {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Pair { certificate, key }
    }
}

/// What a server answers to a request.
type Answer = Arc<dyn Fn(&Parts) -> Response<Full<Bytes>> + Send + Sync>;

/// A registry with this certificate, which asks for one of these clients' authority where there is one.
async fn start(pair: &Pair, clients: Option<&Authority>) -> SocketAddr {
    let answer: Answer = Arc::new(|request| manifest(&request.method));
    start_answering(pair, clients, answer).await
}

async fn start_answering(pair: &Pair, clients: Option<&Authority>, answer: Answer) -> SocketAddr {
    start_speaking(rustls::ALL_VERSIONS, pair, clients, answer).await
}

async fn start_speaking(
    versions: &[&'static SupportedProtocolVersion],
    pair: &Pair,
    clients: Option<&Authority>,
    answer: Answer,
) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider));
    let config = config.with_protocol_versions(versions).unwrap();
    let config = match clients {
        None => config.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let certificate: CertificateDer<'static> = pair.certificate.der().clone();
    let key = PrivateKeyDer::Pkcs8(pair.key.serialize_der().into());
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                // A client that does not believe the certificate is seen at its own end.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(move |request: Request<Incoming>| {
                    let answered = answer(&request.into_parts().0);
                    async move { Ok::<_, hyper::Error>(answered) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                let served = server.serve_connection(TokioIo::new(stream), service);
                served.await.ok();
            });
        }
    });
    address
}

/// Puts a file into the folder of certificates of a registry.
fn put(folder: &Path, host: &str, name: &str, text: &str) {
    let folder = folder.join(host);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
}

/// Asks a registry that must prove who it is.
async fn ask(folder: &Path, host: &str) -> Result<Option<Digest>, RegistryError> {
    let client = client(folder, host, Login::Anonymous)?;
    client.digest(&target()).await
}

fn target() -> Target {
    Target {
        repository: "a".to_owned(),
        reference: "1".to_owned(),
    }
}

fn client(folder: &Path, host: &str, login: Login) -> Result<Client, RegistryError> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let certificates = certificates::read(folder, host)?;
    let transport = Transport::Verified(certificates);
    Client::new(host, transport, login, LONG)
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test]
async fn an_authority_that_docker_trusts_for_a_registry_is_trusted() {
    let (folder, authority) = (folder(), Authority::new());
    let pair = authority.vouches_for("127.0.0.1", false);
    let host = start(&pair, None).await.to_string();
    put(folder.path(), &host, "ca.crt", &authority.0.pem());
    let digest = ask(folder.path(), &host).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
}

/// Registries of companies, and proxies before them, may know no newer version than 1.2.
#[rstest]
#[case::tls_1_2(&rustls::version::TLS12)]
#[case::tls_1_3(&rustls::version::TLS13)]
#[tokio::test]
async fn a_registry_that_knows_one_version_of_tls_is_asked(
    #[case] version: &'static SupportedProtocolVersion,
) {
    let (folder, authority) = (folder(), Authority::new());
    let pair = authority.vouches_for("127.0.0.1", false);
    let answer: Answer = Arc::new(|request| manifest(&request.method));
    let address = start_speaking(&[version], &pair, None, answer).await;
    let host = address.to_string();
    put(folder.path(), &host, "ca.crt", &authority.0.pem());
    let digest = ask(folder.path(), &host).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
}

#[rstest]
#[case::of_nobody(
    None,
    "127.0.0.1",
    false,
    Handshake::UnknownAuthority,
    "/etc/docker/certs.d/HOST/ca.crt`"
)]
#[case::of_another_registry(
    Some("r.example"),
    "127.0.0.1",
    false,
    Handshake::UnknownAuthority,
    "HOST/ca.crt`"
)]
#[case::of_another_authority(
    Some("other"),
    "127.0.0.1",
    false,
    Handshake::UnknownAuthority,
    "HOST/ca.crt`"
)]
#[case::for_another_host(Some("HOST"), "r.example", false, Handshake::OtherHost, "use the name")]
#[case::expired(Some("HOST"), "127.0.0.1", true, Handshake::Expired, "valid today")]
#[tokio::test]
async fn a_certificate_that_proves_nothing_is_refused_with_what_to_do(
    #[case] trusted_for: Option<&str>,
    #[case] name: &str,
    #[case] has_expired: bool,
    #[case] expected: Handshake,
    #[case] hint: &str,
) {
    let (folder, authority) = (folder(), Authority::new());
    let host = start(&authority.vouches_for(name, has_expired), None)
        .await
        .to_string();
    match trusted_for {
        None => {}
        Some("other") => put(folder.path(), &host, "ca.crt", &Authority::new().0.pem()),
        Some(place) => {
            let place = place.replace("HOST", &host);
            put(folder.path(), &place, "ca.crt", &authority.0.pem());
        }
    }
    let error = ask(folder.path(), &host).await.unwrap_err();
    assert_eq!(error.handshake(), Some(expected), "{error:?}");
    let fault = fault::registry(&host, "ask", &error);
    assert_eq!(
        (fault.kind, fault.retryable),
        (FailureKind::Unreachable, false)
    );
    let hint = hint.replace("HOST", &host);
    assert!(fault.hints.join("\n").contains(&hint), "{fault:?}");
}

#[rstest]
#[case::is_known(true)]
#[case::is_not_known(false)]
#[tokio::test]
async fn a_registry_that_asks_who_we_are_is_told(#[case] is_known: bool) {
    let (folder, authority) = (folder(), Authority::new());
    let pair = authority.vouches_for("127.0.0.1", false);
    let host = start(&pair, Some(&authority)).await.to_string();
    put(folder.path(), &host, "ca.crt", &authority.0.pem());
    if is_known {
        let client = authority.vouches_for("me", false);
        put(
            folder.path(),
            &host,
            "client.cert",
            &client.certificate.pem(),
        );
        put(
            folder.path(),
            &host,
            "client.key",
            &client.key.serialize_pem(),
        );
        let digest = ask(folder.path(), &host).await.unwrap();
        assert_eq!(digest, Some(Digest::of(MANIFEST)));
        return;
    }
    let error = ask(folder.path(), &host).await.unwrap_err();
    assert_eq!(
        error.handshake(),
        Some(Handshake::ClientUnknown),
        "{error:?}"
    );
    let fault = fault::registry(&host, "ask", &error);
    let file = format!("/etc/docker/certs.d/{host}/client.cert");
    assert!(fault.hints.join("\n").contains(&file), "{fault:?}");
}

#[rstest]
#[case::no_certificate("ca.crt", "hello", "holds no certificate")]
#[case::no_key("client.cert", "x", "without its key `client.key`")]
#[case::no_certificate_of_a_key("client.key", "x", "without its certificate `client.cert`")]
fn files_that_docker_would_refuse_are_refused(
    #[case] name: &str,
    #[case] text: &str,
    #[case] words: &str,
) {
    let folder = folder();
    put(folder.path(), "r.example", name, text);
    put(folder.path(), "r.example", "readme", "is left alone");
    let error = certificates::read(folder.path(), "r.example").unwrap_err();
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.to_string().contains(name), "{error}");
    let fault = fault::registry("r.example", "ask", &error);
    let hint = "correct the files in `/etc/docker/certs.d/r.example`";
    assert!(fault.hints.join("\n").contains(hint), "{fault:?}");
}

/// As the engine has it: nobody vouches for this certificate, and the engine pushes there all the same.
#[tokio::test]
async fn a_registry_of_this_machine_is_asked_over_https_without_being_verified() {
    let authority = Authority::new();
    let address = start(&authority.vouches_for("r.example", true), None).await;
    let reference = Reference::parse(&format!("{address}/a:1")).unwrap();
    let digest = registry(LONG).digest(&reference).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
}

/// The question whether it speaks HTTPS is none that it sees.
#[tokio::test]
async fn a_registry_of_this_machine_without_https_is_asked_in_the_clear() {
    let fake = Fake::start(|_, method| manifest(&method)).await;
    let digest = registry(LONG).digest(&fake.reference("a:1")).await.unwrap();
    assert_eq!(digest, Some(Digest::of(MANIFEST)));
    assert_eq!(fake.seen(), ["HEAD /v2/a/manifests/1"]);
}

/// The registry and its token server are two hosts: the login goes to the second only, and its token to the first only.
#[tokio::test]
async fn a_token_server_elsewhere_gets_the_login_and_the_registry_the_token() {
    let (folder, authority) = (folder(), Authority::new());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = |who: &'static str| {
        let seen = Arc::clone(&seen);
        move |request: &Parts| {
            let proof = request.headers.get(AUTHORIZATION);
            let proof = proof.map_or("", |proof| proof.to_str().unwrap());
            let line = format!("{who} {} {proof}", request.uri);
            seen.lock().unwrap().push(line);
            proof.to_owned()
        }
    };
    let (at_tokens, at_registry) = (log("tokens"), log("registry"));
    let tokens: Answer = Arc::new(move |request| {
        at_tokens(request);
        Response::new(r#"{"token":"of-the-day"}"#.into())
    });
    let other_host = authority.vouches_for("localhost", false);
    let tokens = start_answering(&other_host, None, tokens).await;
    let challenge = format!(
        "Bearer realm=\"https://localhost:{}/t\",service=\"r\"",
        tokens.port()
    );
    let answer: Answer = Arc::new(move |request| {
        let proof = at_registry(request);
        if proof == "Bearer of-the-day" {
            return manifest(&request.method);
        }
        let mut refusal = Response::new(Full::default());
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        let challenge = challenge.parse().unwrap();
        refusal.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        refusal
    });
    let pair = authority.vouches_for("127.0.0.1", false);
    let host = start_answering(&pair, None, answer).await.to_string();
    put(folder.path(), &host, "ca.crt", &authority.0.pem());
    let login = Login::Password {
        username: "me".to_owned(),
        password: "hunter22".to_owned(),
    };
    let client = client(folder.path(), &host, login).unwrap();
    for _ in 0..2 {
        let digest = client.digest(&target()).await.unwrap();
        assert_eq!(digest, Some(Digest::of(MANIFEST)));
    }
    let expected = [
        "registry /v2/a/manifests/1 ",
        "tokens /t?scope=repository%3Aa%3Apull&service=r Basic bWU6aHVudGVyMjI=",
        "registry /v2/a/manifests/1 Bearer of-the-day",
        "registry /v2/a/manifests/1 Bearer of-the-day",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}
