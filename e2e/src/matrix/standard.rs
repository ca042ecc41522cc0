//! Standard: what people do with a stack day by day, and what they ask afterwards.

use super::site::{Held, Site, equal, expect};
use super::smoke::SHOP;
use super::suite::Step;

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "a plan says what a deploy would do and touches nothing",
        run: plan,
    },
    Step {
        name: "a deploy does what the plan said",
        run: deploy,
    },
    Step {
        name: "a dry run of a change touches nothing",
        run: dry_run,
    },
    Step {
        name: "an artifact for another stack is refused and nothing is touched",
        run: refuse,
    },
    Step {
        name: "changed functions answer as they are now, the other as before",
        run: change,
    },
    Step {
        name: "a function that the artifact no longer has goes away with its route",
        run: prune,
    },
    Step {
        name: "routes come and go with the artifact",
        run: routes,
    },
    Step {
        name: "resources are provisioned once, however often it is asked for",
        run: provision,
    },
    Step {
        name: "an edit by hand is drift, and the next deploy mends it",
        run: drift,
    },
    Step {
        name: "the journal tells who deployed what, and is whole",
        run: journal,
    },
];

/// Exit code of `plan` and `status` with `--exit-code` when something differs.
const DIFFERS: i32 = 11;

fn plan(site: &Site<'_>) -> Held {
    site.proxy.clear();
    let plan = site.plan("shop", &["--exit-code"])?.ended(DIFFERS)?;
    site.nothing_was_changed()?;
    expect(!site.proxy.requests().is_empty(), || {
        "the plan has not asked the engine".to_owned()
    })?;
    equal("published files", site.published()?.len(), 0_usize)?;
    let [plan] = plan.objects("plan").try_into().unwrap_or_default();
    let planned = |function: &str| {
        let images = plan["images"].as_array();
        images.is_some_and(|images| images.iter().any(|image| image["function"] == function))
    };
    for (function, ..) in SHOP {
        expect(planned(function), || {
            format!("the plan has no image for `{function}`: {plan}")
        })?;
    }
    Ok(())
}

fn deploy(site: &Site<'_>) -> Held {
    site.deploy("shop", &[])?.ended(0)?;
    site.plan("shop", &["--exit-code"])?.ended(0)?;
    for (function, method, path, body) in SHOP {
        site.answers(function, method, path, body)?;
    }
    Ok(())
}

fn dry_run(site: &Site<'_>) -> Held {
    let files = site.published()?;
    site.proxy.clear();
    let plan = site.deploy("shop-changed", &["--dry-run"])?.ended(0)?;
    site.nothing_was_changed()?;
    equal("published files", site.published()?, files)?;
    let plan = format!("{:?}", plan.objects("plan"));
    for key in ["functions/stock-audit", "routes/GET /orders/latest"] {
        expect(plan.contains(key), || {
            format!("the plan does not name `{key}`: {plan}")
        })?;
    }
    Ok(())
}

fn refuse(site: &Site<'_>) -> Held {
    let files = site.published()?;
    site.proxy.clear();
    let refused = site.deploy("shop-newer", &[])?.ended(4)?;
    site.nothing_was_changed()?;
    equal("published files", site.published()?, files)?;
    for component in ["esb_version", "gateway"] {
        expect(refused.stderr.contains(component), || {
            format!("`{component}` is not named: {}", refused.stderr)
        })?;
    }
    site.answers("orders-list", "GET", "/orders/7", "")?;
    site.run(&["status", "--exit-code"])?.ended(DIFFERS)?;
    Ok(())
}

fn change(site: &Site<'_>) -> Held {
    site.deploy("shop-changed", &[])?.ended(0)?;
    for (function, method, path, release) in [
        ("orders-place", "POST", "/orders", 2.into()),
        ("stock-count", "PUT", "/stock/shelves", 2.into()),
        ("orders-list", "GET", "/orders", serde_json::Value::Null),
    ] {
        let answer = site.answers(function, method, path, "")?;
        equal(
            &format!("release of `{function}`"),
            answer["release"].clone(),
            release,
        )?;
    }
    Ok(())
}

fn prune(site: &Site<'_>) -> Held {
    for (file, text) in site.published()? {
        expect(!text.contains("stock-audit"), || {
            format!("`{file}` still has `stock-audit`:\n{text}")
        })?;
    }
    // The route that takes everything else takes what was the audit's.
    site.answers("stock-count", "POST", "/stock/audit", "{}")?;
    Ok(())
}

fn routes(site: &Site<'_>) -> Held {
    site.answers("orders-list", "GET", "/orders/latest", "")?;
    equal(
        "the route that went",
        site.call("GET", "/orders/7", "")?.status,
        404,
    )
}

fn provision(site: &Site<'_>) -> Held {
    let flags = site.compose_flags();
    let flags = flags.iter().map(String::as_str);
    let with = |words: &[&'static str]| {
        words
            .iter()
            .copied()
            .chain(flags.clone())
            .collect::<Vec<_>>()
    };
    let deployed = site
        .deploy("shop-changed", &with(&["--provision"]))?
        .ended(0)?;
    let applied = deployed.payloads("Applied");
    let code = applied
        .first()
        .map(|applied| &applied["provision"]["exit_code"]);
    equal("exit code of the provisioner", code, Some(&0.into()))?;

    let mut again = with(&["provision", "--compose-project"]);
    again.insert(2, site.stack.project());
    let again = site.run(&again)?.ended(0)?.stdout;
    for resource in ["table `orders`", "bucket `invoices`", "table `stock`"] {
        let there = format!("{resource} is there already");
        expect(again.contains(&there), || {
            format!("no `{there}` in: {again}")
        })?;
    }
    Ok(())
}

fn drift(site: &Site<'_>) -> Held {
    let files = site.published()?;
    site.run(&["status", "--exit-code"])?.ended(0)?;
    site.edit("functions.yml", "TABLE: orders", "TABLE: another")?;
    site.run(&["status", "--exit-code"])?.ended(DIFFERS)?;
    let mended = site.deploy("shop-changed", &[])?.ended(0)?;
    let key = "functions/orders-place";
    expect(mended.stderr.contains(key), || {
        format!("the drift of `{key}` is not named: {}", mended.stderr)
    })?;
    equal("published files", site.published()?, files)?;
    site.run(&["status", "--exit-code"])?.ended(0)?;
    Ok(())
}

fn journal(site: &Site<'_>) -> Held {
    let history = site.run(&["history"])?.ended(0)?;
    let statuses: Vec<_> = history
        .objects("deploy")
        .iter()
        .map(|deploy| deploy["status"].as_str().unwrap_or_default().to_owned())
        .collect();
    let expected = ["applied", "applied", "applied", "superseded", "applied"];
    equal("deploys, newest first", statuses, expected)?;
    let shown = site.run(&["show", "latest"])?.ended(0)?;
    let observed = format!("{:?}", shown.payloads("Observed"));
    expect(observed.contains(site.stack.mode().runner()), || {
        format!("the latest deploy has not seen who runs functions: {observed}")
    })?;
    let order = "Requested Observed CompatChecked Merged ImagesKept Applied";
    site.run(&["assert", "latest", order])?.ended(0)?;
    site.run(&["assert", "latest", "Requested Applied"])?
        .ended(10)?;
    site.run(&["verify"])?.ended(0)?;
    Ok(())
}
