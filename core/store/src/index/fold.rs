//! Folding facts into the tables.

use super::error::Fault;
use super::schema::{self, DETECTORS, hash, head};
use super::whose::tenant_number;
use super::{DecisionFact, Fact, LabelFact, Place};
use rusqlite::{CachedStatement, Connection, Row, Transaction, TransactionBehavior, params};
use std::collections::{BTreeMap, HashMap};

/// Which bit of the masks each detector has.
#[derive(Debug, Default)]
pub(super) struct Detectors(HashMap<String, u32>);

impl Detectors {
    /// The values of `votes.slot` for a tenant, or with 0 for everybody.
    pub(super) fn slots(&self, tenant: i64) -> std::ops::Range<i64> {
        let first = yes_slot(tenant, 0);
        first..first + 2 * self.0.len() as i64
    }

    /// The detector's bit; a new one for a name that is seen for the first time.
    fn bit(&mut self, name: &str, transaction: &Transaction<'_>) -> Result<u32, Fault> {
        if let Some(bit) = self.0.get(name) {
            return Ok(*bit);
        }
        let known = self.0.len();
        if known >= DETECTORS {
            return Err(Fault::Detectors(name.to_owned()));
        }
        let bit = known as u32;
        transaction.execute(schema::ADD_DETECTOR, params![bit, name])?;
        self.0.insert(name.to_owned(), bit);
        Ok(bit)
    }
}

/// What the file says of itself: the detectors that it knows, and the first sequence that is not folded.
pub(super) fn state(connection: &Connection) -> Result<(Detectors, u64), Fault> {
    let mut statement = connection.prepare(schema::ALL_DETECTORS)?;
    let detectors = statement.query_map([], |row| Ok((row.get(1)?, bit(row)?)))?.collect::<rusqlite::Result<_>>()?;
    let next: i64 = connection.query_row(schema::NEXT, [], |row| row.get(0))?;
    Ok((Detectors(detectors), next.unsigned_abs()))
}

/// Folds the facts from sequence `from` on, in one transaction that ends in `next`.
pub(super) fn fold(connection: &mut Connection, detectors: &mut Detectors, from: u64, facts: &[Fact<'_>], next: u64) -> Result<(), Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut fold = Fold::new(&transaction, detectors)?;
    for fact in facts {
        let sequence = fact.place().sequence;
        if sequence >= next {
            return Err(Fault::Order { sequence, next });
        }
        if sequence >= from {
            fold.add(fact)?;
        }
    }
    fold.finish()?;
    transaction.prepare_cached(schema::SET_NEXT)?.execute([integer(next)?])?;
    transaction.commit()?;
    Ok(())
}

impl Fact<'_> {
    fn place(&self) -> &Place {
        match self {
            Fact::Decision(decision) => &decision.place,
            Fact::Label(label) => &label.place,
        }
    }
}

/// The masks of one decision: bit b belongs to detector b.
#[derive(Default)]
struct Masks {
    yes: i64,
    no: i64,
    abstained: i64,
}

/// One transaction of folding.
struct Fold<'t> {
    transaction: &'t Transaction<'t>,
    detectors: &'t mut Detectors,
    add_decision: CachedStatement<'t>,
    add_vote: CachedStatement<'t>,
    /// Block → earliest and latest decision time. Written once at the end, not with each decision.
    spans: BTreeMap<i64, (i64, i64)>,
    /// The numbers of the tenants that this transaction names.
    tenants: HashMap<String, i64>,
}

impl<'t> Fold<'t> {
    fn new(transaction: &'t Transaction<'t>, detectors: &'t mut Detectors) -> Result<Self, Fault> {
        let add_decision = transaction.prepare_cached(schema::ADD_DECISION)?;
        let add_vote = transaction.prepare_cached(schema::ADD_VOTE)?;
        Ok(Self { transaction, detectors, add_decision, add_vote, spans: BTreeMap::new(), tenants: HashMap::new() })
    }

    fn add(&mut self, fact: &Fact<'_>) -> Result<(), Fault> {
        match fact {
            Fact::Decision(decision) => self.decision(decision),
            Fact::Label(label) => self.label(label),
        }
    }

    fn decision(&mut self, fact: &DecisionFact<'_>) -> Result<(), Fault> {
        let masks = self.masks(fact.votes)?;
        let tenant = fact.tenant.map(|tenant| self.tenant(tenant)).transpose()?;
        let sequence = integer(fact.place.sequence)?;
        let is_asked_for = fact.event.is_some() || fact.key.is_some();
        self.add_decision.execute(params![
            sequence,
            integer(fact.place.segment)?,
            integer(fact.place.offset)?,
            fact.decided,
            fact.outcome,
            fact.anomalous,
            fact.score,
            masks.yes,
            masks.no,
            masks.abstained,
            tenant,
            fact.id,
            fact.entity.map(hash),
            fact.entity,
            fact.event.map(hash),
            fact.event,
            fact.key.as_ref().map(head),
            fact.key.as_ref().map(|key| &key[8..]),
            is_asked_for.then_some(fact.content),
        ])?;
        self.widen_span(sequence, fact.decided);
        self.rare_votes(&masks, 0, sequence)?;
        tenant.map_or(Ok(()), |tenant| self.rare_votes(&masks, tenant, sequence))
    }

