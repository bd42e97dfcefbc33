//! What the index is compared with: the same facts in vectors, searched from one end to the other.

// Each test binary uses a part of this.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::HashMap;
use synod_store::{
    Confusion, DataDirectory, DecisionFact, Fact, Filter, Found, Index, IndexReader, Known, Label, LabelFact, Labelled, Place, Quality,
    VoteFilter, Whose,
};

pub(crate) const DETECTORS: [&str; 5] = ["forest", "density", "network", "'; DROP TABLE votes; --", ""];
/// Texts as hostile clients send them.
pub(crate) const TEXTS: [&str; 9] =
    ["plain", "", "'; DROP TABLE decisions; --", "100%_", "a\0b", "a", "\u{202e}right to left", "x' OR '1'='1", "NULL"];
/// None more often than any of them; the last one has no decision.
pub(crate) const TENANTS: [&str; 5] = ["north", "south", "", "a\0b", "nobody"];
const BEGIN: i64 = 1_700_000_000_000_000;

/// SplitMix64: numbers that look random and are the same in every run.
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let number = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.number() % bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn text(&mut self, names: usize) -> String {
        let name = self.below(names);
        if name < TEXTS.len() { TEXTS[name].to_owned() } else { format!("name {name}") }
    }

    fn digest(&mut self, values: usize) -> [u8; 32] {
        let mut digest = [7; 32];
        // The first eight bytes are nearly always the same, so that the index has to compare the others.
        digest[0] = u8::from(self.one_in(50));
        digest[31] = self.below(values.min(256)) as u8;
        digest[30] = self.below(values.div_ceil(256)) as u8;
        digest
    }
}

#[derive(Clone)]
pub(crate) struct Decision {
    pub(crate) place: Place,
    pub(crate) id: [u8; 16],
    pub(crate) tenant: Option<&'static str>,
    event: Option<String>,
    key: Option<[u8; 32]>,
    content: [u8; 32],
    entity: Option<String>,
    decided: i64,
    outcome: u8,
    anomalous: bool,
    score: f64,
    votes: Vec<(&'static str, Option<bool>)>,
}

#[derive(Clone)]
pub(crate) struct LabelRecord {
    place: Place,
    decision: [u8; 16],
    label: u8,
    by: String,
    at: i64,
    note: Option<String>,
}

#[derive(Clone)]
pub(crate) enum Record {
    Decision(Decision),
    Label(LabelRecord),
}

/// A log in memory.
#[derive(Clone)]
pub(crate) struct Oracle {
    random: Random,
    pub(crate) records: Vec<Record>,
}

impl Oracle {
    pub(crate) fn new(seed: u64, records: usize) -> Self {
        let mut oracle = Self { random: Random(seed), records: Vec::new() };
        oracle.grow(records);
        oracle
    }

    pub(crate) fn grow(&mut self, records: usize) {
        for _ in 0..records {
            let sequence = self.next();
            let place = Place { sequence, segment: sequence / 1000, offset: sequence % 1000 * 500 };
            let record = if sequence > 0 && self.random.one_in(12) { self.label(place) } else { self.decision(place) };
            self.records.push(record);
        }
    }

    /// The first sequence that is not there.
    pub(crate) fn next(&self) -> u64 {
        self.records.last().map_or(0, |record| record.place().sequence + 1)
    }

    fn decision(&mut self, place: Place) -> Record {
        let random = &mut self.random;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&place.sequence.to_be_bytes());
        id[8..].copy_from_slice(&random.number().to_be_bytes());
        // The clock is set back three hours now and then: by 1,080 decisions.
        let back = if place.sequence / 300 % 4 == 3 { 3 * 3_600_000_000 } else { 0 };
        let votes = DETECTORS.iter().filter(|_| !random.one_in(7)).copied().collect::<Vec<_>>();
        let score = [f64::NAN, f64::INFINITY, 0.5, -0.0].get(random.below(40)).copied().unwrap_or(random.number() as f64 / u64::MAX as f64);
        Record::Decision(Decision {
            place,
            id,
            tenant: TENANTS[..4].get(random.below(7)).copied(),
            event: random.one_in(2).then(|| random.text(600)),
            key: random.one_in(3).then(|| random.digest(400)),
            content: random.digest(1 << 16),
            entity: (!random.one_in(10)).then(|| random.text(60)),
            decided: BEGIN + place.sequence as i64 * 10_000_000 - back + random.below(1000) as i64,
            outcome: random.below(40).saturating_sub(36) as u8,
            anomalous: random.one_in(20),
            score,
            votes: votes.into_iter().map(|name| (name, [Some(true), None].get(random.below(9)).copied().unwrap_or(Some(false)))).collect(),
        })
    }

