//! What the end-to-end tests share: where the built things are, an installation in a folder of its own, a running server, an HTTP client,
//! and tables. The tests use the binary as people do: by its command line, its files and its sockets.

pub mod alertmanager;
pub mod browser;
pub mod configurations;
pub mod elasticsearch;
mod http;
pub mod http2;
mod installation;
pub mod notify;
pub mod oci;
pub mod otlp;
mod ports;
pub mod prometheus;
pub mod relay;
mod server;
pub mod smtp;
pub mod table;
mod tampering;
pub mod tls;
pub mod webhook;

pub use http::{Answer, Connection, send};
pub use installation::{Installation, Ran};
pub use ports::free_port;
pub use server::Server;
pub use tampering::tamper;

use std::path::{Path, PathBuf};

/// The repository's folder.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder lies in the repository").to_owned()
}

/// The binary `synod`, built beside the test that is running.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a file");
    // target/<profile>/deps/<test>
    let path = test.ancestors().nth(2).expect("a test lies in the folder of its profile").join("synod");
    assert!(path.is_file(), "{} is not there: build it with `cargo build -p synod-gateway`", path.display());
    path
}

/// The folder of the plugins that are shipped: `$SYNOD_PLUGINS_DIST`, or `plugins/dist`.
///
/// # Panics
/// When they are not built.
#[must_use]
pub fn plugins() -> PathBuf {
    let names = ["isolation-forest", "local-outlier-factor", "autoencoder", "hbos", "half-space-trees", "robust-random-cut-forest"];
    built("SYNOD_PLUGINS_DIST", "plugins/dist", &names, "scripts/plugins.sh")
}

/// The folder of the guests that exist for tests: `$SYNOD_GUESTS_DIST`, or `tests/guests/dist`.
///
/// # Panics
/// When they are not built.
#[must_use]
pub fn guests() -> PathBuf {
    let how = "SYNOD_PLUGINS_DIST=$PWD/tests/guests/dist scripts/plugins.sh hostile template";
    built("SYNOD_GUESTS_DIST", "tests/guests/dist", &["hostile", "template"], how)
}

fn built(variable: &str, default: &str, names: &[&str], how: &str) -> PathBuf {
    let folder = std::env::var_os(variable).map_or_else(|| repository().join(default), PathBuf::from);
    for name in names {
        let path = folder.join(format!("{name}.wasm"));
        assert!(path.is_file(), "{} is not there: build it with `{how}`", path.display());
    }
    folder
}