    /// The tenant's number; a new one for a name that is seen for the first time.
    fn tenant(&mut self, name: &str) -> Result<i64, Fault> {
        if let Some(number) = self.tenants.get(name) {
            return Ok(*number);
        }
        let number = match tenant_number(self.transaction, name)? {
            Some(number) => number,
            None => {
                self.transaction.prepare_cached(schema::ADD_TENANT)?.execute([name])?;
                self.transaction.last_insert_rowid()
            }
        };
        self.tenants.insert(name.to_owned(), number);
        Ok(number)
    }

    fn masks(&mut self, votes: &[(&str, Option<bool>)]) -> Result<Masks, Fault> {
        let mut masks = Masks::default();
        for (detector, vote) in votes {
            let bit = 1 << self.detectors.bit(detector, self.transaction)?;
            match vote {
                Some(true) => masks.yes |= bit,
                Some(false) => masks.no |= bit,
                None => masks.abstained |= bit,
            }
        }
        Ok(masks)
    }

    fn rare_votes(&mut self, masks: &Masks, tenant: i64, sequence: i64) -> Result<(), Fault> {
        for (mask, slot) in [(masks.yes, yes_slot as fn(i64, u32) -> i64), (masks.abstained, abstained_slot)] {
            for bit in bits(mask) {
                self.add_vote.execute([slot(tenant, bit), sequence])?;
            }
        }
        Ok(())
    }

    fn widen_span(&mut self, sequence: i64, decided: i64) {
        let span = self.spans.entry(schema::block(sequence)).or_insert((decided, decided));
        *span = (span.0.min(decided), span.1.max(decided));
    }

    fn label(&mut self, fact: &LabelFact<'_>) -> Result<(), Fault> {
        let place = fact.place;
        let added = self.transaction.prepare_cached(schema::ADD_LABEL)?.execute(params![
            integer(place.sequence)?,
            integer(place.segment)?,
            integer(place.offset)?,
            fact.decision,
            fact.label,
            fact.by,
            fact.at,
            fact.note,
        ])?;
        // One that comes again must not undo a later one. The decision may be forgotten already: then no row is changed, and the label is
        // forgotten in its turn.
        if added > 0 {
            self.transaction.prepare_cached(schema::SET_LABEL)?.execute(params![fact.decision, fact.label])?;
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Fault> {
        for (block, (earliest, latest)) in self.spans {
            self.transaction.prepare_cached(schema::WIDEN_SPAN)?.execute([block, earliest, latest])?;
        }
        Ok(())
    }
}

/// The bit in the first column. Masks are shifted by it, so a damaged file must not make it too large.
pub(super) fn bit(row: &Row<'_>) -> rusqlite::Result<u32> {
    let bit = row.get(0)?;
    if (bit as usize) < DETECTORS { Ok(bit) } else { Err(rusqlite::Error::IntegralValueOutOfRange(0, i64::from(bit))) }
}

/// Where `votes` lists what the detector with this bit said yes to, for a tenant, or with 0 for everybody.
pub(super) fn yes_slot(tenant: i64, bit: u32) -> i64 {
    tenant.wrapping_mul(schema::SLOTS) + 2 * i64::from(bit)
}

/// Where `votes` lists what the detector with this bit abstained from.
pub(super) fn abstained_slot(tenant: i64, bit: u32) -> i64 {
    yes_slot(tenant, bit) + 1
}

/// 0, for everybody, and the numbers of the tenants that have decisions before this sequence.
pub(super) fn tenants_before(transaction: &Transaction<'_>, sequence: i64) -> Result<Vec<i64>, Fault> {
    let mut statement = transaction.prepare_cached(schema::TENANTS_BEFORE)?;
    let tenants = statement.query_map([sequence], |row| row.get(0))?;
    Ok(std::iter::once(Ok(0)).chain(tenants).collect::<rusqlite::Result<_>>()?)
}

/// The bits that are set in a mask, lowest first.
pub(super) fn bits(mask: i64) -> impl Iterator<Item = u32> {
    let mut rest = mask.cast_unsigned();
    std::iter::from_fn(move || {
        let bit = (rest != 0).then(|| rest.trailing_zeros())?;
        rest &= rest - 1;
        Some(bit)
    })
}

fn integer(number: u64) -> Result<i64, Fault> {
    i64::try_from(number).map_err(|_| Fault::Number(number))
}
