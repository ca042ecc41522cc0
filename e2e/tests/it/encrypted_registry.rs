//! A registry that speaks HTTPS, as Docker has it: with the certificates of `/etc/docker/certs.d`, which the engine reads too.
//!
//! Not here: which certificates are believed in each case (the engine's own tests of its registry client).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::command;
use e2e::engine::LABEL_RUN;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rstest::rstest;
use tempfile::TempDir;

use crate::process::{Ran, eventually, hints_of, images, said_of};
use crate::rig::Rig;

/// Where Docker keeps the certificates of registries.
const CERTIFICATES: &str = "/etc/docker/certs.d";

/// An authority that vouches for certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a certificate for these hosts, and its key.
    fn write(&self, hosts: Vec<String>, certificate: &Path, key: &Path) {
        let params = CertificateParams::new(hosts).unwrap();
        let own = KeyPair::generate().unwrap();
        let signed = params.signed_by(&own, &self.0).unwrap();
        fs::write(certificate, signed.pem()).unwrap();
        fs::write(key, own.serialize_pem()).unwrap();
    }
}

/// A registry with a certificate, in a container of its own, and a function whose image is pushed there.
struct Encrypted {
    rig: Rig<'static>,
    container: String,
    /// Its address, as this host and the engine know it.
    host: String,
    authority: Authority,
    _files: TempDir,
}

impl Encrypted {
    /// Published on the loopback address, or reached at the address of its container, which is no machine's own.
    fn start(published: bool, asks_clients: bool) -> Self {
        let rig = Rig::new(&["alpha"]);
        let engine = rig.stack.engine();
        let docker = |words: &[&str]| {
            let said = command::run(engine.docker().args(words)).unwrap();
            said.trim().to_owned()
        };
        let files = tempfile::tempdir_in(engine.folder()).unwrap();
        let at = |name: &str| files.path().join(name);
        let authority = Authority::new();
        let subnet = docker(&[
            "network",
            "inspect",
            "bridge",
            "--format",
            "{{(index .IPAM.Config 0).Subnet}}",
        ]);
        let (network, _) = subnet.rsplit_once('.').unwrap();
        let any = (1..255).map(|number| format!("{network}.{number}"));
        authority.write(any.collect(), &at("server.pem"), &at("server.key"));
        fs::write(at("clients.pem"), authority.0.pem()).unwrap();

        let label = format!("{LABEL_RUN}={}", engine.run_id());
        let volume = format!("{}:/tls:ro", files.path().display());
        let image = format!("{}/esb-registry:local", rig.stack.project());
        let mut start = vec!["run", "--detach", "--label", &label, "--volume", &volume];
        start.extend(["--env", "REGISTRY_HTTP_TLS_CERTIFICATE=/tls/server.pem"]);
        start.extend(["--env", "REGISTRY_HTTP_TLS_KEY=/tls/server.key"]);
        if asks_clients {
            start.extend(["--env", "REGISTRY_HTTP_TLS_CLIENTCAS=[/tls/clients.pem]"]);
        }
        if published {
            start.extend(["--publish", "127.0.0.1::5000"]);
        }
        start.push(&image);
        let container = docker(&start);
        let host = if published {
            docker(&["port", &container, "5000/tcp"])
        } else {
            let address = docker(&[
                "inspect",
                "--format",
                "{{.NetworkSettings.IPAddress}}",
                &container,
            ]);
            format!("{address}:5000")
        };
        let registry = Self {
            rig,
            container,
            host,
            authority,
            _files: files,
        };
        eventually("the registry listens", || {
            registry
                .within(|| std::net::TcpStream::connect(&registry.host))
                .is_ok()
        });
        registry
    }

    /// Where the engine and this host see the same network.
    fn within<T: Send>(
        &self,
        work: impl FnOnce() -> std::io::Result<T> + Send,
    ) -> std::io::Result<T> {
        self.rig.stack.engine().within(work)
    }

    fn folder(&self) -> PathBuf {
        Path::new(CERTIFICATES).join(&self.host)
    }

    /// Has the engine and the tool trust this authority for the registry.
    fn trust(&self, authority: &Authority) {
        fs::create_dir_all(self.folder()).unwrap();
        fs::write(self.folder().join("ca.crt"), authority.0.pem()).unwrap();
    }

