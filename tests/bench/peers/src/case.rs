//! One fitted detector, in the sandbox and natively, and the rounds in which it is measured.

use crate::Failed;
use crate::native::{self, Graph, Native};
use crate::rows::{self, Rows};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use synod_host::{Host, HostSettings, Limits, Pool, PoolLimits, Training};

/// How long a pass lasts at least; a round is the best of its passes.
const PASS: Duration = Duration::from_millis(15);
const PASSES: u32 = 3;

/// What is said of a fitted detector.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) plugin: String,
    pub(crate) fit_ms: f64,
    pub(crate) model_bytes: usize,
    /// Where it can be measured: `sandbox`, `native`, and `tract` for a graph in tract by itself, natively.
    pub(crate) places: Vec<&'static str>,
}

pub(crate) struct Case {
    pub(crate) facts: Facts,
    pool: Pool,
    native: Option<Box<dyn Native>>,
    tract: Option<Box<dyn Native>>,
    queries: Rows,
}

impl Case {
    /// Fits in the sandbox, loads the model natively as well, and makes sure that both give the same scores, bit for bit.
    pub(crate) fn fit(
        component: &Path,
        parameters: &str,
        artifact: Option<&[u8]>,
        training: &Path,
        queries: &Path,
    ) -> Result<Self, Failed> {
        let (training, queries) = (rows::read(training)?, rows::read(queries)?);
        let host = Host::new(&HostSettings::default(), None)?;
        let bytes = std::fs::read(component).map_err(|error| format!("{}: {error}", component.display()))?;
        let plugin = host.load(&bytes)?;
        let name = plugin.description().name.clone();
        let request = Training {
            parameters,
            artifact,
            seed: 1,
            features: &[],
            weights: None,
            part: None,
            previous: None,
            width: training.width,
            values: &training.values,
        };
        let plenty = Limits { timeout: Duration::from_secs(600), memory: 1 << 30 };
        let begun = Instant::now();
        let model: Arc<[u8]> = plugin.fit(&request, &plenty, &mut |_, _| {})?.into();
        let fit_ms = begun.elapsed().as_secs_f64() * 1e3;
        let native = native::load(&name, &model).transpose()?;
        let tract = artifact.filter(|_| name == "onnx").map(|file| Box::new(Graph::new(file)) as Box<dyn Native>);
        let places = [("sandbox", true), ("native", native.is_some()), ("tract", tract.is_some())];
        let places = places.into_iter().filter(|(_, there)| *there).map(|(place, _)| place).collect();
        let facts = Facts { plugin: name, fit_ms, model_bytes: model.len(), places };
        // As in service: the limits are on.
        let pool = plugin.pool(model, &PoolLimits { call: plenty, ..PoolLimits::default() })?;
        let case = Self { facts, pool, native, tract, queries };
        case.compare()?;
        Ok(case)
    }

    fn compare(&self) -> Result<(), Failed> {
        let Some(native) = &self.native else { return Ok(()) };
        let Rows { width, values } = &self.queries;
        let sandboxed = self.pool.score(*width, values)?.scores;
        let natively = native.score(*width, values)?;
        match sandboxed.iter().zip(&natively).position(|(one, other)| one.to_bits() != other.to_bits()) {
            Some(row) => Err(format!("row {row} has the score {} in the sandbox and {} natively", sandboxed[row], natively[row]).into()),
            None => Ok(()),
        }
    }

    /// The fitted model as an ONNX file.
    pub(crate) fn export(&self) -> Result<Vec<u8>, Failed> {
        Ok(self.pool.export_onnx()?)
    }

    /// Nanoseconds a row, with the call.
    pub(crate) fn sandbox_round(&self, batch: usize) -> Result<f64, Failed> {
        self.round(batch, |width, values| {
            std::hint::black_box(self.pool.score(width, values)?);
            Ok(())
        })
    }

    /// Nanoseconds a row of the same code without a sandbox, or of tract.
    pub(crate) fn native_round(&self, place: &str, batch: usize) -> Result<f64, Failed> {
        let native = if place == "tract" { &self.tract } else { &self.native };
        let native = native.as_ref().ok_or_else(|| format!("{} cannot be measured in the place {place}", self.facts.plugin))?;
        self.round(batch, |width, values| {
            std::hint::black_box(native.score(width, values)?);
            Ok(())
        })
    }

    /// Calls go through the rows, so that no answer is foreseen.
    fn round(&self, batch: usize, mut call: impl FnMut(usize, &[f64]) -> Result<(), Failed>) -> Result<f64, Failed> {
        let width = self.queries.width;
        let mut batches = self.queries.values.chunks_exact(width * batch.max(1)).cycle();
        let mut best = f64::INFINITY;
        for _ in 0..PASSES {
            let (begun, mut calls) = (Instant::now(), 0_u32);
            while begun.elapsed() < PASS {
                // To look at the clock takes as long as a tenth of a short call.
                for _ in 0..64_usize.div_ceil(batch) {
                    let rows = batches.next().ok_or_else(|| format!("there are fewer than {batch} rows to score"))?;
                    call(width, rows)?;
                    calls += 1;
                }
            }
            best = best.min(begun.elapsed().as_nanos() as f64 / f64::from(calls) / batch as f64);
        }
        Ok(best)
    }
}
