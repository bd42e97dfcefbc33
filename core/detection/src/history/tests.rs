use super::plan::Secret;
use super::*;
use crate::{Batch, Field, Kind, Schema, Value};
use proptest::prelude::*;
use std::sync::Arc;

const HOUR: i64 = 3_600_000_000;

fn schema() -> Schema {
    let device = Field { required: false, ..Field::new("device", Kind::Text) };
    let fields = vec![Field::new("account", Kind::Text), Field::new("at", Kind::Time), Field::new("amount", Kind::Number), device];
    Schema::new(fields).unwrap().with_time("at").unwrap()
}

fn past(aggregate: Aggregate, of: Option<&str>, per: &[&str], window: Window) -> Past {
    Past { aggregate, of: of.map(Into::into), per: per.iter().map(|name| (*name).to_owned()).collect(), window }
}

fn sources() -> Vec<Past> {
    let amount = Some("amount");
    let device = Some("device");
    vec![
        past(Aggregate::Count, None, &["account"], Window::Time(10 * HOUR)),
        past(Aggregate::Sum, amount, &["account"], Window::Time(3 * HOUR)),
        past(Aggregate::Mean, amount, &["account"], Window::Last(3)),
        past(Aggregate::StandardDeviation, amount, &["account"], Window::Time(10 * HOUR)),
        past(Aggregate::ZScore, amount, &["account"], Window::Last(4)),
        past(Aggregate::RatioToMean, Some("log1p(amount)"), &["account"], Window::Last(4)),
        past(Aggregate::SinceLast, None, &["account"], Window::All),
        past(Aggregate::NotMostFrequent, device, &["account"], Window::Last(5)),
        past(Aggregate::FirstSeen, device, &["account"], Window::Time(10 * HOUR)),
        past(Aggregate::Distinct, device, &["account"], Window::Time(10 * HOUR)),
        past(Aggregate::Count, None, &["device"], Window::Time(10 * HOUR)),
        past(Aggregate::Maximum, amount, &["account", "device"], Window::Time(10 * HOUR)),
    ]
}

/// Account, hour, amount, device.
type Event = (u8, i64, f64, Option<u8>);

fn batch(events: &[Event]) -> Batch {
    let schema = schema();
    let mut batch = Batch::new(&schema);
    for (account, hour, amount, device) in events {
        let (account, device) = (format!("account {account}"), device.map(|device| format!("device {device}")));
        let mut row = batch.row(&schema);
        row.set(0, Value::Text(&account));
        row.set(1, Value::Time(hour * HOUR));
        row.set(2, Value::Number(*amount));
        row.set(3, device.as_deref().map_or(Value::Missing, Value::Text));
        row.finish().unwrap();
    }
    batch
}

