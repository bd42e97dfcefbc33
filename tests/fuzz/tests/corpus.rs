//! Every input that was found worth keeping, and every way to cut it short or to change a byte of it.

use std::fs;
use std::path::Path;
use synod_fuzz::TARGETS;

/// Changes of one input, so that a large one does not take for ever.
const CHANGES: usize = 60;

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.expect("a folder can be read").path())
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file can be read")))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 3, "{target} has hardly a corpus");
    inputs
}

#[test]
fn no_kept_input_breaks_a_promise() {
    for (name, target) in TARGETS {
        for (path, bytes) in inputs(name) {
            // The name is what a failure has to say.
            println!("{path}");
            target(&bytes);
        }
    }
}

#[test]
fn no_cut_or_changed_input_breaks_a_promise() {
    for (name, target) in TARGETS {
        for (path, bytes) in inputs(name) {
            let step = (bytes.len() / CHANGES).max(1);
            for at in (0..bytes.len()).step_by(step) {
                println!("{path} at {at}");
                target(&bytes[..at]);
                let mut changed = bytes.clone();
                changed[at] = changed[at].wrapping_add(1 + (at % 255) as u8);
                target(&changed);
            }
        }
    }
}
