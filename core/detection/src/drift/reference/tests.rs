use super::*;
use proptest::prelude::*;

/// The counts of values by the bins of a reference.
fn counts(reference: &Reference, values: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; reference.bins()];
    values.iter().for_each(|value| counts[usize::from(reference.bin(&[*value]))] += 1);
    counts
}

fn psi(earlier: &[f64], later: &[f64]) -> f64 {
    let reference = Reference::of_values(earlier);
    reference.psi(&counts(&reference, later)).unwrap()
}

fn distance(earlier: &[f64], later: &[f64]) -> f64 {
    let reference = Reference::of_values(earlier);
    reference.distance(&counts(&reference, later)).unwrap()
}

fn repeated(parts: &[(f64, usize)]) -> Vec<f64> {
    parts.iter().flat_map(|(value, times)| vec![*value; *times]).collect()
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-12
}

#[test]
fn the_index_is_the_one_that_is_computed_by_hand() {
    // Halves become a quarter and three quarters: -.25 ln .5 + .25 ln 1.5 = .25 ln 3.
    let (earlier, later) = (repeated(&[(0.0, 50), (1.0, 50)]), repeated(&[(0.0, 25), (1.0, 75)]));
    assert!(close(psi(&earlier, &later), 0.25 * 3.0_f64.ln()));
    // A value that was not there: half of one in a hundred. -.5 ln .5 + (.5 - .005) ln (.5 / .005).
    let (earlier, later) = (repeated(&[(0.0, 100)]), repeated(&[(0.0, 50), (1.0, 50)]));
    assert!(close(psi(&earlier, &later), 0.5 * 2.0_f64.ln() + 0.495 * 100.0_f64.ln()));
    // One that is there no more: half of one in fifty. (1 - .5) ln 2 + (.01 - .5) ln (.01 / .5).
    let (earlier, later) = (repeated(&[(0.0, 100), (1.0, 100)]), repeated(&[(0.0, 50)]));
    assert!(close(psi(&earlier, &later), 0.5 * 2.0_f64.ln() + 0.49 * 50.0_f64.ln()));
    // 95 and 5 of a hundred become 60 and 40.
    let (earlier, later) = (repeated(&[(0.0, 950), (1.0, 50)]), repeated(&[(0.0, 600), (1.0, 400)]));
    assert!(close(psi(&earlier, &later), 0.35 * (0.95_f64 / 0.6).ln() + 0.35 * (0.4_f64 / 0.05).ln()));
}

#[test]
fn tenths_are_the_bins_of_the_index() {
    let earlier: Vec<f64> = (0..1000).map(f64::from).collect();
    let later: Vec<f64> = [50, 60, 80, 100, 110, 120, 130, 130, 120, 100]
        .iter()
        .enumerate()
        .flat_map(|(tenth, count)| (0..*count).map(move |place| (100 * tenth + place % 100) as f64))
        .collect();
    // The sum of (a - e) ln(a / e) over these ten shares.
    assert!(close(psi(&earlier, &later), 0.083_541_074_942_771_99));
}

#[test]
fn what_is_missing_is_a_bin_of_the_index_and_no_part_of_the_distance() {
    let with = |missing: usize| repeated(&[(0.0, 60), (1.0, 40), (f64::NAN, missing)]);
    let reference = Reference::of_values(&with(100));
    let later = counts(&reference, &with(300));
    assert_eq!((reference.distance(&later), Reference::present(&later)), (Some(0.0), 100));
    // .5 became .75, and .3 and .2 the half of that.
    assert!(close(reference.psi(&later).unwrap(), 0.25 * 1.5_f64.ln() + 0.25 * 2.0_f64.ln()));
    assert_eq!(reference.bin(&[f64::INFINITY]), reference.bin(&[f64::NAN]), "what is not finite is not there");
}

#[test]
fn without_values_nothing_is_said() {
    let reference = Reference::of_values(&[1.0, 2.0]);
    assert_eq!((reference.psi(&[0; 7][..reference.bins()]), reference.distance(&vec![0; reference.bins()])), (None, None));
    let nothing = Reference::of_values(&[]);
    assert_eq!((nothing.bins(), nothing.psi(&[3, 0]), nothing.distance(&[3, 0])), (2, None, None));
    let missing = Reference::of_values(&[f64::NAN; 9]);
    assert!(missing.psi(&[9, 9]).unwrap() > 0.25 && missing.distance(&[9, 9]).is_none());
}

