use super::*;
use crate::fields::Kind;
use crate::repository;
use std::collections::BTreeSet;
use std::fs;

fn all() -> Vec<Artifact> {
    artifacts(&Fields::read())
}

fn contents(path: &str) -> Value {
    let found = all().into_iter().find(|artifact| artifact.path.to_str() == Some(path));
    serde_json::from_str(&found.unwrap_or_else(|| panic!("there is no {path}")).contents).unwrap()
}

#[test]
fn the_files_are_what_is_generated_and_no_other_is_there() {
    let mut generated = BTreeSet::new();
    for Artifact { path, contents } in all() {
        let found = fs::read_to_string(repository().join(&path)).unwrap_or_default();
        assert!(found == contents, "{} is not what is generated: run `cargo run -p synod-elk`", path.display());
        generated.insert(path);
    }
    for folder in ["elk/templates/component", "elk/templates/index", "elk/ilm", "elk/pipelines"] {
        for entry in fs::read_dir(repository().join(folder)).unwrap() {
            let path = std::path::Path::new(folder).join(entry.unwrap().file_name());
            assert!(generated.contains(&path), "{} is not generated: delete it", path.display());
        }
    }
}

#[test]
fn every_field_is_mapped_in_its_streams_and_in_no_other() {
    let fields = Fields::read();
    for stream in Stream::ALL {
        let mappings = contents(&format!("elk/templates/component/synod@mappings-{}.json", stream_name(stream)));
        for field in &fields.fields {
            let place = |path: &str| format!("/template/mappings/properties/{}", path.replace('.', "/properties/"));
            let kind = mappings.pointer(&place(&field.name)).map(|mapping| mapping["type"].as_str().unwrap().to_owned());
            let expected = field.is_of(stream).then(|| format!("{:?}", field.kind).to_lowercase());
            assert_eq!(kind, expected, "{stream:?} {}", field.name);
        }
    }
}

#[test]
fn every_component_of_a_template_is_there_or_may_be_missing() {
    for stream in Stream::ALL {
        let template = contents(&format!("elk/templates/index/logs-{}.json", stream.dataset()));
        for component in template["composed_of"].as_array().unwrap() {
            let path = format!("elk/templates/component/{}.json", component.as_str().unwrap());
            let there = all().iter().any(|artifact| artifact.path.to_str() == Some(&path));
            let may_be_missing = template["ignore_missing_component_templates"].as_array().unwrap().contains(component);
            assert!(there || (may_be_missing && component == "synod@custom"), "{component}");
        }
        let policy = &contents(&format!("elk/templates/component/synod@ilm-{}.json", stream_name(stream)))["template"]["settings"];
        contents(&format!("elk/ilm/{}.json", policy["index.lifecycle.name"].as_str().unwrap()));
    }
    let pipeline = &contents("elk/templates/component/synod@pipeline.json")["template"]["settings"]["index.default_pipeline"];
    contents(&format!("elk/pipelines/{}.json", pipeline.as_str().unwrap()));
}

#[test]
fn no_processor_of_the_pipeline_can_fail_a_document() {
    let pipeline = contents("elk/pipelines/synod@ingest.json");
    for list in ["processors", "on_failure"] {
        for processor in pipeline[list].as_array().unwrap() {
            assert!(processor.as_object().unwrap().values().all(|options| options["ignore_failure"] == true), "{list}: {processor}");
        }
    }
}

#[test]
fn what_an_outsider_writes_lands_in_fields_that_make_no_fields() {
    let free: Vec<_> = Fields::read().fields.into_iter().filter(|field| field.kind == Kind::Object).collect();
    assert_eq!(
        free.iter().map(|field| &*field.name).collect::<Vec<_>>(),
        ["synod.detectors"],
        "detectors' names are those of the configuration"
    );
    for stream in Stream::ALL {
        let mappings = &contents(&format!("elk/templates/component/synod@mappings-{}.json", stream_name(stream)))["template"]["mappings"];
        assert_eq!((&mappings["dynamic"], &mappings["date_detection"]), (&json!(false), &json!(false)));
    }
}
