//! Audit events in the index against the same events in a vector: filters, pages, folding twice, forgetting.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

use synod_store::{AuditFact, AuditFilter, DataDirectory, Fact, Filter, Index, IndexError, IndexReader, Place, Whose};

const ACTIONS: [&str; 3] = ["credential.refused", "key.created", "'; DROP TABLE audits; --"];
const NAMES: [Option<&str>; 3] = [None, Some("ana"), Some("bank:x\n\"y\"")];

fn fact(sequence: u64) -> AuditFact<'static> {
    let place = Place { sequence, segment: sequence / 100, offset: sequence * 7 };
    let at = 1_000_000 + (sequence as i64 * 37) % 500;
    let pick = |step: u64| NAMES[(sequence * step % 11 % 3) as usize];
    AuditFact { place, at, action: ACTIONS[(sequence % 7 % 3) as usize], actor: pick(2), tenant: pick(5) }
}

fn folded(facts: &[AuditFact<'static>], next: u64) -> (tempfile::TempDir, Index) {
    let folder = tempfile::tempdir().unwrap();
    let (mut index, _) = Index::open(&DataDirectory::open(folder.path()).unwrap()).unwrap();
    let facts: Vec<Fact<'_>> = facts.iter().copied().map(Fact::Audit).collect();
    index.fold(&facts, next).unwrap();
    // What is folded again changes nothing.
    index.fold(&facts, next).unwrap();
    (folder, index)
}

fn all(reader: &IndexReader, filter: &AuditFilter, limit: usize) -> Vec<Place> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader.audits(filter, cursor.as_ref(), limit).unwrap();
        assert!(page.found.len() <= limit);
        found.extend(page.found);
        match page.next {
            None => return found,
            next => cursor = next,
        }
    }
}

fn filters() -> Vec<AuditFilter> {
    let (mut filters, texts) = (Vec::new(), |text: Option<&str>| text.map(str::to_owned));
    for action in [None, Some(ACTIONS[0]), Some(ACTIONS[2]), Some("none")] {
        for (actor, tenant) in [(None, None), (NAMES[1], None), (None, NAMES[2]), (NAMES[2], NAMES[1])] {
            for (from, until) in [(None, None), (Some(1_000_100), None), (Some(1_000_100), Some(1_000_200)), (None, Some(1_000_000))] {
                filters.push(AuditFilter { action: texts(action), actor: texts(actor), tenant: texts(tenant), from, until });
            }
        }
    }
    filters
}

#[test]
fn every_filter_finds_what_fits_page_by_page_and_after_forgetting() {
    let facts: Vec<AuditFact<'static>> = (1..=700).map(fact).collect();
    let (_folder, mut index) = folded(&facts, 701);
    let reader = index.reader().unwrap();
    for first in [0, 350] {
        while index.forget_before(first).unwrap() > 0 {}
        let mut found = 0;
        for filter in filters() {
            let is = |wanted: &Option<String>, text: Option<&str>| wanted.is_none() || wanted.as_deref() == text;
            let fits = |fact: &&AuditFact<'static>| {
                fact.place.sequence >= first
                    && is(&filter.action, Some(fact.action))
                    && is(&filter.actor, fact.actor)
                    && is(&filter.tenant, fact.tenant)
                    && filter.from.is_none_or(|from| fact.at >= from)
                    && filter.until.is_none_or(|until| fact.at < until)
            };
            let expected: Vec<Place> = facts.iter().filter(fits).map(|fact| fact.place).rev().collect();
            found += usize::from(!expected.is_empty());
            for limit in [1, 7, 1000] {
                assert_eq!(all(&reader, &filter, limit), expected, "{filter:?}");
            }
        }
        assert!(found > 20, "{found}");
    }
}

#[test]
fn a_cursor_belongs_to_its_filter_and_no_decisions_are_found() {
    let facts: Vec<AuditFact<'static>> = (1..=9).map(fact).collect();
    let (_folder, index) = folded(&facts, 10);
    let reader = index.reader().unwrap();
    let next = reader.audits(&AuditFilter::default(), None, 2).unwrap().next;
    let other = AuditFilter { actor: Some("ana".into()), ..AuditFilter::default() };
    assert!(matches!(reader.audits(&other, next.as_ref(), 2), Err(IndexError::OtherFilter)));
    assert!(matches!(reader.decisions(&Filter::of(Whose::All), next.as_ref(), 2), Err(IndexError::OtherFilter)));
    assert_eq!(reader.decisions(&Filter::of(Whose::All), None, 9).unwrap().found, []);
}