#[test]
fn a_value_that_is_most_of_them_has_a_bin_of_its_own() {
    for at in [0.0, 1.0, -3.5, f64::MIN, f64::MAX] {
        let reference = Reference::of_values(&[at; 100]);
        let bin = |value: f64| reference.bin(&[value]);
        assert!(at == f64::MIN || bin(at.next_down()) < bin(at), "{at}");
        assert!(at == f64::MAX || bin(at.next_up()) > bin(at), "{at}");
    }
    // 1 is the highest quantile of all, and values below it are still told apart.
    let mostly_one = repeated(&[(0.0, 20), (1.0, 980)]);
    assert!(psi(&mostly_one, &repeated(&[(0.0, 980), (1.0, 20)])) > 3.0);
    assert!(close(distance(&mostly_one, &repeated(&[(0.0, 980), (1.0, 20)])), 0.96));
}

#[test]
fn categories_have_a_bin_each_and_so_have_others_and_none() {
    let columns = |category: Option<usize>| match category {
        Some(category) => (0..3).map(|column| f64::from(u8::from(column == category))).collect(),
        None => vec![f64::NAN; 3],
    };
    let rows = |parts: &[(Option<usize>, usize)]| -> Vec<f64> {
        parts.iter().flat_map(|(category, times)| (0..*times).flat_map(|_| columns(*category))).collect()
    };
    let reference = Reference::of_categories(&rows(&[(Some(0), 50), (Some(2), 50)]), 3);
    let bin = |category| reference.bin(&columns(category));
    assert_eq!([bin(Some(0)), bin(Some(1)), bin(Some(2)), bin(Some(7)), bin(None)], [0, 1, 2, 3, 4]);
    assert!(close(reference.psi(&[25, 0, 75, 0, 0]).unwrap(), 0.25 * 3.0_f64.ln()));
    assert!(reference.psi(&[40, 0, 40, 20, 0]).unwrap() > 0.25, "a category that nobody knew");
    assert_eq!(reference.distance(&[25, 0, 75, 0, 0]), None);
}

/// `scipy.stats.ks_2samp(earlier, later).statistic` (1.17) of these values.
#[test]
fn the_distance_is_that_of_other_programs_but_for_the_bins() {
    let uniform = |count: u64| (0..count).map(move |place| ((place * 7919 % count) as f64 + 0.5) / count as f64);
    let exponential = |count: u64| uniform(count).map(|share| -(1.0 - share).ln());
    let table: [(Vec<f64>, Vec<f64>, f64); 4] = [
        (uniform(4000).collect(), uniform(1500).map(|value| value.powf(1.5)).collect(), 0.148_583_333_333_333_33),
        (uniform(4000).collect(), uniform(1500).map(|value| (value + 0.2).min(1.0)).collect(), 0.200_416_666_666_666_66),
        (exponential(4000).collect(), exponential(1500).map(|value| 1.5 * value).collect(), 0.148_583_333_333_333_35),
        (
            (0..1000_u32).map(|place| f64::from(place * place % 10)).collect(),
            (0..777_u32).map(|place| f64::from(place * place * place % 10)).collect(),
            0.100_900_900_900_900_9,
        ),
    ];
    for (earlier, later, exact) in table {
        let found = distance(&earlier, &later);
        assert!(found <= exact + 1e-12 && found >= exact - 0.025, "{found} for {exact}");
    }
    // Where every value has a bin of its own there is no error.
    let binary = distance(&repeated(&[(0.0, 950), (1.0, 50)]), &repeated(&[(0.0, 600), (1.0, 400)]));
    assert!(close(binary, 0.35));
}

