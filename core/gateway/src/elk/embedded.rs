//! The files of `elk/` that are built in.

/// A file: its path in `elk/`, and what it holds.
pub(super) type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal)+) => {
        &[$(($name, include_str!(concat!("../../../../elk/", $folder, "/", $name, ".json")))),+]
    };
}

/// Ingest pipelines, by their names.
pub(super) const PIPELINES: &[File] = files!("pipelines": "synod@ingest");

/// Policies of index lifecycle management.
pub(super) const POLICIES: &[File] =
    files!("ilm": "synod-decision" "synod-audit" "synod-access" "synod-app" "synod-edge" "synod-dead_letter");

/// Component templates.
pub(super) const COMPONENTS: &[File] = files!("templates/component":
    "synod@mappings-decision" "synod@mappings-audit" "synod@mappings-access" "synod@mappings-app" "synod@mappings-edge"
    "synod@mappings-dead_letter"
    "synod@settings"
    "synod@lifecycle-decision" "synod@lifecycle-audit" "synod@lifecycle-access" "synod@lifecycle-app" "synod@lifecycle-edge"
    "synod@lifecycle-dead_letter"
    "synod@failure-store"
    "synod@ilm-decision" "synod@ilm-audit" "synod@ilm-access" "synod@ilm-app" "synod@ilm-edge" "synod@ilm-dead_letter"
    "synod@pipeline");

/// Index templates.
pub(super) const INDICES: &[File] = files!("templates/index":
    "logs-synod.decision" "logs-synod.audit" "logs-synod.access" "logs-synod.app" "logs-synod.edge" "logs-synod.dead_letter");

/// What Kibana imports.
pub(super) const KIBANA: &str = include_str!("../../../../elk/kibana/synod.ndjson");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    #[test]
    fn all_files_are_built_in() {
        let elk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../elk");
        let lists = [("pipelines", PIPELINES), ("ilm", POLICIES), ("templates/component", COMPONENTS), ("templates/index", INDICES)];
        for (folder, files) in lists {
            let entries = fs::read_dir(elk.join(folder)).unwrap();
            let there: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            let built_in: BTreeSet<_> = files.iter().map(|(name, _)| format!("{name}.json")).collect();
            assert_eq!(there, built_in, "elk/{folder}");
            for (name, text) in files {
                assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{name}");
            }
        }
    }
}
