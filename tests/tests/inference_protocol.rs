//! The messages of the Open Inference Protocol are generated from `core/gateway/proto/inference.proto` without a compiler for it on the
//! machine, and committed: a build needs neither.

use std::fs;
use std::path::{Path, PathBuf};

const CHANGED: &str =
    "core/gateway/proto/inference.rs is not what inference.proto gives: run this test with SYNOD_GENERATE=1 and commit it";

fn folder() -> PathBuf {
    synod_tests::repository().join("core/gateway/proto")
}

fn generated(into: &Path) -> String {
    let folder = folder();
    let definition = protox::compile([folder.join("inference.proto")], [folder]).expect("the definition has no mistakes");
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .bytes(".inference")
        .codec_path("super::codec::Strict")
        .out_dir(into)
        .compile_fds(definition)
        .expect("what has no mistakes can be generated");
    fs::read_to_string(into.join("inference.rs")).expect("a file of the package's name")
}

#[test]
fn what_is_committed_is_what_the_definition_gives() {
    let into = tempfile::tempdir().expect("a temporary folder");
    let (generated, committed) = (generated(into.path()), folder().join("inference.rs"));
    if std::env::var_os("SYNOD_GENERATE").is_some() {
        fs::write(&committed, &generated).expect("the repository can be written");
    }
    assert!(fs::read_to_string(&committed).is_ok_and(|committed| committed == generated), "{CHANGED}");
}