#[test]
fn a_reference_survives_being_stored_and_nonsense_is_refused() {
    for reference in [Reference::of_values(&[0.0, 0.0, 0.1, 3.0, f64::NAN]), Reference::of_categories(&[1.0, 0.0, f64::NAN, f64::NAN], 2)] {
        let text = serde_json::to_string(&reference).unwrap();
        assert_eq!(serde_json::from_str::<Reference>(&text).unwrap(), reference, "{text}");
    }
    assert_eq!(serde_json::to_string(&Reference::of_categories(&[1.0, 0.0], 2)).unwrap(), r#"{"categories":2,"counts":[1,0,0,0]}"#);
    for text in [
        r#"{"edges":[1.0],"counts":[1,2]}"#,
        r#"{"edges":[2.0,1.0],"counts":[1,2,3,4]}"#,
        r#"{"edges":[null],"counts":[1,2,3]}"#,
        r#"{"edges":[1.0],"counts":[1,18446744073709551615,3]}"#,
        r#"{"categories":65,"counts":[1]}"#,
        r#"{"counts":[1]}"#,
    ] {
        assert!(serde_json::from_str::<Reference>(text).is_err(), "{text}");
    }
    let long = format!(r#"{{"edges":{:?},"counts":{:?}}}"#, (0..300).collect::<Vec<_>>(), vec![1; 302]);
    assert!(serde_json::from_str::<Reference>(&long).is_err());
}

/// The index of the shares in any bins, as it is defined.
fn naive_psi(expected: &[u64], actual: &[u64]) -> f64 {
    let share = |counts: &[u64], bin: usize| {
        let all: u64 = counts.iter().sum();
        if counts[bin] == 0 { 0.5 / all as f64 } else { counts[bin] as f64 / all as f64 }
    };
    let bins = (0..expected.len()).filter(|bin| expected[*bin] + actual[*bin] > 0);
    bins.map(|bin| (share(expected, bin), share(actual, bin))).map(|(e, a)| (a - e) * (a / e).ln()).sum()
}

/// The distance of the values themselves.
fn naive_distance(earlier: &[f64], later: &[f64]) -> f64 {
    let up_to = |values: &[f64], point: f64| values.iter().filter(|value| **value <= point).count() as f64 / values.len() as f64;
    earlier.iter().chain(later).map(|point| (up_to(earlier, *point) - up_to(later, *point)).abs()).fold(0.0, f64::max)
}

/// Numbers of which some come again and some do not.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![4 => -1e3..1e3_f64, 2 => (-3..3_i32).prop_map(f64::from), 1 => Just(0.0)];
    prop::collection::vec(value, 1..400)
}

proptest! {
    #[test]
    fn bins_hold_what_lies_between_their_edges(earlier in values(), missing in 0..5_u64) {
        let mut with_missing = earlier.clone();
        with_missing.extend(vec![f64::NAN; missing as usize]);
        let reference = Reference::of_values(&with_missing);
        prop_assert_eq!(&reference.counts, &counts(&reference, &with_missing));
        let Bins::Edges(edges) = &reference.bins else { unreachable!() };
        prop_assert!(edges.len() < BINS && edges.windows(2).all(|pair| pair[0] < pair[1]), "{edges:?}");
        for value in &earlier {
            let naive = edges.iter().position(|edge| value <= edge).unwrap_or(edges.len());
            prop_assert_eq!(usize::from(reference.bin(&[*value])), naive);
        }
        prop_assert!(reference.merged.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1));
    }

    #[test]
    fn the_index_is_its_definition(earlier in values(), later in values()) {
        let reference = Reference::of_values(&earlier);
        let later = counts(&reference, &later);
        let bins = usize::from(*reference.merged.last().unwrap()) + 1;
        let merge = |counts: &[u64]| {
            (0..bins).map(|bin| (0..counts.len()).filter(|of| usize::from(reference.merged[*of]) == bin).map(|of| counts[of]).sum()).collect()
        };
        let (expected, actual): (Vec<u64>, Vec<u64>) = (merge(&reference.counts), merge(&later));
        let found = reference.psi(&later).unwrap();
        prop_assert!((found - naive_psi(&expected, &actual)).abs() < 1e-9);
        prop_assert!(found >= -1e-9);
    }

    #[test]
    fn the_same_values_are_no_drift(earlier in values(), times in 1..4_usize) {
        let reference = Reference::of_values(&earlier);
        let again: Vec<u64> = reference.counts.iter().map(|count| count * times as u64).collect();
        prop_assert!(reference.psi(&again).unwrap().abs() < 1e-9);
        prop_assert!(reference.distance(&again).unwrap() < 1e-12);
    }

    #[test]
    fn the_distance_is_that_of_the_values_but_for_one_bin(earlier in values(), later in values()) {
        let reference = Reference::of_values(&earlier);
        let Bins::Edges(edges) = &reference.bins else { unreachable!() };
        let counted = counts(&reference, &later);
        let (found, exact) = (reference.distance(&counted).unwrap(), naive_distance(&earlier, &later));
        let several = (0..=edges.len()).filter(|bin| !(1..edges.len()).contains(bin) || edges[bin - 1] != edges[*bin].next_down());
        let share = |bin: usize, counts: &[u64], all: usize| counts[bin] as f64 / all as f64;
        let error = several.map(|bin| share(bin, &reference.counts, earlier.len()).min(share(bin, &counted, later.len()))).fold(0.0, f64::max);
        prop_assert!(found <= exact + 1e-12 && exact <= found + error + 1e-12, "{found} for {exact}");
        prop_assert!(error < 2.0 / BINS as f64 + 1e-12, "{error}");
    }
}
