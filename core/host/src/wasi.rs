//! The world that a plugin finds where its language wants an operating system: WASI 0.2 with nothing in it.
//!
//! Compilers and runtimes of other languages import WASI whether a program uses it or not. Here every door is there and shut:
//!
//! | | |
//! | --- | --- |
//! | arguments, environment, working directory | none |
//! | files | no folder is open, and none can be opened |
//! | standard input | at its end |
//! | standard output and error | lines of the plugin's log, bounded like the others |
//! | clocks | stand still at one second; waiting is a trap |
//! | random numbers | the same stream in every call of every instance |
//! | exit | a trap |
//! | network | not even there: the import is refused, as is whatever else is not in [`INTERFACES`] |
//!
//! So two instances cannot differ, and nothing gets in or out. Each function has its real type; one that could only be reached through a
//! file, a terminal or a pollable that nobody has is a trap with its name.

mod doors;
mod state;

pub(crate) use state::World;

use crate::instance::State;
use std::fmt;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance};

/// What a plugin may import of WASI 0.2, beyond the contract.
const INTERFACES: [&str; 20] = [
    "cli/environment",
    "cli/exit",
    "cli/stderr",
    "cli/stdin",
    "cli/stdout",
    "cli/terminal-input",
    "cli/terminal-output",
    "cli/terminal-stderr",
    "cli/terminal-stdin",
    "cli/terminal-stdout",
    "clocks/monotonic-clock",
    "clocks/wall-clock",
    "filesystem/preopens",
    "filesystem/types",
    "io/error",
    "io/poll",
    "io/streams",
    "random/insecure",
    "random/insecure-seed",
    "random/random",
];

/// The interface without `wasi:` and version, if this world has it in this version.
pub(crate) fn offered(import: &str) -> Option<&str> {
    let (interface, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    let known = INTERFACES.contains(&interface);
    (known && !patch.is_empty() && patch.bytes().all(|digit| digit.is_ascii_digit())).then_some(interface)
}

/// A linker that meets what this component imports of WASI as well. Its names were checked with [`offered`].
pub(crate) fn meet(linker: &Linker<State>, engine: &Engine, component: &Component) -> wasmtime::Result<Linker<State>> {
    let mut linker = linker.clone();
    linker.allow_shadowing(true);
    for (name, import) in component.component_type().imports(engine) {
        if let (Some(interface), ComponentItem::ComponentInstance(wanted)) = (offered(name), import.ty) {
            let mut instance = linker.instance(name)?;
            shut(&mut instance, engine, name, &wanted)?;
            doors::hang(&mut instance, interface)?;
        }
    }
    Ok(linker)
}

/// Defines all that is wanted, so that whoever calls it is stopped. What has an answer is defined over it.
fn shut(instance: &mut LinkerInstance<'_, State>, engine: &Engine, name: &str, wanted: &ComponentInstance) -> wasmtime::Result<()> {
    for (item, kind) in wanted.exports(engine) {
        match kind.ty {
            ComponentItem::ComponentFunc(_) => {
                let denied = Denied(format!("{name} {item} was called, and is not there"));
                instance.func_new(item, move |_, _, _, _| Err(denied.clone().into()))?;
            }
            ComponentItem::Resource(_) => doors::resource(instance, item)?,
            // Types need no definition. Anything else is no part of WASI, and fails when the component is linked.
            _ => {}
        }
    }
    Ok(())
}

/// Why a plugin was stopped at one of these doors.
#[derive(Debug, Clone)]
pub(crate) struct Denied(pub(crate) String);

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Denied {}

#[cfg(test)]
mod tests {
    use super::offered;

    #[test]
    fn the_world_is_wasi_0_2_without_a_network() {
        for name in ["wasi:cli/exit@0.2.0", "wasi:io/streams@0.2.12", "wasi:random/insecure-seed@0.2.3"] {
            assert!(offered(name).is_some(), "{name}");
        }
        for name in [
            "wasi:cli/exit",
            "wasi:cli/exit@0.3.0",
            "wasi:cli/exit@0.2.0-rc.1",
            "wasi:cli/exit@0.2.",
            "wasi:cli/run@0.2.0",
            "wasi:http/outgoing-handler@0.2.0",
            "wasi:sockets/tcp@0.2.0",
            "wasi:keyvalue/store@0.2.0",
            "mine:cli/exit@0.2.0",
        ] {
            assert!(offered(name).is_none(), "{name}");
        }
    }
}
