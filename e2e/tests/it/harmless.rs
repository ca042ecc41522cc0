//! An engine of our own changes nothing of the network of its host: not while it runs, not when it crashes and is started
//! again, not when it ends.
//!
//! The host is a network namespace that looks like a machine on which another engine runs: the other tests, which use the
//! real one's interfaces, cannot be mistaken for the engine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use e2e::command;
use e2e::engine::TestEngine;
use e2e::namespace::Network;
use e2e::stack::{Stack, StackOptions};

/// What an engine leaves on its host, and settings that another one would like to change.
const FOREIGN_ENGINE: &str = "
set -e
echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6
echo 0 >/proc/sys/net/ipv4/ip_forward
ip link set lo up
ip link add docker0 type bridge
ip address add 172.17.0.1/16 dev docker0
ip link set docker0 up
ip link add br-0123456789ab type bridge
ip address add 10.200.0.1/24 dev br-0123456789ab
ip link set br-0123456789ab up
iptables -P FORWARD DROP
iptables -N DOCKER-USER
iptables -A FORWARD -j DOCKER-USER
iptables -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
iptables -A DOCKER-USER -j RETURN
iptables -t nat -N DOCKER
iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
echo ready
read -r _
";

/// Changes by itself.
const COUNTERS: [&str; 1] = ["nf_conntrack_count"];

/// The network of a machine. It ends with this value.
struct Machine {
    network: Network,
    /// Waits for the end of its stdin.
    process: Child,
}

impl Machine {
    fn with_a_foreign_engine() -> Self {
        let mut process = Command::new("unshare")
            .args(["--net", "sh", "-c", FOREIGN_ENGINE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n");
        let network = Network::of(process.id()).unwrap();
        Self { network, process }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// Interfaces, routes, rules and settings, as the calling thread sees them.
fn network() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for words in [
        "ip -o link",
        "ip -o address",
        "ip route show table all",
        "ip -6 route show table all",
        "ip rule",
        "iptables-save",
        "ip6tables-save",
    ] {
        let mut words_of = words.split(' ');
        let mut list = Command::new(words_of.next().unwrap());
        let listed = command::run(list.args(words_of)).unwrap();
        // Comments hold the time.
        let lines = listed.lines().filter(|line| !line.starts_with('#'));
        let lines: Vec<_> = lines.map(without_counters).collect();
        found.insert(words.to_owned(), lines.join("\n"));
    }
    settings(Path::new("/proc/sys/net"), &mut found);
    found
}

/// A chain's line without what has passed through it.
fn without_counters(line: &str) -> &str {
    match line.split_once(" [") {
        Some((chain, _)) if chain.starts_with(':') => chain,
        Some(_) | None => line,
    }
}

/// Every setting below a folder; those that can only be written are left out.
fn settings(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            settings(&path, found);
        } else if !COUNTERS.iter().any(|counter| path.ends_with(counter))
            && let Ok(value) = std::fs::read_to_string(&path)
        {
            found.insert(path.to_string_lossy().into_owned(), value);
        }
    }
}

#[track_caller]
fn unchanged(before: &BTreeMap<String, String>, when: &str) {
    let after = network();
    let keys = before.keys().chain(after.keys());
    let changed: Vec<_> = keys
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| (key, before.get(key), after.get(key)))
        .collect();
    assert!(changed.is_empty(), "{when}: {changed:#?}");
}

/// Without root no engine can be started, and the refusal must say so.
#[test]
fn an_engine_of_our_own_leaves_the_network_of_its_host_as_it_was() {
    if !rustix::process::geteuid().is_root() {
        let refusal = TestEngine::start().unwrap_err().to_string();
        assert!(refusal.contains("needs root"), "{refusal}");
        return;
    }
    // The machine has no way to the outside.
    TestEngine::prepare().unwrap();
    let machine = Machine::with_a_foreign_engine();
    let deployed = machine.network.within(|| {
        let before = network();
        assert!(before["ip -o address"].contains("172.17.0.1/16"));
        assert!(before["iptables-save"].contains("MASQUERADE"));
        assert!(before.contains_key("/proc/sys/net/ipv4/conf/docker0/forwarding"));

        let engine = TestEngine::start().unwrap();
        unchanged(&before, "an engine runs");
        let stack = Stack::up(&engine, StackOptions::default()).unwrap();
        unchanged(&before, "a stack runs");
        engine.restart().unwrap();
        unchanged(&before, "the engine was killed and started again");
        command::run(stack.compose().arg("start")).unwrap();
        stack.wait_until_up().unwrap();
        unchanged(&before, "the stack runs again");
        drop(stack);
        unchanged(&before, "the stack is down");
        drop(engine);
        unchanged(&before, "the engine has ended");
        Ok(())
    });
    deployed.unwrap();
}
