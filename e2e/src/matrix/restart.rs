//! Restart: parts of the stack, containers of functions and deploys end at any time; everything comes back.

use std::time::{Duration, Instant};

use super::process::Ran;
use super::site::{Held, Site, equal, expect};
use super::smoke::SHOP;
use super::suite::Step;
use crate::proxy::{FaultEffect, InjectedFault, Request};

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "the shop is deployed and answers",
        run: deploy,
    },
    Step {
        name: "it answers after the gateway was restarted",
        run: gateway,
    },
    Step {
        name: "it answers after the service that runs functions was restarted",
        run: runner,
    },
    Step {
        name: "after the registry was restarted it answers, and a deploy finds every image",
        run: registry,
    },
    Step {
        name: "a container that was removed by hand comes back",
        run: removed,
    },
    Step {
        name: "a deploy that was killed between two builds is resumed and ends as any other",
        run: killed,
    },
    Step {
        name: "it answers after the whole stack was restarted",
        run: everything,
    },
];

const BUILD: &str = "POST /build";
const BUILDS_LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);

fn deploy(site: &Site<'_>) -> Held {
    site.deploy("shop", &[])?.ended(0)?;
    answers(site)
}

/// Every function answers, each in one container.
fn answers(site: &Site<'_>) -> Held {
    for (function, method, path, body) in SHOP {
        site.answers(function, method, path, body)?;
        site.container(function)?;
    }
    Ok(())
}

fn gateway(site: &Site<'_>) -> Held {
    site.restart(&["gateway"])?;
    answers(site)
}

fn runner(site: &Site<'_>) -> Held {
    site.restart(&[site.stack.mode().runner()])?;
    // It knows only containers that it started itself.
    equal(
        "containers after the restart",
        site.stack.function_containers()?,
        [""; 0],
    )?;
    answers(site)
}

fn registry(site: &Site<'_>) -> Held {
    site.restart(&["registry"])?;
    answers(site)?;
    site.proxy.clear();
    site.deploy("shop", &[])?.ended(0)?;
    site.nothing_was_changed()
}

fn removed(site: &Site<'_>) -> Held {
    let (function, method, path, body) = SHOP[0];
    let container = site.container(function)?;
    site.stack.remove_function_container(&container)?;
    equal(
        "containers of the function",
        site.stack.containers_of(function)?,
        [""; 0],
    )?;
    site.answers(function, method, path, body)?;
    let fresh = site.container(function)?;
    expect(fresh != container, || {
        format!("`{container}` was not removed")
    })
}

fn killed(site: &Site<'_>) -> Held {
    // Earlier suites may have left these images in the registry, and a kill needs builds of the engine.
    let more = ["--jobs", "1", "--no-cache", "--builder", "engine"];
    site.proxy.clear();
    site.proxy.inject(InjectedFault {
        endpoint: BUILD.to_owned(),
        skip: 1,
        effect: FaultEffect::Hold,
    });
    let mut deploy = site.begin("shop-changed", &more)?;
    deploy.says("\"kind\":\"ImageBuilt\"")?;
    await_builds(site, 2)?;
    deploy.kill()?;
    site.run(&["status", "--exit-code"])?.ended(11)?;
    // Nothing was published of what was not finished.
    answers(site)?;

    site.proxy.clear();
    let resumed = site.run(&["resume", "--builder", "engine"])?.ended(0)?;
    equal(
        "attempts that were resumed",
        resumed.payloads("Resumed").len(),
        1_usize,
    )?;
    equal(
        "functions with an image",
        resumed.payloads("ImageBuilt").len() as u64 + kept(&resumed),
        3,
    )?;
    equal("builds after the kill", builds(site), 2)?;
    let placed = site.answers("orders-place", "POST", "/orders", "")?;
    equal("release of `orders-place`", &placed["release"], 2)?;
    let counted = site.answers("stock-count", "GET", "/stock/shelves", "")?;
    equal("release of `stock-count`", &counted["release"], 2)?;
    site.run(&["verify"])?.ended(0)?;
    site.run(&["status", "--exit-code"])?.ended(0)?;
    Ok(())
}

/// How many images a deploy says are kept as they were.
fn kept(ran: &Ran) -> u64 {
    let kept = ran.payloads("ImagesKept").into_iter();
    kept.filter_map(|kept| kept["count"].as_u64()).sum()
}

fn builds(site: &Site<'_>) -> usize {
    let requests = site.proxy.requests();
    let endpoints = requests.iter().map(Request::endpoint);
    endpoints.filter(|endpoint| endpoint == BUILD).count()
}

fn await_builds(site: &Site<'_>, count: usize) -> Held {
    let deadline = Instant::now() + BUILDS_LIMIT;
    while builds(site) < count {
        expect(Instant::now() < deadline, || {
            format!("the engine was not asked for {count} builds")
        })?;
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

fn everything(site: &Site<'_>) -> Held {
    site.restart(&[])?;
    for (function, method, path) in [
        ("orders-place", "POST", "/orders"),
        ("orders-list", "GET", "/orders/latest"),
        ("stock-count", "GET", "/stock/shelves"),
    ] {
        site.answers(function, method, path, "")?;
        site.container(function)?;
    }
    Ok(())
}
