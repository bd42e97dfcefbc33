//! How well the policy and the detectors did, by the labels that people gave.

use super::error::Fault;
use super::fold::{bit, bits};
use super::reader::sequences_of_times;
use super::schema::ALL_DETECTORS;
use super::whose::{Scope, Whose};
use rusqlite::{Connection, Row, params_from_iter};

/// The labels that count; `unsure` is said and decides nothing.
const FRAUD: u8 = 0;
const LEGITIMATE: u8 = 1;
const UNSURE: u8 = 2;

/// Where the tenant stands in the columns of both statements.
const TENANT: usize = 5;
pub(super) const LABELLED: &str = "SELECT decided, anomalous, said_yes, said_no, abstained, tenant FROM decisions
    INDEXED BY decisions_label WHERE label = ?1 AND sequence >= ?2 AND sequence < ?3";
pub(super) const LABELLED_OF_TENANT: &str = "SELECT decided, anomalous, said_yes, said_no, abstained, tenant FROM decisions
    INDEXED BY decisions_tenant_label WHERE tenant = ?4 AND label = ?1 AND sequence >= ?2 AND sequence < ?3";

/// How often a yes and a no were right, against labels. A yes means anomalous, and fraud is what should have been anomalous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Fraud, and it said yes.
    pub true_positive: u64,
    /// Legitimate, and it said yes.
    pub false_positive: u64,
    /// Legitimate, and it said no.
    pub true_negative: u64,
    /// Fraud, and it said no.
    pub false_negative: u64,
}

/// How many decisions have which label, by the label that holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Labelled {
    /// Label 0.
    pub fraud: u64,
    /// Label 1.
    pub legitimate: u64,
    /// Label 2. These count in no confusion.
    pub unsure: u64,
}

/// How well the policy and the detectors did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quality {
    /// How many decisions were labelled.
    pub labelled: Labelled,
    /// The policy, whose yes is `anomalous`.
    pub policy: Confusion,
    /// Each detector that was asked for one of the decisions labelled fraud or legitimate, by name: its votes, and how often it abstained.
    pub detectors: Vec<(String, Confusion, u64)>,
}

impl Confusion {
    /// The share of fraud among what it said yes to; none if it said yes to nothing.
    pub fn precision(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_positive)
    }

    /// The share of fraud that it said yes to; none if there was no fraud.
    pub fn recall(&self) -> Option<f64> {
        share(self.true_positive, self.true_positive + self.false_negative)
    }

    /// The harmonic mean of both; none if there was neither fraud nor a yes.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)
    }

    fn count(&mut self, fraud: bool, yes: bool) {
        *match (fraud, yes) {
            (true, true) => &mut self.true_positive,
            (false, true) => &mut self.false_positive,
            (false, false) => &mut self.true_negative,
            (true, false) => &mut self.false_negative,
        } += 1;
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// See `IndexReader::quality`. The caller has begun a transaction, so that every statement sees one state.
pub(super) fn quality(connection: &Connection, whose: &Whose, from: Option<i64>, until: Option<i64>) -> Result<Quality, Fault> {
    let Some(scope) = whose.scope(connection)? else { return Ok(Quality::default()) };
    let Some(sequences) = sequences_of_times(connection, from, until)? else { return Ok(Quality::default()) };
    let mut tally = Tally { policy: Confusion::default(), detectors: [<(Confusion, u64)>::default(); i64::BITS as usize] };
    let mut count = |label| -> Result<u64, Fault> {
        let (statement, tenant) = match scope {
            Scope::Tenant(tenant) => (LABELLED_OF_TENANT, Some(tenant)),
            Scope::All | Scope::WithoutTenant => (LABELLED, None),
        };
        let mut statement = connection.prepare_cached(statement)?;
        let mut rows = statement.query(params_from_iter([i64::from(label), sequences.0, sequences.1].into_iter().chain(tenant)))?;
        let mut labelled = 0;
        while let Some(row) = rows.next()? {
            let decided: i64 = row.get(0)?;
            if scope.admits(row, TENANT)? && from.is_none_or(|from| from <= decided) && until.is_none_or(|until| decided < until) {
                labelled += 1;
                tally.count(label, row)?;
            }
        }
        Ok(labelled)
    };
    let labelled = Labelled { fraud: count(FRAUD)?, legitimate: count(LEGITIMATE)?, unsure: count(UNSURE)? };
    Ok(Quality { labelled, policy: tally.policy, detectors: name(connection, &tally.detectors)? })
}

struct Tally {
    policy: Confusion,
    /// By bit. There is one for each bit that a mask can have, whatever a damaged file says.
    detectors: [(Confusion, u64); i64::BITS as usize],
}

impl Tally {
    fn count(&mut self, label: u8, row: &Row<'_>) -> rusqlite::Result<()> {
        if label == UNSURE {
            return Ok(());
        }
        let fraud = label == FRAUD;
        self.policy.count(fraud, row.get(1)?);
        for (column, yes) in [(2, true), (3, false)] {
            for bit in bits(row.get(column)?) {
                self.detectors[bit as usize].0.count(fraud, yes);
            }
        }
        for bit in bits(row.get(4)?) {
            self.detectors[bit as usize].1 += 1;
        }
        Ok(())
    }
}

fn name(connection: &Connection, tallies: &[(Confusion, u64); i64::BITS as usize]) -> Result<Vec<(String, Confusion, u64)>, Fault> {
    let mut statement = connection.prepare_cached(ALL_DETECTORS)?;
    let mut named = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (votes, abstained) = tallies[bit(row)? as usize];
        if (votes, abstained) != Default::default() {
            named.push((row.get(1)?, votes, abstained));
        }
    }
    named.sort_by(|(one, ..): &(String, _, _), (other, ..)| one.cmp(other));
    Ok(named)
}
