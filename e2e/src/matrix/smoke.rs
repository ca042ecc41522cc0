//! Smoke: an artifact is deployed, its functions answer, the same deploy again changes nothing.

use super::site::{Held, Site, equal};
use super::suite::Step;

/// Calls to the shop, and the function that must answer each.
pub(super) const SHOP: [(&str, &str, &str, &str); 4] = [
    ("orders-place", "POST", "/orders", "{\"item\":\"lamp\"}"),
    ("orders-list", "GET", "/orders/7", ""),
    ("stock-audit", "POST", "/stock/audit", "{}"),
    ("stock-count", "GET", "/stock/shelves", ""),
];

pub(super) const STEPS: &[Step] = &[
    Step {
        name: "a deploy records its events in order and publishes",
        run: deploy,
    },
    Step {
        name: "every function answers through the gateway",
        run: call,
    },
    Step {
        name: "a second deploy changes nothing and replaces no container",
        run: deploy_again,
    },
];

fn deploy(site: &Site<'_>) -> Held {
    let deployed = site.deploy("shop", &[])?.ended(0)?;
    equal(
        "functions with an image",
        deployed.payloads("ImageBuilt").len(),
        4_usize,
    )?;
    let order = "Requested Observed CompatChecked Merged ImageBuilt+ Applied";
    site.run(&["assert", "latest", order])?.ended(0)?;
    let files: Vec<_> = site.published()?.into_keys().collect();
    equal(
        "published files",
        files,
        ["functions.yml", "resources.yml", "routing.yml"],
    )
}

fn call(site: &Site<'_>) -> Held {
    for (function, method, path, body) in SHOP {
        site.answers(function, method, path, body)?;
        site.container(function)?;
    }
    equal(
        "the route of no function",
        site.call("GET", "/nowhere", "")?.status,
        404,
    )
}

fn deploy_again(site: &Site<'_>) -> Held {
    let (files, containers) = (site.published()?, containers(site)?);
    site.proxy.clear();
    let again = site.deploy("shop", &[])?.ended(0)?;
    site.nothing_was_changed()?;
    equal("images built", again.images("built"), [""; 0])?;
    equal("published files", site.published()?, files)?;
    for (function, method, path, body) in SHOP {
        site.answers(function, method, path, body)?;
    }
    equal(
        "containers of functions",
        self::containers(site)?,
        containers,
    )
}

fn containers(site: &Site<'_>) -> Result<Vec<String>, super::site::StepError> {
    let mut all = site.stack.function_containers()?;
    all.sort();
    Ok(all)
}
