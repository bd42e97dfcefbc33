//! What a component is before anything is learnt: a component, of the contract's version, with imports that it may have, that says what it is.

use super::{Answer, Findings, properties};
use crate::command::chain;
use std::time::{Duration, Instant};
use synod_host::{CONTRACT_VERSION, Host, LoadError, Plugin};

/// The checks, in the order in which a load gets through them.
const CHECKS: [&str; 4] = ["component", "interface", "imports", "description"];

/// Loads a component and notes how far that went; and how long it took, which is compiling for the most part.
pub(super) fn load(host: &Host, component: &[u8], findings: &mut Findings<'_>) -> Option<(Plugin, Duration)> {
    let begun = Instant::now();
    let loaded = host.load(component);
    let took = begun.elapsed();
    let size = format!("{} bytes", component.len());
    let plugin = match loaded {
        Ok(plugin) => plugin,
        Err(error) => {
            let (at, mend) = stage(&error);
            for (place, check) in CHECKS[..at].iter().enumerate() {
                findings.note(check, Answer::Held(if place == 0 { size.clone() } else { "as it must be".into() }));
            }
            findings.note(CHECKS[at], Answer::broken(chain(&error), mend));
            findings.skip(CHECKS[at + 1..].iter().copied(), "not tried: the component cannot be loaded");
            return None;
        }
    };
    findings.note(CHECKS[0], Answer::Held(format!("{size}, compiled in {:.1} s", took.as_secs_f64())));
    findings.note(CHECKS[1], Answer::Held(format!("{}; this host speaks {CONTRACT_VERSION}", plugin.surface().interface)));
    findings.note(CHECKS[2], Answer::Held(imports(&plugin)));
    let described = findings.note(CHECKS[3], described(&plugin));
    described.then_some((plugin, took))
}

/// Which check a load ended at, and what mends it.
fn stage(error: &LoadError) -> (usize, &'static str) {
    match error {
        LoadError::TooLarge(_) => (0, "leave out what the detector does not need"),
        LoadError::NotWebAssembly => (0, "name a component: a file that ends in .wasm"),
        LoadError::CoreModule => (0, "make it a component: `synod plugin build FILE`"),
        LoadError::Compile(_) => (0, "build it again; leave out what a component cannot have (threads, 64-bit memories, several memories)"),
        LoadError::NoDetector { .. } => (1, "export the contract's interface: plugins/wit/detector.wit"),
        LoadError::OtherVersion { .. } => (1, "build it against this version of the contract, or use a Synod that speaks the other"),
        LoadError::Shape(_) => (1, "build it against plugins/wit/detector.wit as it is: functions and types must be the same"),
        LoadError::ForbiddenImport { .. } => {
            (2, "do without: a detector has no files, no network, no clock and no randomness but its seed")
        }
        LoadError::Describe(_) => (3, "answer `describe` at once, without work and without a trap"),
        LoadError::Description(_) => (3, "mend what `describe` answers"),
    }
}

fn imports(plugin: &Plugin) -> String {
    let imports = &plugin.surface().imports;
    let (wasi, others): (Vec<&String>, Vec<&String>) = imports.iter().partition(|name| name.starts_with("wasi:"));
    let mut said: Vec<String> = others.into_iter().cloned().collect();
    if !wasi.is_empty() {
        said.push(format!("{} interfaces of WASI, in which there is nothing", wasi.len()));
    }
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

/// Whether the description says what people need, beyond what the host insists on.
fn described(plugin: &Plugin) -> Answer {
    let description = plugin.description();
    if description.summary.trim().is_empty() {
        return Answer::broken("the summary is empty", "say in one line what the detector finds");
    }
    let undescribed: Vec<String> =
        properties(description).into_iter().filter(|(_, schema)| schema.get("description").is_none()).map(|(name, _)| name).collect();
    if !undescribed.is_empty() {
        let named = undescribed.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        return Answer::broken(
            format!("parameters without a description: {named}"),
            "describe each of them in the schema (in Rust: a comment on the field)",
        );
    }
    Answer::Held(format!("{} {}: {}", description.name, description.version, description.summary))
}