fn histories(bounds: Bounds) -> Histories {
    let plan = HistoryPlan::new(&schema(), &sources()).unwrap();
    Histories::new(Arc::new(plan), bounds, [7; 16])
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn observed(events: &[Event]) -> PastValues {
    histories(Bounds { lateness: 1000 * HOUR, ..Bounds::default() }).observe(&batch(events), 0..events.len())
}

/// The same values, straight from their definition: every event that came before in the list, is of that key and strictly earlier.
fn by_definition(events: &[Event], row: usize) -> Vec<f64> {
    let (account, hour, amount, device) = events[row];
    let mut before: Vec<Event> = events[..row].iter().copied().filter(|event| event.1 < hour).collect();
    // Events of one moment stand in the order of what is kept of them, which decides where `last` cuts between them.
    let mark = |event: &Event| event.3.map_or(0, |device| Secret([7; 16]).mark(&format!("device {device}")));
    before.sort_by_key(|event| (event.1, event.2.to_bits(), mark(event)));
    let own: Vec<Event> = before.iter().copied().filter(|event| event.0 == account).collect();
    let within = |list: &[Event], hours: i64| -> Vec<Event> { list.iter().copied().filter(|event| event.1 >= hour - hours).collect() };
    let last = |count: usize| own[own.len().saturating_sub(count)..].to_vec();
    let amounts = |list: &[Event]| -> Vec<f64> { list.iter().map(|event| event.2).collect() };
    let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
    let squares = |list: &[f64]| list.iter().map(|x| (x - mean(list)).powi(2)).sum::<f64>();
    let deviation = |list: &[f64]| if list.len() > 1 { (squares(list) / (list.len() as f64 - 1.0)).sqrt() } else { f64::NAN };
    let devices = |list: &[Event]| -> Vec<u8> { list.iter().filter_map(|event| event.3).collect() };
    let flag = |truth: bool| f64::from(u8::from(truth));
    let of_device = |list: &[u8]| device.map(|device| list.iter().filter(|one| **one == device).count());
    let most = |list: &[u8]| list.iter().map(|one| list.iter().filter(|other| *other == one).count()).max().unwrap_or(0);
    let four = amounts(&last(4));
    let logs: Vec<f64> = four.iter().map(|amount| amount.ln_1p()).collect();
    let recent = devices(&last(5));
    let mut distinct = devices(&within(&own, 10));
    distinct.sort_unstable();
    distinct.dedup();
    let same_device: Vec<Event> = before.iter().copied().filter(|event| device.is_some() && event.3 == device).collect();
    let pair: Vec<f64> = amounts(&within(&same_device, 10).into_iter().filter(|event| event.0 == account).collect::<Vec<_>>());
    vec![
        within(&own, 10).len() as f64,
        amounts(&within(&own, 3)).iter().sum::<f64>() + 0.0,
        mean(&amounts(&last(3))),
        deviation(&amounts(&within(&own, 10))),
        (amount - mean(&four)) / deviation(&four),
        amount.ln_1p() / mean(&logs),
        own.last().map_or(f64::NAN, |event| ((hour - event.1) * 3600) as f64),
        of_device(&recent).map_or(f64::NAN, |count| flag(count < most(&recent))),
        of_device(&devices(&within(&own, 10))).map_or(f64::NAN, |count| flag(count == 0)),
        distinct.len() as f64,
        within(&same_device, 10).len() as f64,
        pair.iter().copied().fold(f64::NAN, f64::max),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    // Few accounts, hours and amounts, so that keys and times meet often; whole amounts have exact sums in any order.
    (0..3_u8, 0..30_i64, (1..50_u8).prop_map(f64::from), prop::option::of(0..3_u8))
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..40)
}

fn same(one: f64, other: f64) -> bool {
    (!one.is_finite() && !other.is_finite()) || (one - other).abs() <= 1e-12 * one.abs().max(1.0)
}

proptest! {
    #[test]
    fn values_are_what_their_definition_says(events in events()) {
        let observed = observed(&events);
        for row in 0..events.len() {
            let expected = by_definition(&events, row);
            for (place, (found, expected)) in observed.row(row).iter().zip(&expected).enumerate() {
                prop_assert!(same(*found, *expected), "row {row}, {}: {found} {expected}", sources()[place]);
            }
        }
    }

    #[test]
    fn later_events_and_other_keys_change_nothing(mut events in events(), at in 0..40_usize, other in events()) {
        let row = at % events.len();
        let before = bits(observed(&events).row(row));
        let (account, hour, _, device) = events[row];
        // Everything that is of no key of this row, or not earlier than it, is something else now.
        for (event, new) in events.iter_mut().zip(other.iter().cycle()).enumerate().filter(|(index, _)| *index != row).map(|(_, pair)| pair) {
            let foreign = event.0 != account && (device.is_none() || event.3 != device);
            let new_foreign = new.0 != account && (device.is_none() || new.3 != device);
            if event.1 >= hour {
                *event = (event.0, hour + new.1, new.2, new.3);
            } else if foreign && new_foreign {
                *event = *new;
            }
        }
        events.extend(other.iter().map(|event| (event.0, hour + event.1, event.2, event.3)));
        prop_assert_eq!(bits(observed(&events).row(row)), before);
    }

    #[test]
    fn the_set_of_events_decides_what_is_kept(events in events(), seed in any::<u64>(), lateness in 0..40_i64, most in 1..20_usize) {
        let bounds = Bounds { lateness: lateness * HOUR, events: most, entities: 100 };
        let mut shuffled = events.clone();
        shuffled.sort_by_key(|event| (event.1 as u64 ^ event.2.to_bits()).wrapping_mul(seed | 1));
        let kept = |events: &[Event]| {
            let mut histories = histories(bounds);
            histories.observe(&batch(events), 0..events.len());
            let rows: Vec<Event> = (0..3).flat_map(|account| [(account, 100, 1.0, Some(0)), (account, 30, 1.0, Some(1)), (account, 30, 1.0, Some(2))]).collect();
            let probes = batch(&rows);
            let mut values = PastValues::new(histories.plan().width());
            (0..rows.len()).for_each(|row| histories.peek(Realm::COMMON, &probes, row, &mut values));
            (0..rows.len()).flat_map(|row| bits(values.row(row))).collect::<Vec<_>>()
        };
        prop_assert_eq!(kept(&events), kept(&shuffled));
    }

    #[test]
    fn a_snapshot_in_the_middle_changes_nothing(events in events(), at in 0..40_usize, entities in 1..5_usize) {
        let bounds = Bounds { lateness: 5 * HOUR, events: 6, entities };
        let (batch, middle) = (batch(&events), at % events.len());
        let whole = histories(bounds).observe(&batch, 0..events.len());
        let mut first = histories(bounds);
        first.observe(&batch, 0..middle);
        let mut bytes = Vec::new();
        first.write(|piece| { bytes.extend_from_slice(piece); Ok::<(), ()>(()) }).unwrap();
        let mut second = histories(bounds);
        second.read(&bytes).unwrap();
        let rest = second.observe(&batch, middle..events.len());
        for row in middle..events.len() {
            prop_assert_eq!(bits(rest.row(row - middle)), bits(whole.row(row)));
        }
    }

    #[test]
    fn a_damaged_snapshot_is_refused_and_never_a_panic(events in events(), at in any::<usize>(), flip in 1..=255_u8, cut in any::<bool>()) {
        let mut histories = histories(Bounds::default());
        histories.observe(&batch(&events), 0..events.len());
        let mut bytes = Vec::new();
        histories.write(|piece| { bytes.extend_from_slice(piece); Ok::<(), ()>(()) }).unwrap();
        let place = at % bytes.len();
        if cut { bytes.truncate(place) } else { bytes[place] ^= flip }
        // A flipped value cannot be told from another value here: the file around it has a checksum. A cut is always found.
        prop_assert!(histories.read(&bytes).is_err() || !cut);
    }

    #[test]
    fn what_is_taken_back_was_never_there(events in events(), more in events()) {
        let mut histories = histories(Bounds { lateness: 1000 * HOUR, ..Bounds::default() });
        let (kept, taken) = (batch(&events), batch(&more));
        histories.observe(&kept, 0..events.len());
        (0..more.len()).for_each(|row| { histories.remember(Realm::COMMON, &taken, row); });
        (0..more.len()).rev().for_each(|row| histories.take_back(Realm::COMMON, &taken, row));
        let mut values = PastValues::new(histories.plan().width());
        (0..more.len()).for_each(|row| histories.look(Realm::COMMON, &taken, row, &mut values));
        let expected: Vec<Vec<u64>> = (0..more.len()).map(|row| {
            let mut all = events.clone();
            all.push(more[row]);
            bits(observed(&all).row(events.len()))
        }).collect();
        for (row, expected) in expected.iter().enumerate() {
            prop_assert_eq!(&bits(values.row(row)), expected);
        }
    }
}

/// What rows of several realms get and leave, told apart by their realm: values, and what a snapshot holds.
fn in_realms(events: &[(bool, Event)], realms: [Realm; 2], bounds: Bounds) -> [PastValues; 2] {
    let mut histories = histories(bounds);
    let mut values = [(); 2].map(|()| PastValues::new(histories.plan().width()));
    let batch = batch(&events.iter().map(|(_, event)| *event).collect::<Vec<_>>());
    for (row, (second, _)) in events.iter().enumerate() {
        let second = usize::from(*second);
        histories.look(realms[second], &batch, row, &mut values[second]);
        histories.remember(realms[second], &batch, row);
        // A row that comes to nothing leaves nothing, in its own realm and in the other.
        histories.remember(realms[1 - second], &batch, row);
        histories.take_back(realms[1 - second], &batch, row);
    }
    values
}

proptest! {
    #[test]
    fn realms_do_not_see_each_other(events in prop::collection::vec((any::<bool>(), event()), 1..60), common in any::<bool>()) {
        let bounds = Bounds { lateness: 1000 * HOUR, ..Bounds::default() };
        let realms = [if common { Realm::COMMON } else { Realm::of([1; 16]) }, Realm::of([2; 16])];
        let together = in_realms(&events, realms, bounds);
        for (second, together) in together.iter().enumerate() {
            let own: Vec<Event> = events.iter().filter(|(of, _)| usize::from(*of) == second).map(|(_, event)| *event).collect();
            let alone = histories(bounds).observe(&batch(&own), 0..own.len());
            for row in 0..own.len() {
                prop_assert_eq!(bits(together.row(row)), bits(alone.row(row)), "as if alone, and without any realm");
                prop_assert_eq!(together.seen(row), alone.seen(row));
            }
        }
    }
}

/// Found by chance: `last` cuts between events of one moment and one amount, of which only one has a device.
#[test]
fn where_last_cuts_between_events_of_one_moment_their_contents_decide() {
    let events: [Event; 7] = [
        (0, 13, 43.0, Some(1)),
        (0, 13, 43.0, None),
        (0, 14, 1.0, None),
        (0, 14, 1.0, None),
        (0, 13, 43.0, None),
        (0, 14, 1.0, None),
        (0, 15, 1.0, Some(0)),
    ];
    let mut turned = events;
    turned[..6].reverse();
    let found = [&events, &turned].map(|events| bits(observed(events).row(6)));
    assert_eq!(found[0], found[1], "whichever came first");
    let expected = by_definition(&events, 6);
    assert!(observed(&events).row(6).iter().zip(&expected).all(|(found, expected)| same(*found, *expected)));
}

#[test]
fn a_late_row_is_judged_by_what_is_kept_and_said_to_be_late() {
    let mut histories = histories(Bounds { lateness: 2 * HOUR, ..Bounds::default() });
    let rows = [(0, 1, 5.0, None), (0, 20, 7.0, None), (0, 19, 9.0, None), (0, 12, 9.0, None), (0, 21, 1.0, None)];
    let values = histories.observe(&batch(&rows), 0..rows.len());
    let late: Vec<bool> = (0..rows.len()).map(|row| values.seen(row).late).collect();
    assert_eq!(late, [false, false, false, true, false]);
    assert_eq!(values.row(4)[0], 3.0, "both that came out of order are remembered: 12, 19 and 20 lie within ten hours before 21");
}

#[test]
fn keys_are_bounded_and_the_unused_one_makes_room() {
    let mut histories = histories(Bounds { entities: 2, ..Bounds::default() });
    let rows: Vec<Event> = vec![(0, 1, 1.0, None), (1, 2, 1.0, None), (2, 3, 1.0, None), (2, 4, 1.0, None), (0, 5, 1.0, None)];
    let values = histories.observe(&batch(&rows), 0..rows.len());
    let facts = &histories.facts()[0];
    assert_eq!((facts.entities, facts.evicted), (2, 2), "accounts 0 and 1 had to go, and 0 came back");
    assert_eq!(values.row(4)[0], 0.0);
    assert_eq!(values.row(3)[0], 1.0);
}

#[test]
fn sizes_are_counted_as_they_change() {
    let bounds = Bounds { entities: 2, events: 4, ..Bounds::default() };
    let mut histories = histories(bounds);
    let rows: Vec<Event> = (0..60).map(|row| ((row % 5) as u8, row / 3, 1.0, Some((row % 3) as u8))).collect();
    let batch = batch(&rows);
    histories.observe(&batch, 0..rows.len());
    histories.take_back(Realm::COMMON, &batch, 59);
    let mut bytes = Vec::new();
    histories
        .write(|piece| {
            bytes.extend_from_slice(piece);
            Ok::<(), ()>(())
        })
        .unwrap();
    let mut read = self::histories(bounds);
    read.read(&bytes).unwrap();
    for (changed, counted) in histories.facts().iter().zip(read.facts()) {
        assert_eq!((changed.events, changed.entities), (counted.events, counted.entities), "{:?}", changed.per);
        assert!(changed.bytes >= counted.bytes && changed.events > 0, "{changed:?} {counted:?}");
    }
}

#[test]
fn a_full_key_says_so() {
    let mut histories = histories(Bounds { events: 3, ..Bounds::default() });
    let rows: Vec<Event> = (0..5).map(|hour| (0, hour, 1.0, None)).collect();
    let values = histories.observe(&batch(&rows), 0..rows.len());
    let full: Vec<bool> = (0..rows.len()).map(|row| values.seen(row).full).collect();
    assert_eq!(full, [false, false, false, true, true]);
    assert_eq!(values.row(4)[0], 3.0, "the window holds four, three are kept");
}

#[test]
fn mistakes_are_named() {
    let schema = schema();
    let table = [
        (past(Aggregate::Mean, None, &["account"], Window::All), "`of` is missing: `mean` of which number?"),
        (past(Aggregate::Mean, Some("device"), &["account"], Window::All), "holds text"),
        (past(Aggregate::Distinct, Some("amount"), &["account"], Window::All), "field `amount` holds no text, and `distinct` needs one"),
        (past(Aggregate::Count, Some("amount"), &["account"], Window::All), "`count` has no `of`"),
        (past(Aggregate::Count, None, &[], Window::All), "`per` is missing"),
        (past(Aggregate::Count, None, &["acount"], Window::All), "there is no field `acount`"),
        (past(Aggregate::Count, None, &["at"], Window::All), "field `at` holds a time"),
    ];
    for (past, expected) in table {
        let error = HistoryPlan::new(&schema, [&past]).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected} in {error}");
    }
    let timeless = Schema::new(vec![Field::new("account", Kind::Text)]).unwrap();
    let error = HistoryPlan::new(&timeless, [&past(Aggregate::Count, None, &["account"], Window::All)]).unwrap_err();
    assert!(error.to_string().contains("schema.time"), "{error}");
}
