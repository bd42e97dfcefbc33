//! A loaded plugin: what it says about itself, the check of parameters, and the fit of a model. Each call gets an instance of its own.

use crate::contract::{Prepared, exported};
use crate::description::Description;
use crate::engine::{Core, Program};
use crate::failure::{Failure, LoadError, Refusal};
use crate::instance::{Instance, State};
use crate::limits::{BLOB_BYTES, Limits, PoolLimits, SMALL};
use crate::logging::{LogLevel, LogLine, log_text};
use crate::pool::Pool;
use std::fmt;
use std::sync::{Arc, mpsc};
use std::thread;

/// Most mistakes in parameters that are passed on.
const MISTAKES: usize = 100;
/// Stack of a fit's thread beyond what the plugin may use: the frames of the host and of wasmtime.
const HOST_STACK: usize = 1 << 20;

/// A plugin that keeps the contract. A clone is the same plugin.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    program: Program,
    digest: String,
    surface: Surface,
    description: Description,
}

/// What a component exports for the host, and all that it imports, by their names. A stranger wrote them: they are bounded, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surface {
    /// The contract's interface with its version.
    pub interface: String,
    /// What it imports, in the component's order.
    pub imports: Vec<String>,
}

/// A model, and what it took to learn it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    /// The model's bytes.
    pub model: Vec<u8>,
    /// Bytes of the instance's linear memories and tables at the end, which is when they are largest: they never shrink.
    pub memory: usize,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("digest", &self.0.digest).field("description", &self.0.description).finish()
    }
}

/// What a model is learnt from.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// A JSON object; what it leaves out takes its default.
    pub parameters: &'a str,
    /// The bytes of a foreign model, where the description asks for one.
    pub artifact: Option<&'a [u8]>,
    /// The plugin's only randomness: the same training gives the same model.
    pub seed: u64,
    /// Name of each feature, and how many categories it has: 0 for a number, otherwise values are codes and the last one stands for all
    /// unknown categories. Empty for numbers without names.
    pub features: &'a [(&'a str, u32)],
    /// How much each row counts, positive and finite; only where the description takes weights.
    pub weights: Option<&'a [f64]>,
    /// Which part of the model is to be learnt, and of how many; only where the description can be divided.
    pub part: Option<(u32, u32)>,
    /// A model of this plugin to go on from; only where the description says that a fit can.
    pub previous: Option<&'a [u8]>,
    /// How many features a row has.
    pub width: usize,
    /// The rows, one after the other. Finite, but for NaN where the description takes missing values.
    pub values: &'a [f64],
}

impl Plugin {
    pub(crate) fn describe(core: Arc<Core>, prepared: Prepared<State>, digest: String, surface: Surface) -> Result<Self, LoadError> {
        let program = Program { core, prepared };
        let mut instance = silent(&program).map_err(|failure| match failure {
            // Such as functions with other types than the contract's.
            Failure::Instantiation { what } => LoadError::Shape(what),
            failure => LoadError::Describe(failure),
        })?;
        let said = instance.call(&SMALL, 0, |guest, store| guest.call_describe(store).map(Ok)).map_err(LoadError::Describe)?;
        let description = Description::check(said).map_err(LoadError::Description)?;
        drop(instance);
        Ok(Self(Arc::new(Loaded { program, digest, surface, description })))
    }

    /// What the component exports for the host, and imports.
    pub fn surface(&self) -> &Surface {
        &self.0.surface
    }

    /// SHA-256 of the component's bytes, in lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// What the plugin says about itself.
    pub fn description(&self) -> &Description {
        &self.0.description
    }

    /// Every mistake in the parameters, a JSON object; none if they are right. At most a hundred lines.
    ///
    /// # Errors
    /// When the plugin does not answer.
    pub fn check(&self, parameters: &str) -> Result<Vec<String>, Failure> {
        let mut instance = silent(self.program())?;
        let mistakes = instance.call(&SMALL, 0, |guest, store| guest.call_check(store, parameters).map(Ok))?;
        Ok(mistakes.iter().take(MISTAKES).map(|mistake| log_text(mistake)).collect())
    }

    /// Learns a model, of 512 MiB at most. `log` gets the plugin's lines while it works, on the caller's thread.
    ///
    /// # Errors
    /// When the training is not what the description asks for, the plugin refuses it, or does not answer.
    pub fn fit(&self, training: &Training<'_>, limits: &Limits, log: &mut (dyn FnMut(LogLevel, &str) + Send)) -> Result<Vec<u8>, Failure> {
        self.learn(training, limits, log).map(|learnt| learnt.model)
    }

    /// As [`Self::fit`], and tells what memory it took.
    ///
    /// # Errors
    /// As [`Self::fit`].
    pub fn learn(&self, training: &Training<'_>, limits: &Limits, log: &mut (dyn FnMut(LogLevel, &str) + Send)) -> Result<Learnt, Failure> {
        let matrix = self.training_rows(training)?;
        let (sender, lines) = mpsc::channel();
        let stack = self.program().core.settings.stack + HOST_STACK;
        // A store owns what its functions use, and `log` is only borrowed: so the plugin gets a thread, and its lines come by a channel.
        thread::scope(|scope| {
            let work = move || self.run_fit(training, matrix, limits, sender);
            let worker = thread::Builder::new().name("synod-fit".into()).stack_size(stack).spawn_scoped(scope, work);
            let worker = worker.map_err(|error| Failure::Instantiation { what: error.to_string() })?;
            for line in lines {
                log(line.level, &line.text);
            }
            worker.join().unwrap_or_else(|_| Err(Failure::Trap { what: "the host's thread for the fit panicked".to_owned() }))
        })
    }

