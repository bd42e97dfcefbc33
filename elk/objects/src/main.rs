//! Writes the generated files to their places.

use std::fs;
use synod_elk::{Artifact, artifacts, repository};

fn main() -> std::io::Result<()> {
    for Artifact { path, contents } in artifacts() {
        let place = repository().join(&path);
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&place, contents)?;
        println!("{}", path.display());
    }
    Ok(())
}