    /// Says who this machine is.
    fn introduce(&self) {
        let folder = self.folder();
        let (certificate, key) = (folder.join("client.cert"), folder.join("client.key"));
        self.authority
            .write(vec!["client".to_owned()], &certificate, &key);
    }

    /// Pushes the base of functions with the engine.
    fn push_base(&self) {
        let stack = self.rig.stack;
        let base = stack.host_image("esb-lambda-base", "1.4.2");
        let here = format!("{}/esb-lambda-base:1.4.2", self.host);
        for words in [["tag", &base, &here], ["push", "--quiet", &here]] {
            command::run(stack.engine().docker().args(words)).unwrap();
        }
    }

    fn command(&self, word: &str, builder: &str) -> Command {
        let mut command = self.rig.request(word, &["--builder", builder]);
        command.env("HOST_REGISTRY_ADDR", format!("https://{}", self.host));
        command
    }

    fn run(&self, command: &mut Command) -> Ran {
        let running = self.within(|| Ok(crate::process::Running::start(command)));
        running.unwrap().wait()
    }

    fn deploy(&self, builder: &str) -> Ran {
        self.run(&mut self.command("deploy", builder))
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        // It is not there in each test.
        fs::remove_dir_all(self.folder()).ok();
        let mut remove = self.rig.stack.engine().docker();
        let removed = command::run(remove.args(["rm", "--force", "--volumes", &self.container]));
        if !std::thread::panicking() {
            removed.unwrap();
        }
    }
}

/// The engine does not verify a registry of its own machine either.
#[rstest]
fn a_registry_with_a_certificate_on_this_machine_is_deployed_to(
    #[values("auto", "engine")] builder: &str,
) {
    let registry = Encrypted::start(true, false);
    registry.push_base();
    let built = registry.deploy(builder).ended(0);
    assert_eq!(built.images(), images(&[("alpha", "built")]));
}

#[rstest]
fn a_registry_elsewhere_needs_an_authority_that_docker_trusts(
    #[values("auto", "engine")] builder: &str,
) {
    let registry = Encrypted::start(false, false);
    registry.trust(&registry.authority);
    registry.push_base();
    let file = registry.folder().join("ca.crt");
    let refused = |case: &str| {
        let failed = registry.deploy(builder).ended(9).payload("Failed");
        let said = said_of(&failed);
        assert!(
            said.contains("invalid peer certificate"),
            "{case}: {failed}"
        );
        let hints = hints_of(&failed);
        assert!(
            hints.contains(&format!("`{}`", file.display())),
            "{case}: {failed}"
        );
    };
    fs::remove_dir_all(registry.folder()).unwrap();
    refused("no authority");
    registry.trust(&Authority::new());
    refused("another authority");

    // What `SSL_CERT_FILE` names stands in for the authorities of this machine.
    fs::remove_dir_all(registry.folder()).unwrap();
    let own = registry.rig.folder().join("own.pem");
    fs::write(&own, registry.authority.0.pem()).unwrap();
    registry
        .run(registry.command("plan", builder).env("SSL_CERT_FILE", &own))
        .ended(0);

    registry.trust(&registry.authority);
    let built = registry.deploy(builder).ended(0);
    assert_eq!(built.images(), images(&[("alpha", "built")]));
}

#[rstest]
fn a_registry_that_asks_who_pushes_is_told_by_the_engine_and_by_us(
    #[values("auto", "engine")] builder: &str,
) {
    let registry = Encrypted::start(false, true);
    registry.trust(&registry.authority);
    registry.introduce();
    registry.push_base();
    for name in ["client.cert", "client.key"] {
        fs::remove_file(registry.folder().join(name)).unwrap();
    }
    let failed = registry.deploy(builder).ended(9).payload("Failed");
    let file = registry.folder().join("client.cert");
    let hints = hints_of(&failed);
    assert!(hints.contains(&format!("`{}`", file.display())), "{failed}");

    registry.introduce();
    let built = registry.deploy(builder).ended(0);
    assert_eq!(built.images(), images(&[("alpha", "built")]));
}
