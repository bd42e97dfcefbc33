//! Guests that are written byte by byte, for what no compiler would write.

use crate::support::{PLENTY, WIDTH, host, patient, root, strict};
use synod_host::{Failure, LoadError, Plugin};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A whole plugin with replaceable bodies: the SDK's layout of the contract by hand. The result of a call lies at 1024: its discriminant,
/// then a pointer and a length (or an error's discriminant, pointer and length).
const MODULE: &str = r#"
(module
  IMPORTS
  (memory (export "memory") 1)
  (data (i32.const 0) "raw")
  (data (i32.const 16) "1.0.0")
  (data (i32.const 32) "{\"type\":\"object\"}")
  ;; name, version, summary, parameters, minimum rows; the eight flags stay zero
  (data (i32.const 2048) "\00\00\00\00\03\00\00\00\10\00\00\00\05\00\00\00\00\00\00\00\00\00\00\00\20\00\00\00\11\00\00\00\01\00\00\00")
  ;; a model of three bytes
  (data (i32.const 1536) "\00\00\00\00\00\00\00\00\03\00\00\00")
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $result (param $tag i32) (param $second i32) (param $third i32) (param $fourth i32) (result i32)
    (i32.store (i32.const 1024) (local.get $tag))
    (i32.store (i32.const 1028) (local.get $second))
    (i32.store (i32.const 1032) (local.get $third))
    (i32.store (i32.const 1036) (local.get $fourth))
    (i32.const 1024))
  (func (export "synod:detector/detector@2.0.0#describe") (result i32) (i32.const 2048))
  (func (export "synod:detector/detector@2.0.0#check") (param i32 i32) (result i32) (i32.const 3072))
  (func (export "synod:detector/detector@2.0.0#fit") (param i32) (result i32) (i32.const 1536))
  (func (export "synod:detector/detector@2.0.0#merge") (param i32 i32) (result i32) (i32.const 1536))
  (func (export "synod:detector/detector@2.0.0#load") (param i32 i32) (result i32) (i32.const 3072))
  (func (export "synod:detector/detector@2.0.0#score") (param i32 i32 i32) (result i32) SCORE)
  (func (export "synod:detector/detector@2.0.0#explain") (param i32 i32 i32) (result i32) unreachable)
  (func (export "synod:detector/detector@2.0.0#export-onnx") (result i32) unreachable)
)"#;

/// The contract as it is, for [`component`] to wrap a module in.
pub(crate) fn contract() -> String {
    std::fs::read_to_string(root().join("plugins/wit/detector.wit")).unwrap()
}

/// Wraps a core module as the world `plugin` of a contract.
pub(crate) fn component(module: &str, contract: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("detector.wit", contract).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().validate(true).module(&module).unwrap().encode().unwrap()
}

/// The module with this body of `score`, and these imports.
pub(crate) fn module(imports: &str, score: &str) -> String {
    MODULE.replace("IMPORTS", imports).replace("SCORE", score)
}

fn scoring(score: &str) -> Result<Plugin, LoadError> {
    host().load(&component(&module("", score), &contract()))
}

#[test]
fn a_plugin_by_hand_works() {
    // As many scores as there is memory for at 8: the first two numbers of the rows' own memory, which are the values.
    let plugin = scoring("(call $result (i32.const 0) (local.get 1) (i32.const 2) (i32.const 0))").unwrap();
    assert_eq!((plugin.description().name.as_str(), plugin.description().version.as_str()), ("raw", "1.0.0"));
    let training = crate::support::training("{}", &[1.0, 2.0, 3.0]);
    let model = plugin.fit(&training, &PLENTY, &mut |_, _| {}).unwrap();
    assert_eq!(model, b"raw");
    let pool = plugin.pool(model.into(), &patient()).unwrap();
    assert_eq!(pool.score(WIDTH, &[7.0, 8.0, 9.0, 1.0, 2.0, 3.0]).unwrap().scores, [7.0, 8.0]);
}

#[test]
fn an_answer_against_the_contract_is_bad_output() {
    let answers = [
        ("a list outside of memory", "(call $result (i32.const 0) (i32.const 65528) (i32.const 2) (i32.const 0))"),
        ("a list that wraps around", "(call $result (i32.const 0) (i32.const 8) (i32.const 0xffffffff) (i32.const 0))"),
        ("a list that is not aligned", "(call $result (i32.const 0) (i32.const 3) (i32.const 1) (i32.const 0))"),
        ("neither a result nor an error", "(call $result (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0))"),
        ("no such error", "(call $result (i32.const 1) (i32.const 9) (i32.const 0) (i32.const 0))"),
        ("a text outside of memory", "(call $result (i32.const 1) (i32.const 1) (i32.const 65535) (i32.const 9))"),
        (
            "a text that is none",
            "(i32.store8 (i32.const 0) (i32.const 0xff)) (call $result (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 3))",
        ),
        ("a result outside of memory", "(i32.const 0x7ffffff0)"),
        ("a result that is not aligned", "(i32.const 1)"),
    ];
    for (what, score) in answers {
        let pool = scoring(score).unwrap().pool((*b"raw").into(), &strict()).unwrap();
        let failure = pool.score(WIDTH, &[1.0, 2.0, 3.0]).unwrap_err();
        assert!(matches!(failure, Failure::Output { .. }), "{what}: {failure:?}");
        assert_eq!(pool.facts().retired.bad_output, 1, "{what}");
    }
}

#[test]
fn a_trap_is_a_trap() {
    let traps = [
        ("a division by zero", "(i32.div_u (i32.const 1) (i32.const 0))"),
        ("a read outside of memory", "(i32.load (i32.const 0x7ffffff0))"),
        ("no end of the stack", "(call $down) (i32.const 0)"),
    ];
    for (what, score) in traps {
        let bytes =
            component(&module("", score).replace("(global $next", "(func $down (call $down) (call $down)) (global $next"), &contract());
        let pool = host().load(&bytes).unwrap().pool((*b"raw").into(), &strict()).unwrap();
        let failure = pool.score(WIDTH, &[1.0, 2.0, 3.0]).unwrap_err();
        assert_eq!(failure.reason(), "trap", "{what}: {failure:?}");
    }
}

#[test]
fn a_start_function_is_limited_too() {
    let start = "(func $start (loop (br 0))) (start $start) (global $next";
    let bytes = component(&module("", "unreachable").replace("(global $next", start), &contract());
    let error = host().load(&bytes).unwrap_err();
    assert!(matches!(error, LoadError::Describe(Failure::Timeout { .. })), "{error:?}");
}