    fn label(&mut self, place: Place) -> Record {
        let random = &mut self.random;
        // Mostly of a recent decision, so that some get several; sometimes of one that never was.
        let about = self.records.iter().rev().filter_map(Record::as_decision).nth(random.below(30));
        let decision = about.filter(|_| !random.one_in(20)).map_or([9; 16], |decision| decision.id);
        let label = random.below(4) as u8;
        let note = random.one_in(2).then(|| random.text(12));
        Record::Label(LabelRecord { place, decision, label, by: random.text(12), at: BEGIN + random.below(1000) as i64, note })
    }

    pub(crate) fn decisions(&self) -> impl DoubleEndedIterator<Item = &Decision> {
        self.records.iter().filter_map(Record::as_decision)
    }

    /// Folds everything that is missing, so many records at a time.
    pub(crate) fn fold(&self, index: &mut Index, from: u64, at_once: usize) {
        let missing = &self.records[self.records.partition_point(|record| record.place().sequence < from)..];
        for records in missing.chunks(at_once) {
            let facts: Vec<Fact<'_>> = records.iter().map(Record::fact).collect();
            index.fold(&facts, records.last().unwrap().place().sequence + 1).unwrap();
        }
    }

    pub(crate) fn find(&self, filter: &Filter) -> Vec<Found> {
        let labels = self.current_labels();
        let fits = self.decisions().rev().filter(|decision| decision.fits(filter, labels.get(&decision.id).copied()));
        fits.map(|decision| Found { place: decision.place, id: decision.id }).collect()
    }

    /// Decision → the label that holds.
    fn current_labels(&self) -> HashMap<[u8; 16], u8> {
        self.label_records().map(|label| (label.decision, label.label)).collect()
    }

    fn label_records(&self) -> impl Iterator<Item = &LabelRecord> {
        self.records.iter().filter_map(|record| match record {
            Record::Label(label) => Some(label),
            Record::Decision(_) => None,
        })
    }

    /// Decision → all its labels, oldest first.
    fn labels(&self) -> HashMap<[u8; 16], Vec<Label>> {
        let mut labels: HashMap<_, Vec<_>> = HashMap::new();
        for record in self.label_records() {
            let LabelRecord { place, label, ref by, at, ref note, decision } = *record;
            labels.entry(decision).or_default().push(Label { place, label, by: by.clone(), at, note: note.clone() });
        }
        labels
    }

