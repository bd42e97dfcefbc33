//! Takes the files of Swagger UI that `/docs` serves out of its release, and packs each. The whole release has three copies of the program, unpacked,
//! and would be a tenth of the binary.

use flate2::{Compression, write::GzEncoder};
use std::borrow::Cow;
use std::error::Error;
use std::fs::File;
use std::io::{self, Cursor};
use std::path::PathBuf;
use utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
use zip::ZipArchive;

/// As `http/openapi/pages.rs` has them.
const FILES: [&str; 4] = ["favicon-32x32.png", "index.css", "swagger-ui-bundle.js", "swagger-ui.css"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let folder = PathBuf::from(std::env::var("OUT_DIR")?);
    let mut release = ZipArchive::new(Cursor::new(SWAGGER_UI_VENDORED))?;
    for name in FILES {
        let wanted = format!("/dist/{name}");
        let path = release.file_names().flatten().find(|path| path.ends_with(&wanted)).map(Cow::into_owned);
        let path = path.ok_or_else(|| format!("Swagger UI's release has no {wanted}"))?;
        let mut file = release.by_name(&path)?;
        let mut packed = GzEncoder::new(File::create(folder.join(format!("{name}.gz")))?, Compression::best());
        io::copy(&mut file, &mut packed)?;
        packed.finish()?;
    }
    Ok(())
}
