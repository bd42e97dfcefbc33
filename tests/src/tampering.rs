//! Models that no fit would publish.

use crate::Installation;
use serde_json::Value;
use synod_store::{DataDirectory, Registry};

/// Turns the model of the honest guest `hostile` into one that misbehaves when it is loaded.
///
/// # Panics
/// When the installation has no such model.
pub fn tamper(at: &Installation, behaviour: &str) {
    at.edit("behaviour: honest", &format!("behaviour: {behaviour}"));
    let directory = DataDirectory::open(at.path("data")).expect("the installation is fitted");
    let registry = Registry::open(&directory).expect("the installation is fitted");
    let mut stored = registry.load::<Value>("hostile", Some(1)).expect("there is a model");
    stored.manifest["parameters"]["behaviour"] = behaviour.into();
    let (version, text) = stored.artifact.split_at(4);
    let text = String::from_utf8(text.to_vec()).expect("the model is text");
    assert!(text.contains("\"honest\""), "{text}");
    let model = [version, text.replace("\"honest\"", &format!("\"{behaviour}\"")).as_bytes()].concat();
    let published = registry.publish("hostile", &model, |_| stored.manifest).expect("the registry takes it");
    registry.go_live(&[("hostile", published.version)], "test", "tamper").expect("it can go live");
}
