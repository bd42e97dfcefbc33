//! The monitoring mixin: the same rules and dashboards for those who build theirs with Jsonnet. Its frame is `deploy/mixin/mixin.libsonnet`.

use crate::Artifact;
use crate::rules::{self, Links};
use std::path::{Path, PathBuf};

/// What stands in the files for the beginnings of links, until Jsonnet puts in what is configured.
pub const RUNBOOK: &str = "@RUNBOOK@";
/// The same for Grafana.
pub const DASHBOARDS: &str = "@DASHBOARDS@";

/// The mixin's files, of the dashboards among these files.
#[must_use]
pub fn artifacts(others: &[Artifact]) -> Vec<Artifact> {
    let links = Links { runbook: RUNBOOK.to_owned(), dashboards: DASHBOARDS.to_owned() };
    let file = |name: &str, contents: String| Artifact { path: PathBuf::from("deploy/mixin").join(name), contents };
    vec![
        file("alerts.json", format!("{:#}\n", rules::json(true, &links))),
        file("rules.json", format!("{:#}\n", rules::json(false, &links))),
        file("dashboards.libsonnet", dashboards(others)),
    ]
}

/// Jsonnet imports what is named, and cannot list a folder.
fn dashboards(others: &[Artifact]) -> String {
    let of_grafana = others.iter().filter(|other| other.path.starts_with("deploy/grafana/dashboards"));
    let names = of_grafana.filter_map(|other| other.path.file_name().and_then(|name| name.to_str()));
    let lines: String = names.map(|name| format!("  '{name}': import '../grafana/dashboards/{name}',\n")).collect();
    format!("// Made by deploy/monitoring (cargo run -p synod-monitoring).\n{{\n{lines}}}\n")
}

/// Its folder.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../mixin"))
}