    fn run_fit(
        &self,
        training: &Training<'_>,
        rows: exported::Matrix<'_>,
        limits: &Limits,
        lines: mpsc::Sender<LogLine>,
    ) -> Result<Learnt, Failure> {
        let last_words = lines.clone();
        // The receiver outlives the sender: it is drained until the last sender is gone.
        let sink = Box::new(move |line| drop(lines.send(line)));
        let mut instance = Instance::start(self.program(), limits, sink)?;
        let numbers = vec![("", 0); if training.features.is_empty() { training.width } else { 0 }];
        let named = training.features.iter().chain(&numbers);
        let features: Vec<exported::Feature<'_>> =
            named.map(|(name, categories)| exported::Feature { name, categories: *categories }).collect();
        let request = exported::Training {
            parameters: training.parameters,
            artifact: training.artifact,
            seed: training.seed,
            features: &features,
            rows,
            weights: training.weights,
            part: training.part.map(|(index, count)| exported::Part { index, count }),
            previous: training.previous,
        };
        let model = instance.call(limits, BLOB_BYTES, |guest, store| guest.call_fit(store, request));
        let dropped = instance.take_dropped_lines();
        if dropped > 0 {
            let text = format!("{dropped} more lines of the plugin were dropped");
            let _ = last_words.send(LogLine { level: LogLevel::Warn, text });
        }
        let memory = instance.memory();
        model.and_then(whole).map(|model| Learnt { model, memory })
    }

    /// Makes one model of the parts of a fit, in their order.
    ///
    /// # Errors
    /// When the plugin refuses the parts, or does not answer.
    pub fn merge(&self, parts: &[Vec<u8>], limits: &Limits) -> Result<Vec<u8>, Failure> {
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut instance = Instance::start(self.program(), limits, Box::new(|_| {}))?;
        instance.call(limits, BLOB_BYTES, |guest, store| guest.call_merge(store, &parts)).and_then(whole)
    }

    /// Instances with this model, ready to score. The first is started here, so that a bad model is known at once.
    ///
    /// # Errors
    /// When the plugin refuses the model, or does not answer.
    pub fn pool(&self, model: Arc<[u8]>, limits: &PoolLimits) -> Result<Pool, Failure> {
        Pool::start(self.clone(), model, *limits)
    }

    pub(crate) fn program(&self) -> &Program {
        &self.0.program
    }

    fn training_rows<'a>(&self, training: &Training<'a>) -> Result<exported::Matrix<'a>, Failure> {
        let description = self.description();
        let matrix = self.rows(training.width, training.values)?;
        let rows = training.values.len() / training.width;
        let least = if training.previous.is_some() { 1 } else { description.minimum_rows };
        if rows < least as usize {
            return Err(Failure::refused(Refusal::Data, format!("{rows} rows are too few: at least {least} are needed")));
        }
        if !training.features.is_empty() && training.features.len() != training.width {
            return Err(Failure::refused(Refusal::Data, format!("{} features for rows of {}", training.features.len(), training.width)));
        }
        if training
            .weights
            .is_some_and(|weights| weights.len() != rows || weights.iter().any(|weight| !(weight.is_finite() && *weight > 0.0)))
        {
            return Err(Failure::refused(Refusal::Data, "weights must be positive numbers, one for each row"));
        }
        if training.weights.is_some() && !description.weights {
            return Err(Failure::refused(Refusal::Unsupported, "this plugin takes no weights of rows"));
        }
        if training.part.is_some() && !description.parts {
            return Err(Failure::refused(Refusal::Unsupported, "a fit of this plugin cannot be divided"));
        }
        if training.previous.is_some() && !description.continues {
            return Err(Failure::refused(Refusal::Unsupported, "a fit of this plugin cannot go on from an earlier model"));
        }
        if description.artifact && training.artifact.is_none() {
            return Err(Failure::refused(Refusal::Artifact, "this plugin needs a foreign model"));
        }
        if training.artifact.is_some() && !description.takes_artifact() {
            return Err(Failure::refused(Refusal::Artifact, "this plugin takes no foreign model"));
        }
        Ok(matrix)
    }

    /// The rows as the contract has them, once they are checked.
    pub(crate) fn rows<'a>(&self, width: usize, values: &'a [f64]) -> Result<exported::Matrix<'a>, Failure> {
        let checked_width = u32::try_from(width).ok().filter(|width| *width > 0 && values.len().is_multiple_of(*width as usize));
        let Some(checked_width) = checked_width else {
            return Err(Failure::refused(Refusal::Data, format!("{} values do not make rows of {width}", values.len())));
        };
        let missing = self.description().missing_values;
        // Not `find`: without an early exit the check is done several values at a time.
        let wrong = |value: &f64| if missing { value.is_infinite() } else { !value.is_finite() };
        if values.iter().fold(false, |any, value| any | wrong(value)) {
            return Err(not_finite(width, values, wrong));
        }
        Ok(exported::Matrix { width: checked_width, values })
    }
}

fn not_finite(width: usize, values: &[f64], wrong: impl Fn(&f64) -> bool) -> Failure {
    let (row, feature, value) = match values.iter().position(wrong) {
        Some(at) => (at / width, at % width, values[at]),
        None => (0, 0, f64::NAN),
    };
    let why = if value.is_nan() { "missing, and this plugin takes no missing values" } else { "infinite" };
    Failure::refused(Refusal::Data, format!("row {row}, feature {feature} (from 0) is {why}"))
}

fn whole(model: Vec<u8>) -> Result<Vec<u8>, Failure> {
    if model.is_empty() { Err(Failure::output("a model of no bytes")) } else { Ok(model) }
}

/// An instance whose log nobody reads.
fn silent(program: &Program) -> Result<Instance, Failure> {
    Instance::start(program, &SMALL, Box::new(|_| {}))
}
