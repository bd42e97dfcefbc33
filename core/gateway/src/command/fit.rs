//! `synod fit`: rows in, published models out.

use super::installation::Installation;
use super::{CommandError, progress};
use crate::cli::{Fit, Learn};
use crate::config::{Config, DetectorConfig};
use crate::engine::short;
use crate::fitting::{self, Dataset};
use crate::manifest::DataLineage;
use crate::rows::RowReader;
use std::path::Path;
use synod_detection::Batch;
use synod_store::{Cell, Published};

/// Most refused rows that are shown.
const MOST_SHOWN: usize = 10;

pub(super) fn run(arguments: &Fit) -> Result<(), CommandError> {
    let at = Installation::open(&arguments.common)?;
    let detectors = chosen(&at.config, &arguments.detector)?;
    let (data, _) = read(&at.config, &arguments.data, &arguments.learn, None)?;
    eprintln!(
        "{}: {} rows, {} excluded, {} refused by the schema",
        arguments.data.display(),
        data.lineage.rows,
        data.lineage.excluded,
        data.lineage.invalid
    );
    let lines = progress::Detectors::new();
    let models = fitting::fit(&at.config, &at.host, &detectors, &data, &|name, message| lines.show(name, message))?;
    for model in models {
        let name = model.manifest.detector.clone();
        let published: Published = at.registry.publish(&name, &model.bytes, |_| &model.manifest)?;
        println!(
            "{name}: version {} ({}), {} bytes, {} training rows, calibrated on {}",
            published.version,
            short(&published.digest),
            published.size,
            model.manifest.data.training,
            model.manifest.calibration.held_out().len()
        );
    }
    Ok(())
}

fn chosen<'a>(config: &'a Config, names: &[String]) -> Result<Vec<&'a DetectorConfig>, CommandError> {
    let known = || config.detectors.iter().map(|detector| detector.name.as_str()).collect::<Vec<_>>().join(", ");
    for name in names {
        if !config.detectors.iter().any(|detector| detector.name == *name) {
            return Err(CommandError::Usage(format!("--detector: there is no detector `{name}`; there are {}", known())));
        }
    }
    Ok(config.detectors.iter().filter(|detector| names.is_empty() || names.contains(&detector.name)).collect())
}

/// Reads a file into memory. `label` names a column whose truth is wanted as well, one for each row of the batch.
pub(super) fn read(config: &Config, path: &Path, learn: &Learn, label: Option<&str>) -> Result<(Dataset, Vec<bool>), CommandError> {
    let digest = synod_store::digest(path).map_err(|error| CommandError::file(path, error))?;
    let mut reader = RowReader::open(path, &config.schema)?;
    let excluded_columns = learn.exclude.iter().map(|(name, value)| Ok((column(&reader, path, name)?, value.as_str())));
    let exclusions = excluded_columns.collect::<Result<Vec<_>, CommandError>>()?;
    let label = label.map(|name| column(&reader, path, name)).transpose()?;
    let mut batch = Batch::new(&config.schema);
    let (mut rows, mut labels, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let (mut total, mut excluded) = (0, 0);
    let bar = progress::reading("reading");
    while let Some(read) = reader.next(&config.schema, &mut batch)? {
        total += 1;
        if total % 1000 == 0 {
            progress::update(&bar, reader.progress());
        }
        let place = match read.place {
            Ok(place) => place,
            Err(why) => {
                refused.push(why);
                continue;
            }
        };
        if let Some(label) = label {
            let cell = read.cells.get(label).unwrap_or(&Cell::Missing);
            labels.push(crate::rows::label(cell).map_err(|why| CommandError::Data(format!("row {}: {why}", read.number)))?);
        }
        if exclusions.iter().any(|(column, value)| is(read.cells.get(*column), value)) {
            excluded += 1;
        } else {
            rows.push(place);
        }
    }
    bar.finish_and_clear();
    let unused: Vec<&str> = reader.unused().collect();
    if !unused.is_empty() {
        eprintln!("{}: columns that the schema does not have, and that are not used: {}", path.display(), unused.join(", "));
    }
    if !refused.is_empty() && !learn.skip_invalid {
        return Err(refusal(&refused, total));
    }
    let lineage = DataLineage {
        file: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        sha256: digest.sha256,
        rows: total,
        excluded,
        invalid: refused.len(),
        training: 0,
        incomplete: 0,
        period: None,
    };
    Ok((Dataset { batch, rows, lineage }, labels))
}

fn column(reader: &RowReader, path: &Path, name: &str) -> Result<usize, CommandError> {
    let found = reader.columns().iter().position(|column| column == name);
    let there = || reader.columns().join(", ");
    found.ok_or_else(|| CommandError::Usage(format!("{} has no column `{name}`; it has {}", path.display(), there())))
}

fn is(cell: Option<&Cell>, value: &str) -> bool {
    match cell {
        None | Some(Cell::Missing) => value.is_empty(),
        Some(Cell::Raw(text) | Cell::Text(text)) => text == value,
        Some(Cell::Boolean(truth)) => truth.to_string() == value,
        Some(Cell::Integer(integer)) => integer.to_string() == value,
        Some(Cell::Number(number)) => value.parse() == Ok(*number),
        Some(Cell::Time(_)) => false,
    }
}

fn refusal(refused: &[String], total: usize) -> CommandError {
    let mut text = format!("the schema refuses {} of {total} rows (--skip-invalid leaves them out):", refused.len());
    for why in refused.iter().take(MOST_SHOWN) {
        text += &format!("\n  {why}");
    }
    if refused.len() > MOST_SHOWN {
        text += &format!("\n  … and {} more", refused.len() - MOST_SHOWN);
    }
    CommandError::Data(text)
}
