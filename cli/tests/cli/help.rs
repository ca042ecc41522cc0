//! Help of every command, and completions.

use rstest::rstest;

use crate::support::Machine;

#[rstest]
#[case::all(&[])]
#[case::deploy(&["deploy"])]
#[case::plan(&["plan"])]
#[case::resume(&["resume"])]
#[case::abandon(&["abandon"])]
#[case::status(&["status"])]
#[case::history(&["history"])]
#[case::show(&["show"])]
#[case::diff(&["diff"])]
#[case::blame(&["blame"])]
#[case::stacks(&["stacks"])]
#[case::watch(&["watch"])]
#[case::rollback(&["rollback"])]
#[case::lock(&["lock"])]
#[case::lock_hold(&["lock", "hold"])]
#[case::lock_release(&["lock", "release"])]
#[case::lock_status(&["lock", "status"])]
#[case::verify(&["verify"])]
#[case::assert(&["assert"])]
#[case::replay(&["replay"])]
#[case::schema(&["schema"])]
#[case::sim(&["sim"])]
#[case::export(&["export"])]
#[case::import(&["import"])]
#[case::journal(&["journal"])]
#[case::journal_remove(&["journal", "remove"])]
#[case::journal_prune(&["journal", "prune"])]
#[case::manifest(&["manifest"])]
#[case::manifest_validate(&["manifest", "validate"])]
#[case::manifest_sync_ids(&["manifest", "sync-ids"])]
#[case::provision(&["provision"])]
#[case::init(&["init"])]
#[case::config(&["config"])]
#[case::man(&["man"])]
#[case::completions(&["completions"])]
fn help_is_written_to_standard_output(#[case] command: &[&str]) {
    let args = [command, &["--help"]].concat();
    let name = ["help"]
        .iter()
        .chain(command)
        .copied()
        .collect::<Vec<_>>()
        .join("-");
    Machine::fresh().snapshot(&name, &args);
}

#[rstest]
#[case::all("esb", &[])]
#[case::artifact("esb-artifact", &["artifact"])]
#[case::artifact_apply("esb-artifact-apply", &["artifact", "apply"])]
#[case::artifact_generate("esb-artifact-generate", &["artifact", "generate"])]
#[case::init("esb-init", &["init"])]
#[case::config("esb-config", &["config"])]
#[case::completions("esb-completions", &["completions"])]
#[case::man("esb-man", &["man"])]
#[case::validate("esb-validate", &["validate"])]
#[case::diff("esb-diff", &["diff"])]
#[case::generate("esb-generate", &["generate"])]
#[case::deploy("esb-deploy", &["deploy"])]
fn help_of_esb_is_written_to_standard_output(#[case] name: &str, #[case] command: &[&str]) {
    let args = [command, &["--help"]].concat();
    Machine::fresh().esb_snapshot(&format!("help-{name}"), &args);
}

#[test]
fn every_command_has_a_snapshot_of_its_help() {
    let help = Machine::fresh().run(&["--help"]).stdout;
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap().lines();
    // A line that goes on begins further right.
    let names = commands.filter_map(|line| {
        line.strip_prefix("  ")
            .filter(|rest| !rest.starts_with(' '))
    });
    for name in names.map(|line| line.split(' ').next().unwrap()) {
        let snapshot = crate::support::snapshots().join(format!("help-{name}.txt"));
        assert!(name == "help" || snapshot.exists(), "{name}");
    }
}

#[rstest]
#[case("bash", "complete -F _artifactctl")]
#[case("zsh", "#compdef artifactctl")]
#[case("fish", "complete -c artifactctl")]
fn a_completion_script_speaks_of_artifactctl(#[case] shell: &str, #[case] part: &str) {
    let ran = Machine::fresh().run(&["completions", shell]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains(part), "{}", ran.stdout);
    assert!(ran.stdout.contains("sync-ids"));
}
