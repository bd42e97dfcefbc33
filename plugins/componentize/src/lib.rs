//! Makes components of core modules: the last step of building a plugin, whatever compiler made the module.
//!
//! A module of the SDK carries the contract's types in a section of its own. One of another compiler does not, and is given them from the
//! text of the contract. A module that imports WASI of the first generation (`wasi_snapshot_preview1`), as Go's compiler makes them, gets one
//! with nothing behind it (`preview1.wat`), and imports nothing of the host but the log.

use std::fmt;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata, metadata};
use wit_parser::Resolve;

/// The contract's world.
const WORLD: &str = "plugin";

/// Why there is no component, in words that name the function or the import that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Whether the module carries the types of what it exports.
///
/// # Errors
/// When the bytes are not WebAssembly, or the section is damaged.
pub fn has_types(module: &[u8]) -> Result<bool, Error> {
    metadata::decode(module).map(|(without, _)| without.is_some()).map_err(|error| Error(format!("{error:#}")))
}

/// Gives a module the types of the world `plugin`, from the text of the contract.
///
/// # Errors
/// When the text is no such contract, or the module is not WebAssembly.
pub fn embed(contract: &str, module: &mut Vec<u8>) -> Result<(), Error> {
    let failed = |error| Error(format!("{error:#}"));
    let mut resolve = Resolve::default();
    let package = resolve.push_str("detector.wit", contract).map_err(|error| Error(format!("{error:#}")))?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(failed)?;
    embed_component_metadata(module, &resolve, world, StringEncoding::UTF8, false).map_err(failed)
}

/// Makes a component of a module that carries its types.
///
/// # Errors
/// When it does not, exports other functions than it says, imports what nobody offers, or is not valid.
pub fn component(module: &[u8]) -> Result<Vec<u8>, Error> {
    let (_, bindgen) = metadata::decode(module).map_err(|error| Error(format!("{error:#}")))?;
    // A library that only uses the contract's types would become a component that offers nothing.
    if bindgen.resolve.worlds[bindgen.world].exports.is_empty() {
        return Err(Error("the module exports nothing of the contract".into()));
    }
    let preview1 = wat::parse_str(include_str!("preview1.wat")).map_err(|error| Error(error.to_string()))?;
    // The adapter stays away from modules that do not import what it adapts.
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", &preview1))
        .and_then(|encoder| encoder.encode());
    encoded.map_err(|error| Error(format!("{error:#}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTRACT: &str = include_str!("../../wit/detector.wit");

    #[test]
    fn a_module_without_types_is_given_them_and_must_keep_them() {
        let mut module = wat::parse_str("(module (memory (export \"memory\") 1))").unwrap();
        assert_eq!(has_types(&module), Ok(false));
        assert!(component(&module).unwrap_err().to_string().contains("exports nothing"));
        embed(CONTRACT, &mut module).unwrap();
        assert_eq!(has_types(&module), Ok(true));
        let error = component(&module).unwrap_err().to_string();
        assert!(error.contains("detector"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_module_are_an_error() {
        for bytes in [&b""[..], b"\0asm", b"PK\x03\x04", &[0xff; 100]] {
            assert!(has_types(bytes).is_err(), "{bytes:?}");
            assert!(embed(CONTRACT, &mut bytes.to_vec()).is_err() || component(bytes).is_err(), "{bytes:?}");
        }
        assert!(embed("package a:b; world other {}", &mut b"\0asm\x01\0\0\0".to_vec()).is_err());
    }
}
