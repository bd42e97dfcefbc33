//! Features that were not recorded: rows are read from the log as they are stored, and histories are folded from them in the order of the
//! log, as a restart folds them. A row is remembered if it was, and looks into the past that stands before it in the log; where requests
//! ran side by side, that may be another order than the one in which they looked.

use crate::config::{Config, Storing};
use crate::decision::{Decision, Standing};
use crate::ledger::{realm_of, secret_of_histories};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use synod_detection::history::{Histories, HistoryPlan, Past, PastValues};
use synod_detection::{Batch, Expression, Plan, Schema, Source, decode_rows};
use synod_store::Secret;

/// A field that a feature reads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Needed {
    field: String,
    feature: String,
    /// It is only compared with itself, so that a digest does as well as the value.
    compared: bool,
    /// It is read of every row that is remembered, and not only of those that are judged.
    of_past: bool,
}

/// What the histories want to know of a decision that is not judged.
#[derive(Deserialize)]
pub(super) struct Passing {
    #[serde(default)]
    tenant: Option<String>,
    row: Map<String, Value>,
    past: Standing,
    pub(super) configuration: String,
}

/// Rows of the log as the candidate sees them.
pub(super) struct Folding {
    schema: Schema,
    histories: Histories,
    secret: Secret,
    needed: Vec<Needed>,
    /// How compared fields are stored, by the configuration that came first.
    stored_as: HashMap<String, (Storing, String)>,
    /// Configurations that have all that is needed, for rows that are judged or only remembered.
    checked: HashSet<(String, bool)>,
}

impl Folding {
    /// For a candidate; nothing is remembered yet.
    pub(super) fn new(candidate: &Config, secret: &Secret) -> Self {
        let mut needed = Vec::new();
        for definition in candidate.detectors.iter().flat_map(|detector| &detector.definitions) {
            for one in needs(&definition.name, &definition.source, &candidate.schema) {
                if !needed.contains(&one) {
                    needed.push(one);
                }
            }
        }
        Self {
            schema: candidate.schema.as_stored(),
            histories: Histories::new(Arc::clone(&candidate.history), candidate.remembering.bounds, secret_of_histories(secret)),
            secret: secret.clone(),
            needed,
            stored_as: HashMap::new(),
            checked: HashSet::new(),
        }
    }

    /// Whether rows that are not judged have to be remembered.
    pub(super) fn has_past(&self) -> bool {
        self.histories.plan().width() > 0
    }

    /// Whether rows of a configuration have been checked.
    pub(super) fn knows(&self, configuration: &str, judged: bool) -> bool {
        self.checked.contains(&(configuration.to_owned(), judged))
    }

    /// Checks that what is stored of the rows of a configuration is enough.
    ///
    /// # Errors
    /// Which feature reads which field, and what there is of it.
    pub(super) fn check(&mut self, digest: &str, config: &Config, judged: bool) -> Result<(), String> {
        for needed in self.needed.iter().filter(|needed| judged || needed.of_past) {
            let Needed { field, feature, compared, .. } = needed;
            let Some(index) = config.schema.index(field) else {
                return Err(format!(
                    "the feature `{feature}` reads the field `{field}`, which the rows of the configuration {digest} do not have"
                ));
            };
            let storing = config.storing.get(index).copied().unwrap_or(Storing::Keep);
            let kept = match storing {
                Storing::Keep => None,
                Storing::Hmac if *compared => None,
                Storing::Hmac => Some("a digest"),
                Storing::Mask => Some("the last characters"),
                Storing::Drop => Some("nothing"),
            };
            if let Some(kept) = kept {
                return Err(format!(
                    "the feature `{feature}` reads the field `{field}`, of which the rows of the configuration {digest} keep {kept}: it cannot be computed again"
                ));
            }
            let (first, by) = self.stored_as.entry(field.clone()).or_insert_with(|| (storing, digest.to_owned()));
            if *compared && *first != storing {
                return Err(format!(
                    "the field `{field}` is stored otherwise by the configuration {digest} than by {by}: their histories do not meet"
                ));
            }
        }
        self.checked.insert((digest.to_owned(), judged));
        Ok(())
    }

