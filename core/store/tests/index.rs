//! The index against the same facts in vectors: every query, paging, folding twice, forgetting, and readers beside the writer.

// A test that cannot go on should panic; the lint excuses only the test functions themselves.
#![allow(clippy::unwrap_used)]

#[path = "index/oracle.rs"]
mod oracle;

use oracle::{Oracle, Random, Record, dump, everybody, find_all, folded};
use std::sync::atomic::{AtomicBool, Ordering};
use synod_store::{Cursor, DecisionFact, Fact, Filter, IndexError, Place, Whose};

/// Some more than the 4,096 that share a span of times.
const RECORDS: usize = 6_000;

#[test]
fn every_filter_finds_what_fits() {
    let oracle = Oracle::new(1, RECORDS);
    let (_folder, index) = folded(&oracle, 333);
    let reader = index.reader().unwrap();
    let mut found = 0;
    for filter in oracle.filters() {
        let expected = oracle.find(&filter);
        found += usize::from(!expected.is_empty());
        assert_eq!(find_all(&reader, &filter, 50), expected, "{filter:?}");
    }
    assert!(found > 300, "most filters find something: {found}");
}

#[test]
fn pages_of_any_size_make_up_the_whole() {
    let oracle = Oracle::new(2, RECORDS);
    let (_folder, index) = folded(&oracle, 100);
    let reader = index.reader().unwrap();
    for filter in oracle.filters().into_iter().step_by(9) {
        let expected = oracle.find(&filter);
        for limit in [1, 7, expected.len().max(1), expected.len() + 1, usize::MAX] {
            assert_eq!(find_all(&reader, &filter, limit), expected, "{limit} of {filter:?}");
        }
    }
    let none = reader.decisions(&Filter::of(Whose::All), None, 0).unwrap();
    assert_eq!(none.found, oracle.find(&Filter::of(Whose::All))[..1], "a limit of zero counts as one");
}

#[test]
fn what_is_folded_between_two_pages_disturbs_nothing() {
    let mut oracle = Oracle::new(3, 3_000);
    let (_folder, mut index) = folded(&oracle, 100);
    let reader = index.reader().unwrap();
    for filter in oracle.filters().into_iter().filter(|filter| filter.label.is_none()).step_by(20) {
        let expected = oracle.find(&filter);
        let mut page = reader.decisions(&filter, None, 30).unwrap();
        let mut found = page.found;
        while let Some(next) = page.next {
            let from = oracle.next();
            oracle.grow(7);
            oracle.fold(&mut index, from, 3);
            page = reader.decisions(&filter, Some(&next), 30).unwrap();
            found.extend(page.found);
        }
        assert_eq!(found, expected, "{filter:?}");
    }
    assert!(oracle.next() > 3_100, "something was folded in between");
    oracle.compare_look_ups(&reader);
}

#[test]
fn ids_events_keys_and_labels_are_found() {
    let oracle = Oracle::new(4, RECORDS);
    let (_folder, index) = folded(&oracle, 1000);
    let reader = index.reader().unwrap();
    oracle.compare_look_ups(&reader);
    assert_eq!(reader.by_id(&Whose::All, [1; 16]).unwrap(), None);
    assert_eq!(reader.by_event(None, "no such event").unwrap(), None);
    assert_eq!(reader.by_key([1; 32]).unwrap(), []);
    assert_eq!(reader.labels([1; 16]).unwrap(), []);
    assert_eq!(reader.next().unwrap(), oracle.next());
}

#[test]
fn quality_counts_what_was_decided_in_time() {
    let oracle = Oracle::new(5, RECORDS);
    let (_folder, index) = folded(&oracle, 1000);
    let reader = index.reader().unwrap();
    let mut random = Random(6);
    for _ in 0..100 {
        let [from, until] = oracle.times(&mut random);
        for (from, until) in [(from, until), (from, None), (None, until)] {
            for whose in everybody() {
                assert_eq!(reader.quality(&whose, from, until).unwrap(), oracle.quality(&whose, from, until));
            }
        }
    }
    let all = reader.quality(&Whose::All, None, None).unwrap();
    assert!(
        all.labelled.unsure > 10 && all.detectors.len() == 5 && all.detectors.iter().all(|(_, _, abstained)| *abstained > 0),
        "{all:?}"
    );
}

