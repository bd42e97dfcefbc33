//! `synod plugin new`

use super::CommandError;
use crate::cli::NewPlugin;
use crate::plugin::project;
use std::path::PathBuf;

pub(super) fn run(arguments: &NewPlugin) -> Result<(), CommandError> {
    project::check_name(&arguments.name).map_err(CommandError::Usage)?;
    let folder = arguments.directory.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    synod_store::write_new_folder(&folder, &project::files(&arguments.name))?;
    let folder = folder.display();
    println!(
        "{folder}: a detector that works, to be changed\n  {folder}/src/lib.rs     what it learns and scores\n  {folder}/fixtures/      rows that it is tried \
         with\n  {folder}/README.md      its model card\n\nNext:\n  synod plugin test {folder}"
    );
    Ok(())
}
