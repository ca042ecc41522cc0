//! Runtime: how functions are run, the same in both modes.

use super::site::{Held, Site, StepError, equal, expect};
use super::suite::Step;

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "functions that tell how they are run are deployed",
        run: deploy,
    },
    Step {
        name: "the environment reaches the handler as it was written",
        run: environment,
    },
    Step {
        name: "a handler sees nothing of what runs it",
        run: surroundings,
    },
    Step {
        name: "a handler reaches the services of its stack by name",
        run: neighbour,
    },
    Step {
        name: "a handler that fails is a 502 with its last lines",
        run: failing,
    },
    Step {
        name: "a container is started once and kept warm",
        run: warm,
    },
    Step {
        name: "calls at one moment share one cold start and run side by side",
        run: concurrent,
    },
    Step {
        name: "a call ends when its function's time is over, and the others go on",
        run: slow,
    },
    Step {
        name: "another image replaces the container of its function only",
        run: replaced,
    },
];

/// Calls at one moment.
const CALLS: usize = 6;

fn deploy(site: &Site<'_>) -> Held {
    site.deploy("probe", &[])?.ended(0)?;
    Ok(())
}

/// What `mirror` sees.
fn mirror(site: &Site<'_>, body: &str) -> Result<String, StepError> {
    Ok(site.probe("mirror", body)?.body)
}

fn environment(site: &Site<'_>) -> Held {
    let seen = mirror(site, "{\"x\": \"ü\"}")?;
    for variable in [
        "PLAIN=word",
        "OVERRIDDEN=by the function",
        "EMPTY=",
        "SPACES= a  b ",
        r#"QUOTES='single' "double" `back` $HOME \ =x=y"#,
        "UNICODE=grüße 東京 🙂",
        "NUMBER=0x10",
        "SWITCH=on",
    ] {
        let line = format!("env:{variable}");
        expect(seen.lines().any(|found| found == line), || {
            format!("the handler does not see `{variable}`:\n{seen}")
        })?;
    }
    let request = seen.split_once("request=").map(|(_, request)| request);
    let request: serde_json::Value =
        serde_json::from_str(request.unwrap_or_default()).unwrap_or_default();
    equal(
        "the body of the request",
        &request["body"],
        "{\"x\": \"ü\"}",
    )?;
    equal("the path of the request", &request["path"], "/mirror")
}

fn surroundings(site: &Site<'_>) -> Held {
    let seen = mirror(site, "")?;
    let lines: Vec<_> = seen
        .lines()
        .take_while(|line| !line.starts_with("request="))
        .collect();
    expect(lines.starts_with(&["folder=/var/task", "user=0"]), || {
        format!("the handler is not root in /var/task:\n{seen}")
    })?;
    let names = lines
        .iter()
        .filter_map(|line| line.strip_prefix("env:")?.split_once('='));
    let names: Vec<_> = names.map(|(name, _)| name).collect();
    let expected = [
        "EMPTY",
        "HOME",
        "HOSTNAME",
        "NUMBER",
        "OVERRIDDEN",
        "PATH",
        "PLAIN",
        "PWD",
        "QUOTES",
        "SHLVL",
        "SPACES",
        "SWITCH",
        "UNICODE",
    ];
    equal("variables of the handler", names, expected)
}

fn neighbour(site: &Site<'_>) -> Held {
    let answer = site.probe("neighbour", "")?.json();
    equal(
        "what the gateway told the handler",
        &answer["message"],
        "the gateway is up",
    )
}

fn failing(site: &Site<'_>) -> Held {
    let reply = site.call("POST", "/broken", "")?;
    equal("status of a handler that fails", reply.status, 502)?;
    let message = reply.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let last = (16..=25).map(|line| format!("line {line} of the complaint"));
    let last = last.collect::<Vec<_>>().join(" / ");
    expect(
        message.ends_with(&format!("exit status: 7: {last}")),
        || format!("not the last lines and no others: {message}"),
    )
}

fn warm(site: &Site<'_>) -> Held {
    equal(
        "containers before the first call",
        site.stack.containers_of("counter")?.len(),
        0_usize,
    )?;
    let calls = || Ok::<_, StepError>(site.probe("counter", "")?.json()["calls"].clone());
    equal("calls of the container", calls()?, 1)?;
    let container = site.container("counter")?;
    equal("calls of the container", calls()?, 2)?;
    equal("calls of the container", calls()?, 3)?;
    equal("the container", site.container("counter")?, container)
}

fn concurrent(site: &Site<'_>) -> Held {
    equal(
        "containers before the first call",
        site.stack.containers_of("twin")?.len(),
        0_usize,
    )?;
    let replies: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..CALLS)
            .map(|index| scope.spawn(move || site.probe("twin", &format!("call {index}"))))
            .collect();
        let joined = calls.into_iter().map(|call| {
            let joined = call.join();
            joined.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.collect()
    });
    let mut most = 0;
    for (index, reply) in replies.into_iter().enumerate() {
        let answer = reply?.json();
        let own = format!("call {index}");
        equal(
            "the request of the call",
            &answer["request"]["body"],
            own.as_str(),
        )?;
        most = most.max(answer["running"].as_u64().unwrap_or_default());
    }
    expect(most > 1, || "no two calls ran side by side".to_owned())?;
    site.container("twin")?;
    Ok(())
}

fn slow(site: &Site<'_>) -> Held {
    let reply = site.call("POST", "/slow", "")?;
    equal("status of a call that takes too long", reply.status, 504)?;
    expect(reply.body.contains("within 1 s"), || {
        format!("the limit is not named: {}", reply.body)
    })?;
    site.probe("counter", "")?;
    Ok(())
}

fn replaced(site: &Site<'_>) -> Held {
    let (counter, other) = (site.container("counter")?, site.container("mirror")?);
    site.deploy("probe-changed", &[])?.ended(0)?;
    let answer = site.probe("counter", "")?.json();
    equal("the handler", &answer["word"], "counted anew")?;
    equal("calls of the container", &answer["calls"], 1)?;
    let fresh = site.container("counter")?;
    expect(fresh != counter, || {
        format!("the container `{counter}` was not replaced")
    })?;
    mirror(site, "")?;
    equal(
        "the container of another function",
        site.container("mirror")?,
        other,
    )
}