    pub(crate) fn quality(&self, whose: &Whose, from: Option<i64>, until: Option<i64>) -> Quality {
        let mut labelled = Labelled::default();
        let mut judged = Vec::new();
        let labels = self.current_labels();
        for decision in self.decisions().filter(|decision| decision.is_of(whose) && within(decision.decided, from, until)) {
            let label = labels.get(&decision.id).copied();
            match label {
                Some(0) => labelled.fraud += 1,
                Some(1) => labelled.legitimate += 1,
                Some(2) => labelled.unsure += 1,
                _ => {}
            }
            judged.extend(label.filter(|label| *label < 2).map(|label| (decision, label == 0)));
        }
        let policy = confusion(judged.iter().map(|(decision, fraud)| (*fraud, decision.anomalous)));
        let mut names: Vec<_> = DETECTORS.iter().filter(|name| judged.iter().any(|(decision, _)| decision.vote(name).is_some())).collect();
        names.sort();
        let detector = |name: &&'static str| {
            let votes = confusion(judged.iter().filter_map(|(decision, fraud)| Some((*fraud, decision.vote(name)??))));
            let abstained = judged.iter().filter(|(decision, _)| decision.vote(name) == Some(None)).count();
            (name.to_string(), votes, abstained as u64)
        };
        Quality { labelled, policy, detectors: names.into_iter().map(detector).collect() }
    }

    /// Everything that the index can be asked for by something else than a filter.
    pub(crate) fn compare_look_ups(&self, reader: &IndexReader) {
        assert_eq!(reader.check().unwrap(), None);
        let (mut events, mut keys) = (HashMap::new(), HashMap::<_, Vec<_>>::new());
        for decision in self.decisions() {
            for whose in everybody() {
                assert_eq!(reader.by_id(&whose, decision.id).unwrap(), decision.is_of(&whose).then_some(decision.place), "{whose:?}");
            }
            if let Some(event) = &decision.event {
                events.entry((decision.tenant, event)).or_insert_with(|| decision.known());
            }
            if let Some(key) = decision.key {
                keys.entry(key).or_default().push(decision.known());
            }
        }
        for event in events.keys().map(|(_, event)| event) {
            for tenant in TENANTS.into_iter().map(Some).chain([None]) {
                assert_eq!(reader.by_event(tenant, event).unwrap(), events.get(&(tenant, event)).copied(), "{event:?} of {tenant:?}");
            }
        }
        for (key, all) in keys {
            assert_eq!(reader.by_key(key).unwrap(), all);
        }
        let labels = self.labels();
        for id in self.decisions().map(|decision| decision.id).chain([[9; 16]]) {
            assert_eq!(reader.labels(id).unwrap(), labels.get(&id).cloned().unwrap_or_default());
        }
        for whose in everybody() {
            assert_eq!(reader.quality(&whose, None, None).unwrap(), self.quality(&whose, None, None), "{whose:?}");
            let filter = Filter::of(whose);
            assert_eq!(find_all(reader, &filter, 100), self.find(&filter), "{filter:?}");
        }
    }

    /// Each part of a filter alone with values that are there and values that are not, and then parts together.
    pub(crate) fn filters(&self) -> Vec<Filter> {
        let mut random = Random(5);
        let mut filters: Vec<Filter> = everybody().flat_map(|whose| self.filters_of(&whose, &mut random)).collect();
        filters.extend((0..300).map(|_| self.any_filter(&mut random)));
        filters
    }

    fn filters_of(&self, whose: &Whose, random: &mut Random) -> Vec<Filter> {
        let all = || Filter::of(whose.clone());
        let mut filters = vec![all()];
        filters.extend(TEXTS.iter().chain(&["nobody", "name 20"]).map(|text| Filter { entity: Some(text.to_string()), ..all() }));
        filters.extend((0..5).map(|outcome| Filter { outcome: Some(outcome), ..all() }));
        filters.extend([true, false].map(|anomalous| Filter { anomalous: Some(anomalous), ..all() }));
        for name in DETECTORS.iter().chain(&["nothing"]) {
            let votes = [VoteFilter::Yes, VoteFilter::No, VoteFilter::Abstained];
            filters.extend(votes.map(|vote| Filter { vote: Some((name.to_string(), vote)), ..all() }));
        }
        filters.extend((0..5).map(|label| Filter { label: Some(label), ..all() }));
        filters.extend([0.0, 0.5, 1.0, f64::INFINITY, f64::NAN].map(|lowest| Filter { lowest: Some(lowest), ..all() }));
        filters.extend([-1.0, 0.0, 0.5, f64::INFINITY, f64::NAN].map(|highest| Filter { highest: Some(highest), ..all() }));
        for _ in 0..5 {
            let [from, until] = self.times(random);
            filters.extend([Filter { from, ..all() }, Filter { until, ..all() }, Filter { from, until, ..all() }]);
        }
        filters
    }

    pub(crate) fn times(&self, random: &mut Random) -> [Option<i64>; 2] {
        let mut time = || Some(self.decisions().nth(random.below(self.decisions().count()))?.decided);
        [time(), time()]
    }

    fn any_filter(&self, random: &mut Random) -> Filter {
        let [from, until] = self.times(random);
        Filter {
            whose: everybody().nth(random.below(7)).unwrap(),
            entity: random.one_in(3).then(|| random.text(60)),
            outcome: random.one_in(4).then(|| random.below(4) as u8),
            anomalous: random.one_in(4).then(|| random.one_in(2)),
            vote: random.one_in(3).then(|| {
                let vote = [VoteFilter::Yes, VoteFilter::No, VoteFilter::Abstained][random.below(3)];
                (DETECTORS[random.below(5)].to_owned(), vote)
            }),
            from: from.filter(|_| random.one_in(4)),
            until: until.filter(|_| random.one_in(4)),
            lowest: random.one_in(4).then_some(0.3),
            highest: random.one_in(4).then_some(0.8),
            label: random.one_in(4).then(|| random.below(4) as u8),
        }
    }
}

/// Everybody whose decisions can be asked for.
pub(crate) fn everybody() -> impl Iterator<Item = Whose> {
    [Whose::All, Whose::WithoutTenant].into_iter().chain(TENANTS.map(|tenant| Whose::exactly(Some(tenant))))
}

fn within(time: i64, from: Option<i64>, until: Option<i64>) -> bool {
    from.is_none_or(|from| time >= from) && until.is_none_or(|until| time < until)
}

