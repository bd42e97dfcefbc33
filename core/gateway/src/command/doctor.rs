//! `synod doctor`: tells what is insecure about a configuration.

use super::CommandError;
use super::installation::configuration;
use crate::cli::Common;
use crate::doctor::{Gravity, findings};

pub(super) fn run(arguments: &Common) -> Result<(), CommandError> {
    let found = findings(&configuration(arguments)?);
    found.iter().for_each(|finding| println!("{finding}"));
    match found.iter().filter(|finding| finding.gravity == Gravity::Insecure).count() {
        0 => {
            println!("nothing here is insecure");
            Ok(())
        }
        insecure => Err(CommandError::Failed(format!("{insecure} insecure settings"))),
    }
}
