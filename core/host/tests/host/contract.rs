//! What is not a plugin is refused before it runs, with the reason.

use crate::raw::{component, contract, module};
use crate::support::{host, template_bytes};
use synod_host::LoadError;

fn refusal(bytes: &[u8]) -> String {
    host().load(bytes).unwrap_err().to_string()
}

#[test]
fn other_bytes_are_named() {
    assert_eq!(refusal(b""), "these bytes are not WebAssembly");
    assert_eq!(refusal(b"#!/bin/sh"), "these bytes are not WebAssembly");
    assert_eq!(refusal(b"\x7fELF compiled code in disguise"), "these bytes are not WebAssembly");
    let core = wat::parse_str("(module)").unwrap();
    assert!(refusal(&core).contains("core WebAssembly module"), "{}", refusal(&core));
    let whole = template_bytes();
    assert!(matches!(host().load(&whole[..whole.len() / 2]), Err(LoadError::Compile(_))));
}

#[test]
fn a_component_without_the_detector_is_refused() {
    let empty = wat::parse_str("(component)").unwrap();
    assert_eq!(refusal(&empty), "the component does not export synod:detector/detector@2.0.0");
}

#[test]
fn another_version_is_refused_and_named() {
    let versioned = |version: &str| {
        let (module, contract) = (module("", "unreachable"), contract());
        component(
            &module.replace("detector@2.0.0", &format!("detector@{version}")),
            &contract.replace("detector@2.0.0", &format!("detector@{version}")),
        )
    };
    for version in ["0.9.0", "3.0.0", "2.0.0-rc.1"] {
        assert_eq!(refusal(&versioned(version)), format!("the plugin speaks synod:detector/detector@{version}, this host speaks 2.0.0"));
    }
    for version in ["2.0.0", "2.0.7", "2.3.0"] {
        assert!(host().load(&versioned(version)).is_ok(), "{version} is compatible");
    }
}

#[test]
fn a_forbidden_import_is_refused_and_named() {
    let wit = contract().replace("import logging;", "import logging;\n    import clock;") + "interface clock { now: func() -> u64; }";
    let imports = r#"(import "synod:detector/clock@2.0.0" "now" (func (result i64)))"#;
    assert_eq!(
        refusal(&component(&module(imports, "unreachable"), &wit)),
        "the plugin imports synod:detector/clock@2.0.0: a plugin may import nothing but synod:detector/logging@2.0.0 and an empty WASI 0.2"
    );
    // A component that wants the network.
    let wasi = wat::parse_str(
        r#"(component
            (import "wasi:http/outgoing-handler@0.2.0" (instance $network (export "now" (func (result u64)))))
            (instance (export "synod:detector/detector@2.0.0"))
        )"#,
    );
    assert_eq!(
        refusal(&wasi.unwrap()),
        "the plugin imports wasi:http/outgoing-handler@0.2.0: a plugin may import nothing but synod:detector/logging@2.0.0 and an empty WASI 0.2"
    );
}

#[test]
fn other_functions_under_the_right_name_are_refused() {
    let empty = wat::parse_str(r#"(component (instance (export "synod:detector/detector@2.0.0")))"#).unwrap();
    assert!(matches!(host().load(&empty), Err(LoadError::Shape(_))));
    // `check` answers with one text instead of a list.
    let wit = contract().replace("check: func(parameters: string) -> list<string>", "check: func(parameters: string) -> string");
    let error = host().load(&component(&module("", "unreachable"), &wit)).unwrap_err();
    assert!(matches!(&error, LoadError::Shape(what) if what.contains("expected `list` found `string`")), "{error:?}");
    // A function of the log that this host does not have.
    let wit = contract().replace("log: func(", "shout: func(message: string);\n    log: func(");
    let imports = r#"(import "synod:detector/logging@2.0.0" "shout" (func (param i32 i32)))"#;
    let error = host().load(&component(&module(imports, "unreachable"), &wit)).unwrap_err();
    assert!(matches!(&error, LoadError::Shape(what) if what.contains("shout")), "{error:?}");
}
