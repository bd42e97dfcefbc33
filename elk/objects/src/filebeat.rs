//! Whether Filebeat's configuration fits the documents and the templates: Filebeat itself takes any key, and says nothing of one that it does not
//! know.

use crate::fields::{Fields, Stream};
use serde_json::Value;
use std::collections::BTreeSet;

const TEXT: &str = include_str!("../../filebeat/filebeat.yml");

/// All keys that may be in it, as Filebeat's reference has them.
const KNOWN: [&str; 22] = [
    "path.data",
    "filebeat.registry.flush",
    "filebeat.inputs.type",
    "filebeat.inputs.id",
    "filebeat.inputs.paths",
    "filebeat.inputs.file_identity.fingerprint",
    "filebeat.inputs.prospector.scanner.fingerprint",
    "filebeat.inputs.message_max_bytes",
    "filebeat.inputs.parsers",
    "processors",
    "output.elasticsearch.hosts",
    "output.elasticsearch.api_key",
    "output.elasticsearch.index",
    "output.elasticsearch.non_indexable_policy.dead_letter_index.index",
    "output.elasticsearch.compression_level",
    "output.elasticsearch.ssl",
    "setup.template.enabled",
    "setup.ilm.enabled",
    "logging.level",
    "logging.to_stderr",
    "filebeat.inputs",
    "output.elasticsearch",
];

/// The options of what is in lists, by what they belong to.
const OPTIONS: [(&str, &[&str]); 9] = [
    ("ndjson", &["target", "overwrite_keys", "expand_keys", "add_error_key", "document_id"]),
    ("fingerprint", &["fields", "target_field", "ignore_missing"]),
    ("drop_fields", &["fields", "ignore_missing"]),
    ("rename", &["fields", "ignore_missing", "fail_on_error"]),
    ("copy_fields", &["fields", "ignore_missing", "fail_on_error"]),
    ("add_fields", &["target", "fields"]),
    ("timestamp", &["field", "layouts", "test", "timezone", "ignore_missing", "ignore_failure"]),
    ("ssl", &["certificate_authorities", "verification_mode", "supported_protocols"]),
    ("if", &["not"]),
];

fn configuration() -> Value {
    serde_saphyr::from_str(TEXT).unwrap()
}

/// The part under this key, whatever of its dots are in the key.
fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or_else(|| panic!("there is no {key}"))
}

/// All processors, those of branches as well: each with its name.
fn processors(list: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for processor in list.as_array().unwrap() {
        for (name, options) in processor.as_object().unwrap() {
            match name.as_str() {
                "then" | "else" => found.extend(processors(options)),
                _ => found.push((name.clone(), options.clone())),
            }
        }
    }
    found
}

#[test]
fn every_key_is_known() {
    let configuration = configuration();
    let known: BTreeSet<&str> = KNOWN.into();
    for (name, value) in configuration.as_object().unwrap() {
        assert!(known.contains(name.as_str()), "{name}");
        let inner = match name.as_str() {
            "filebeat.inputs" => &value[0],
            "output.elasticsearch" => value,
            _ => continue,
        };
        for key in inner.as_object().unwrap().keys() {
            assert!(known.contains(format!("{name}.{key}").as_str()), "{name}.{key}");
        }
    }
    let input = &at(&configuration, "filebeat.inputs")[0];
    let mut lists = processors(&configuration["processors"]);
    lists.push(("ndjson".into(), input["parsers"][0]["ndjson"].clone()));
    lists.push(("ssl".into(), at(&configuration, "output.elasticsearch")["ssl"].clone()));
    for (name, options) in lists {
        let known = OPTIONS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("{name} is not known")).1;
        options.as_object().unwrap().keys().for_each(|key| assert!(known.contains(&key.as_str()), "{name}.{key}"));
    }
    assert!(!TEXT.contains("autodiscover"));
}

#[test]
fn a_line_sets_nothing_but_what_is_in_the_list_of_fields() {
    let configuration = configuration();
    let parser = &at(&configuration, "filebeat.inputs")[0]["parsers"][0]["ndjson"];
    let target = parser["target"].as_str().unwrap();
    assert!(!target.is_empty(), "to the root a line could set @metadata, which names the index");
    assert_eq!((&parser["overwrite_keys"], &parser["document_id"]), (&false.into(), &"event.id".into()));
    let fields = Fields::read();
    // Synod writes none of the edge's lines.
    let own = Stream::ALL.into_iter().filter(|stream| *stream != Stream::Edge).flat_map(|stream| fields.of(stream));
    let objects: BTreeSet<&str> = own.map(|field| field.name.split('.').next().unwrap()).filter(|name| *name != "@timestamp").collect();
    assert!(!objects.contains("error"), "it is what Filebeat says of a line that is no JSON");
    let all = processors(&configuration["processors"]);
    let renames = all.iter().filter(|(name, _)| name == "rename").flat_map(|(_, options)| options["fields"].as_array().unwrap());
    let taken: BTreeSet<&str> = renames.filter_map(|rename| rename["from"].as_str()?.strip_prefix(target)?.strip_prefix('.')).collect();
    assert_eq!(taken, objects, "the first parts of the fields' names");
    let time = &all.iter().find(|(name, _)| name == "timestamp").unwrap().1;
    assert_eq!((&time["field"], &time["ignore_failure"]), (&format!("{target}.@timestamp").into(), &false.into()));
}

#[test]
fn documents_go_under_their_ids_to_the_data_streams_that_there_are_templates_for() {
    let configuration = configuration();
    let output = at(&configuration, "output.elasticsearch");
    assert_eq!(output["index"], "%{[data_stream.type]}-%{[data_stream.dataset]}-%{[data_stream.namespace]}");
    let letters = at(output, "non_indexable_policy.dead_letter_index.index").as_str().unwrap();
    assert!(letters.starts_with(&format!("logs-{}-", Stream::DeadLetter.dataset())), "{letters}");
    let all = processors(&configuration["processors"]);
    let added =
        |target: &str| all.iter().find(|(name, options)| name == "add_fields" && options["target"] == target).unwrap().1["fields"].clone();
    assert_eq!(added("@metadata")["op_type"], "create");
    assert_eq!(added("data_stream")["dataset"], Stream::DeadLetter.dataset());
    let copied = &all.iter().find(|(name, _)| name == "copy_fields").unwrap().1["fields"][0];
    assert_eq!((&copied["from"], &copied["to"]), (&"@metadata._id".into(), &"event.id".into()));
    assert_eq!(output["ssl"]["verification_mode"], "full");
    let secret = output["api_key"].as_str().unwrap();
    assert!(secret.starts_with("${") && secret.ends_with('}'), "from the keystore");
}