#[test]
fn folding_again_changes_nothing() {
    let oracle = Oracle::new(7, 2_000);
    let (folder, mut index) = folded(&oracle, 17);
    let before = dump(folder.path());
    let facts: Vec<_> = oracle.records.iter().map(Record::fact).collect();
    index.fold(&facts, oracle.next()).unwrap();
    index.fold(&facts[100..300], 300).unwrap();
    index.fold(&[], 0).unwrap();
    assert!(dump(folder.path()) == before);
    // The transactions' size leaves no trace, nor do old records that come again in the same one.
    let (other, _index) = folded(&oracle, 2_000);
    assert!(dump(other.path()) == before);
    let (twice, mut index) = folded(&Oracle::new(0, 0), 1);
    let facts: Vec<_> = facts.iter().chain(facts.iter().rev()).copied().collect();
    index.fold(&facts, oracle.next()).unwrap();
    assert!(dump(twice.path()) == before);
}

#[test]
fn what_is_forgotten_is_as_if_it_had_never_been() {
    let mut oracle = Oracle::new(8, 12_000);
    let (folder, mut index) = folded(&oracle, 1000);
    let reader = index.reader().unwrap();
    let mut steps = 0;
    let mut forgotten = 0;
    loop {
        let step = index.forget_before(11_000).unwrap();
        assert!(step <= 10_000, "a step is bounded: {step}");
        if step == 0 {
            break;
        }
        (steps, forgotten) = (steps + 1, forgotten + step);
    }
    assert!(steps > 1, "it took {steps} steps");
    assert_eq!(forgotten, 11_000);
    oracle.records.drain(..11_000);
    oracle.compare_look_ups(&reader);
    for filter in oracle.filters() {
        assert_eq!(find_all(&reader, &filter, 50), oracle.find(&filter), "{filter:?}");
    }
    let from = oracle.next();
    oracle.grow(1_000);
    oracle.fold(&mut index, from, 10);
    oracle.compare_look_ups(&reader);
    while index.forget_before(u64::MAX).unwrap() > 0 {}
    assert_eq!(find_all(&reader, &Filter::of(Whose::All), 10), []);
    assert_eq!(reader.next().unwrap(), oracle.next(), "what was folded is not folded again");
    let left = dump(folder.path());
    assert!(left.iter().all(|row| ["progress", "detectors", "tenants"].iter().any(|table| row.starts_with(table))), "{left:?}");
}

#[test]
fn a_cursor_is_refused_with_another_filter() {
    let oracle = Oracle::new(9, 500);
    let (_folder, index) = folded(&oracle, 500);
    let reader = index.reader().unwrap();
    let filters = oracle.filters();
    let cursor: Cursor = reader.decisions(&filters[0], None, 10).unwrap().next.unwrap();
    for filter in &filters[1..] {
        assert!(matches!(reader.decisions(filter, Some(&cursor), 10), Err(IndexError::OtherFilter)) || *filter == filters[0], "{filter:?}");
    }
    // Texts that would be one when they are put behind each other.
    let vote = |entity: &str, detector: &str| Filter {
        entity: Some(entity.to_owned()),
        vote: Some((detector.to_owned(), synod_store::VoteFilter::No)),
        ..Filter::of(Whose::All)
    };
    let cursors = [("plain", "forest"), ("plainf", "orest"), ("plai", "nforest")].map(|(entity, detector)| {
        let filter = vote(entity, detector);
        (reader.decisions(&filter, None, 1).unwrap().next, filter)
    });
    let (Some(cursor), _) = &cursors[0] else { panic!("there are such decisions") };
    assert!(cursors[1..].iter().all(|(_, filter)| reader.decisions(filter, Some(cursor), 1).is_err()));
    // A position that somebody made up is only a position.
    let text = reader.decisions(&filters[0], None, 10).unwrap().next.unwrap().to_string();
    let made_up = format!("{}{}", "f".repeat(16), &text[16..]).parse().unwrap();
    assert_eq!(reader.decisions(&filters[0], Some(&made_up), 10).unwrap().found, oracle.find(&filters[0])[..10]);
}

