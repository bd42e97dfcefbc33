//! `synod models show` and `synod models card`.

use super::named;
use crate::card::card;
use crate::cli::{Format, OneModel, OneVersion};
use crate::command::CommandError;
use crate::command::audit::print_json;
use crate::command::installation::Installation;
use crate::signing::{Trust, told};
use serde_json::json;

pub(super) fn show(arguments: &OneModel) -> Result<(), CommandError> {
    if arguments.format == Format::Table {
        return write(&arguments.which);
    }
    let at = Installation::open(&arguments.which.common)?;
    let (published, manifest) = named(&at, &arguments.which)?;
    let artifact = json!({ "sha256": published.digest, "bytes": published.size });
    let signatures = told(&Trust::open(&at.config.models.signatures)?, &at.registry, &arguments.which.detector, published.version)?;
    print_json(&json!({ "version": published.version, "artifact": artifact, "signatures": signatures, "manifest": manifest }))
}

pub(super) fn write(which: &OneVersion) -> Result<(), CommandError> {
    let at = Installation::open(&which.common)?;
    let (published, manifest) = named(&at, which)?;
    let signatures = told(&Trust::open(&at.config.models.signatures)?, &at.registry, &which.detector, published.version)?;
    print!("{}", card(&published, &manifest, &at.registry.labels_of(&which.detector)?, &signatures));
    Ok(())
}
