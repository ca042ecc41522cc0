//! Logins that go to an engine without encryption: an engine at a `tcp://` address that is not this machine's own.
//!
//! The address is the engine's end of its bridge, which only its network knows. Not here: which addresses are another
//! machine's (the engine's own tests).

use std::fs;
use std::net::TcpListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::command;
use e2e::proxy::Proxy;

use crate::process::{Ran, Running, images};
use crate::refusal::contents;
use crate::rig::{BY_ENGINE, Rig};

const PASSWORD: &str = "canary-of-a-login";

/// A rig whose engine is asked over the network, by somebody who has a login for its registry.
struct Overheard {
    rig: Rig<'static>,
    proxy: Proxy,
}

impl Overheard {
    fn new(functions: &[&str]) -> Self {
        let rig = Rig::new(functions);
        let engine = rig.stack.engine();
        let subnet = "{{(index .IPAM.Config 0).Subnet}}";
        let mut bridge = engine.docker();
        bridge.args(["network", "inspect", "bridge", "--format", subnet]);
        let subnet = command::run(&mut bridge).unwrap();
        let (network, _) = subnet.rsplit_once('.').unwrap();
        // The engine's own end has the first address.
        let address = format!("{network}.1:0");
        let listener = engine.within(|| TcpListener::bind(&address));
        let proxy = Proxy::before_socket(listener.unwrap(), engine.socket()).unwrap();
        let auth = STANDARD.encode(format!("me:{PASSWORD}"));
        let config =
            serde_json::json!({ "auths": { rig.stack.host_registry(): { "auth": auth } } });
        fs::write(rig.folder().join("config.json"), config.to_string()).unwrap();
        Self { rig, proxy }
    }

    /// Deploys images that the engine at this address builds and pushes, from where the engine is.
    fn deploy(&self, host: &str) -> Ran {
        let mut deploy = self.rig.request("deploy", &BY_ENGINE);
        deploy.env("DOCKER_HOST", host);
        deploy.env("DOCKER_CONFIG", self.rig.folder());
        let engine = self.rig.stack.engine();
        let running = engine.within(|| Ok(Running::start(&mut deploy)));
        running.unwrap().wait()
    }

    /// The lines that warn of the login.
    fn warnings(ran: &Ran) -> Vec<&str> {
        let lines = ran.stderr.lines();
        lines
            .filter(|line| line.contains("without encryption"))
            .collect()
    }
}

#[test]
fn a_login_that_goes_over_the_network_is_warned_of_once_and_never_shown() {
    let overheard = Overheard::new(&["alpha", "beta"]);
    let host = format!("tcp://{}", overheard.proxy.docker_host());
    let ran = overheard.deploy(&host).ended(0);
    let built = images(&[("alpha", "built"), ("beta", "built")]);
    assert_eq!(ran.images(), built);
    let pushes = overheard.proxy.requests().into_iter();
    let pushes = pushes.filter(|request| request.endpoint().ends_with("/push"));
    assert!(pushes.count() >= 2, "each push brings the login");

    let [warning] = Overheard::warnings(&ran)[..] else {
        panic!("not one warning:\n{}", ran.stderr);
    };
    let registry = overheard.rig.stack.host_registry();
    for named in [&registry, &host] {
        assert!(warning.contains(&format!("`{named}`")), "{warning}");
    }
    let encoded = STANDARD.encode(format!("me:{PASSWORD}"));
    let journal = contents(&overheard.rig.journal);
    for secret in [PASSWORD, &encoded] {
        let is_within = |bytes: &[u8]| {
            let mut windows = bytes.windows(secret.len());
            windows.any(|window| window == secret.as_bytes())
        };
        assert!(!is_within(ran.stdout.as_bytes()), "{}", ran.stdout);
        assert!(!is_within(ran.stderr.as_bytes()), "{}", ran.stderr);
        for (path, (_, _, bytes)) in &journal {
            assert!(!is_within(bytes), "in {path:?}");
        }
    }
}

/// The same login on the engine's socket is nobody else's to hear.
#[test]
fn a_login_that_stays_on_the_machine_is_not_warned_of() {
    let overheard = Overheard::new(&["alpha"]);
    let host = overheard.rig.proxy.docker_host();
    let ran = overheard.deploy(&host).ended(0);
    assert_eq!(ran.images(), images(&[("alpha", "built")]));
    assert_eq!(Overheard::warnings(&ran), [""; 0], "{}", ran.stderr);
}