fn decision<'a>(sequence: u64, votes: &'a [(&'a str, Option<bool>)]) -> Fact<'a> {
    Fact::Decision(DecisionFact {
        place: Place { sequence, segment: 0, offset: sequence },
        id: u128::from(sequence).to_be_bytes(),
        tenant: None,
        event: None,
        key: None,
        content: [0; 32],
        entity: None,
        at: None,
        decided: 0,
        outcome: 0,
        anomalous: false,
        score: 0.0,
        votes,
    })
}

#[test]
fn one_detector_too_many_is_an_error_that_changes_nothing() {
    let (folder, mut index) = folded(&Oracle::new(0, 0), 1);
    let names: Vec<String> = (0..63).map(|number| format!("detector {number}")).collect();
    let votes: Vec<_> = names.iter().map(|name| (name.as_str(), Some(true))).collect();
    index.fold(&[decision(0, &votes[..60])], 1).unwrap();
    let before = dump(folder.path());
    let error = index.fold(&[decision(1, &votes[60..62]), decision(2, &votes)], 3).unwrap_err();
    assert!(matches!(&error, IndexError::Detectors { detector, .. } if detector == "detector 62"), "{error}");
    assert!(dump(folder.path()) == before);
    index.fold(&[decision(1, &votes[61..62])], 2).unwrap();
    let reader = index.reader().unwrap();
    let yes = |name: &str| Filter { vote: Some((name.to_owned(), synod_store::VoteFilter::Yes)), ..Filter::of(Whose::All) };
    assert_eq!(find_all(&reader, &yes("detector 61"), 5).len(), 1);
    assert_eq!(find_all(&reader, &yes("detector 60"), 5).len(), 0);
    assert_eq!(find_all(&reader, &yes("detector 59"), 5).len(), 1);
}

#[test]
fn facts_that_cannot_be_are_refused() {
    let (folder, mut index) = folded(&Oracle::new(0, 0), 1);
    let before = dump(folder.path());
    let error = index.fold(&[decision(0, &[]), decision(5, &[])], 5).unwrap_err();
    assert!(matches!(error, IndexError::Order { sequence: 5, next: 5, .. }), "{error}");
    let error = index.fold(&[decision(1 << 63, &[])], u64::MAX).unwrap_err();
    assert!(matches!(error, IndexError::Number { .. }), "{error}");
    assert!(dump(folder.path()) == before);
}

/// A search that no index helps ends after a bounded number of decisions, says that there is more, and comes to its end.
#[test]
fn a_search_for_next_to_nothing_goes_on_page_by_page() {
    let (_folder, mut index) = folded(&Oracle::new(0, 0), 1);
    let facts: Vec<_> = (0..120_000).map(|sequence| decision(sequence, &[])).collect();
    index.fold(&facts, 120_000).unwrap();
    let reader = index.reader().unwrap();
    let filter = Filter { lowest: Some(1.0), ..Filter::of(Whose::All) };
    let mut pages = 1;
    let mut page = reader.decisions(&filter, None, 10).unwrap();
    while let Some(next) = &page.next {
        page = reader.decisions(&filter, Some(next), 10).unwrap();
        assert!(page.found.is_empty());
        pages += 1;
    }
    assert_eq!(pages, 3);
}

/// The writer commits ten decisions at a time, and whoever reads sees all ten or none.
#[test]
fn readers_beside_the_writer_see_whole_transactions() {
    let (_folder, mut index) = folded(&Oracle::new(0, 0), 1);
    let readers = [index.reader().unwrap(), index.reader().unwrap()];
    let done = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let read = |reader: synod_store::IndexReader| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let next = reader.next().unwrap();
                let found = reader.decisions(&Filter::of(Whose::All), None, usize::MAX).unwrap().found;
                let sequences: Vec<u64> = found.iter().map(|found| found.place.sequence).collect();
                assert!(sequences.iter().copied().eq((0..sequences.len() as u64).rev()));
                assert!(sequences.len() as u64 >= next && sequences.len().is_multiple_of(10));
                reads += 1;
            }
            reads
        };
        let threads = readers.map(|reader| scope.spawn(move || read(reader)));
        for first in (0..5_000).step_by(10) {
            let facts: Vec<_> = (first..first + 10).map(|sequence| decision(sequence, &[("one", Some(true))])).collect();
            index.fold(&facts, first + 10).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        threads.map(|thread| thread.join().unwrap())
    });
    // How often is the system's business; that each read at all is what the test needs.
    assert!(reads.iter().all(|reads| *reads > 0), "{reads:?}");
}