fn confusion(judged: impl Iterator<Item = (bool, bool)>) -> Confusion {
    let mut confusion = Confusion::default();
    for (fraud, yes) in judged {
        match (fraud, yes) {
            (true, true) => confusion.true_positive += 1,
            (true, false) => confusion.false_negative += 1,
            (false, true) => confusion.false_positive += 1,
            (false, false) => confusion.true_negative += 1,
        }
    }
    confusion
}

impl Decision {
    fn fits(&self, filter: &Filter, label: Option<u8>) -> bool {
        let vote = |(name, wanted): &(String, VoteFilter)| {
            let voted = self.vote(name);
            voted.is_some_and(|vote| {
                vote == match wanted {
                    VoteFilter::Yes => Some(true),
                    VoteFilter::No => Some(false),
                    VoteFilter::Abstained => None,
                }
            })
        };
        self.is_of(&filter.whose)
            && filter.entity.as_ref().is_none_or(|entity| self.entity.as_ref() == Some(entity))
            && filter.outcome.is_none_or(|outcome| self.outcome == outcome)
            && filter.anomalous.is_none_or(|anomalous| self.anomalous == anomalous)
            && filter.vote.as_ref().is_none_or(vote)
            && within(self.decided, filter.from, filter.until)
            && filter.lowest.is_none_or(|lowest| self.score >= lowest)
            && filter.highest.is_none_or(|highest| self.score <= highest)
            && (filter.label.is_none() || filter.label == label)
    }

    fn is_of(&self, whose: &Whose) -> bool {
        *whose == Whose::All || *whose == Whose::exactly(self.tenant)
    }

    fn known(&self) -> Known {
        Known { place: self.place, id: self.id, content: self.content }
    }

    fn vote(&self, name: &str) -> Option<Option<bool>> {
        self.votes.iter().find(|(detector, _)| *detector == name).map(|(_, vote)| *vote)
    }
}

impl Record {
    pub(crate) fn place(&self) -> Place {
        match self {
            Self::Decision(decision) => decision.place,
            Self::Label(label) => label.place,
        }
    }

    fn as_decision(&self) -> Option<&Decision> {
        match self {
            Self::Decision(decision) => Some(decision),
            Self::Label(_) => None,
        }
    }

    pub(crate) fn fact(&self) -> Fact<'_> {
        match self {
            Self::Decision(decision) => Fact::Decision(DecisionFact {
                place: decision.place,
                id: decision.id,
                tenant: decision.tenant,
                event: decision.event.as_deref(),
                key: decision.key,
                content: decision.content,
                entity: decision.entity.as_deref(),
                at: None,
                decided: decision.decided,
                outcome: decision.outcome,
                anomalous: decision.anomalous,
                score: decision.score,
                votes: &decision.votes,
            }),
            Self::Label(label) => Fact::Label(LabelFact {
                place: label.place,
                decision: label.decision,
                label: label.label,
                by: &label.by,
                at: label.at,
                note: label.note.as_deref(),
            }),
        }
    }
}

/// Pages through everything that the filter admits.
pub(crate) fn find_all(reader: &IndexReader, filter: &Filter, limit: usize) -> Vec<Found> {
    let mut page = reader.decisions(filter, None, limit).unwrap();
    let mut found = page.found;
    while let Some(next) = page.next {
        assert!(!found.is_empty(), "there are too few decisions here for an empty page");
        page = reader.decisions(filter, Some(&next.to_string().parse().unwrap()), limit).unwrap();
        assert!(!page.found.is_empty() && page.found.len() <= limit, "a next page has something");
        assert!(page.found[0].place < found[found.len() - 1].place, "and nothing of the page before");
        found.extend(page.found);
    }
    found
}

/// An index of its own, with everything folded.
pub(crate) fn folded(oracle: &Oracle, at_once: usize) -> (tempfile::TempDir, Index) {
    let folder = tempfile::tempdir().unwrap();
    let (mut index, opened) = Index::open(&DataDirectory::open(folder.path()).unwrap()).unwrap();
    assert_eq!((opened.next, opened.rebuilt), (0, None));
    oracle.fold(&mut index, 0, at_once);
    (folder, index)
}

/// Every row of every table, as text.
pub(crate) fn dump(folder: &std::path::Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(folder.join("index.sqlite")).unwrap();
    let mut rows = Vec::new();
    for table in ["progress", "detectors", "tenants", "decisions", "votes", "spans", "labels"] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let text = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get_ref(column).map(|value| format!("{value:?}"))).collect();
        let read: Vec<Vec<String>> = statement.query_map([], text).unwrap().map(Result::unwrap).collect();
        rows.extend(read.into_iter().map(|row| format!("{table} {}", row.join(" "))));
    }
    rows
}