    /// The values of a decision's features, and remembers its row for those that come after it.
    ///
    /// # Errors
    /// When the row does not fit the candidate's schema.
    pub(super) fn judged(&mut self, decision: &Decision, plan: &Plan) -> Result<Vec<f64>, String> {
        let batch = self.row(&decision.row)?;
        let mut past = PastValues::new(self.histories.plan().width());
        let realm = realm_of(&self.secret, decision.tenant.as_deref());
        self.histories.look(realm, &batch, 0, &mut past);
        if decision.past.remembered {
            self.histories.remember(realm, &batch, 0);
        }
        Ok(plan.values(&batch, &past).values)
    }

    /// Remembers a row that is not judged, if it was remembered.
    ///
    /// # Errors
    /// When the row does not fit the candidate's schema.
    pub(super) fn passes(&mut self, passing: &Passing) -> Result<(), String> {
        if passing.past.remembered {
            let batch = self.row(&passing.row)?;
            self.histories.remember(realm_of(&self.secret, passing.tenant.as_deref()), &batch, 0);
        }
        Ok(())
    }

    /// A stored row; fields that the candidate's schema does not have are left out.
    fn row(&self, row: &Map<String, Value>) -> Result<Batch, String> {
        let known: HashMap<&String, &Value> = row.iter().filter(|(name, _)| self.schema.index(name).is_some()).collect();
        let body = serde_json::to_vec(&known).map_err(|error| error.to_string())?;
        let decoded = decode_rows(&self.schema, &body, 1).map_err(|error| format!("the row cannot be read: {error}"))?;
        match decoded.rows.first() {
            Some(Err(problems)) => {
                let problems: Vec<String> = problems.iter().map(|problem| format!("{} {}", problem.field, problem.message)).collect();
                Err(format!("the row does not fit the candidate's schema: {}", problems.join("; ")))
            }
            _ => Ok(decoded.batch),
        }
    }
}

/// What a feature reads of a row, and of the rows before it.
fn needs(feature: &str, source: &Source, schema: &Schema) -> Vec<Needed> {
    let need = |field: usize, compared, of_past| Needed {
        field: schema.fields()[field].name.clone(),
        feature: feature.to_owned(),
        compared,
        of_past,
    };
    let own: Vec<usize> = match source {
        Source::History(_) => Vec::new(),
        Source::Calendar { of, .. } | Source::Encoding { of, .. } => schema.index(of).into_iter().collect(),
        Source::Expression(text) => fields(text, &[], schema),
        Source::Derived { expression, from } => {
            let names: Vec<&str> = from.iter().map(|(name, _)| name.as_str()).collect();
            fields(expression, &names, schema)
        }
    };
    let of_past = source.past().flat_map(|past| of_past(past, schema)).map(|(field, compared)| need(field, compared, true));
    own.into_iter().map(|field| need(field, false, false)).chain(of_past).collect()
}

/// The fields that an expression reads: those without which it means nothing.
fn fields(text: &str, names: &[&str], schema: &Schema) -> Vec<usize> {
    let reads = |field: &usize| {
        let others = schema.fields().iter().enumerate().filter(|(index, _)| index != field).map(|(_, field)| field.clone()).collect();
        Schema::new(others).is_ok_and(|without| Expression::compile_with(text, &without, names).is_err())
    };
    (0..schema.fields().len()).filter(reads).collect()
}

/// The fields that a question about the past reads, and whether it only compares them.
fn of_past(past: &Past, schema: &Schema) -> Vec<(usize, bool)> {
    let Ok(plan) = HistoryPlan::new(schema, [past]) else { return Vec::new() };
    let compared = plan.compared_fields().map(|field| (field, true));
    let computed = plan.computed_fields().chain(schema.time()).map(|field| (field, false));
    compared.chain(computed).collect()
}
