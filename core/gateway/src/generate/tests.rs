//! What the generators promise, for both schemas.

use super::*;

const KINDS: [Kind; 2] = [Kind::Bank, Kind::ThreeFields];

fn settings(kind: Kind, rows: u64) -> Settings {
    Settings { kind, rows, seed: 42, fraud_share: 0.05 }
}

fn collect(settings: &Settings) -> Vec<Vec<Cell>> {
    rows(settings).collect()
}

fn position(kind: Kind, name: &str) -> usize {
    columns(kind).iter().position(|column| column.name == name).unwrap()
}

fn text(cell: &Cell) -> &str {
    match cell {
        Cell::Text(text) => text,
        other => panic!("{other:?} is no text"),
    }
}

fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Number(number) => *number,
        Cell::Integer(integer) => *integer as f64,
        Cell::Text(text) => panic!("{text:?} is no number"),
    }
}

fn texts<'rows>(kind: Kind, name: &str, rows: &'rows [Vec<Cell>]) -> Vec<&'rows str> {
    let position = position(kind, name);
    rows.iter().map(|row| text(&row[position])).collect()
}

fn numbers(kind: Kind, name: &str, rows: &[Vec<Cell>]) -> Vec<f64> {
    let position = position(kind, name);
    rows.iter().map(|row| number(&row[position])).collect()
}

fn ordinary(rows: Vec<Vec<Cell>>) -> Vec<Vec<Cell>> {
    rows.into_iter().filter(|row| row.last() == Some(&Cell::Text(String::new()))).collect()
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(share * (sorted.len() - 1) as f64) as usize]
}

/// FNV-1a (RFC 9923) of the rows as text.
fn digest(rows: impl Iterator<Item = Vec<Cell>>) -> u64 {
    let bytes = rows.flat_map(|row| format!("{row:?}\n").into_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[test]
fn the_same_settings_give_the_same_rows() {
    for kind in KINDS {
        let settings = settings(kind, 2_000);
        assert_eq!(collect(&settings), collect(&settings));
        assert_ne!(collect(&settings), collect(&Settings { seed: 43, ..settings }));
    }
}

#[test]
fn the_rows_are_these_on_every_machine() {
    // Whoever changes the generator changes what a seed stands for: say so in the change log, then write the new digest here.
    assert_eq!(digest(rows(&settings(Kind::Bank, 5_000))), 0xfa6f_8a56_56f6_3cd8);
    assert_eq!(digest(rows(&settings(Kind::ThreeFields, 5_000))), 0xf099_e96a_eec8_0ec6);
}

#[test]
fn cells_match_their_columns() {
    for kind in KINDS {
        for row in rows(&settings(kind, 3_000)) {
            let kinds: Vec<ColumnKind> = row.iter().map(kind_of).collect();
            assert_eq!(kinds, columns(kind).iter().map(|column| column.kind).collect::<Vec<_>>());
        }
    }
}

fn kind_of(cell: &Cell) -> ColumnKind {
    match cell {
        Cell::Text(_) => ColumnKind::Text,
        Cell::Number(_) => ColumnKind::Number,
        Cell::Integer(_) => ColumnKind::Integer,
    }
}

#[test]
fn exactly_so_many_rows_come() {
    for kind in KINDS {
        for count in [0, 1, 7, 1_234] {
            assert_eq!(rows(&settings(kind, count)).count() as u64, count);
        }
    }
}

#[test]
fn bank_rows_are_in_the_order_of_time_and_numbered() {
    let rows = collect(&settings(Kind::Bank, 20_000));
    let dates = texts(Kind::Bank, "TransactionDate", &rows);
    assert!(dates.is_sorted());
    assert!(dates[0] >= "2023-01-02 00:00:00" && dates[19_999] < "2024-02-01 00:00:00", "{} to {}", dates[0], dates[19_999]);
    assert_eq!(texts(Kind::Bank, "TransactionID", &rows)[..2], ["TX000001", "TX000002"]);
}

#[test]
fn the_previous_date_is_the_accounts_own() {
    let rows = collect(&settings(Kind::Bank, 5_000));
    let (accounts, dates) = (texts(Kind::Bank, "AccountID", &rows), texts(Kind::Bank, "TransactionDate", &rows));
    let mut last = std::collections::HashMap::new();
    for (index, previous) in texts(Kind::Bank, "PreviousTransactionDate", &rows).into_iter().enumerate() {
        assert_eq!(previous, last.insert(accounts[index], dates[index]).unwrap_or_default(), "row {index}");
    }
}

#[test]
fn amounts_are_positive_cents() {
    for (kind, names) in
        [(Kind::Bank, ["TransactionAmount", "AccountBalance"]), (Kind::ThreeFields, ["Transaction_Amount", "Average_Transaction_Amount"])]
    {
        let rows = collect(&Settings { fraud_share: 0.5, ..settings(kind, 10_000) });
        for name in names {
            for amount in numbers(kind, name, &rows) {
                assert!(amount > 0.0 && amount == arithmetic::to_cents(amount), "{name} {amount}");
            }
        }
    }
}

#[test]
fn the_fraud_share_is_met() {
    for kind in KINDS {
        for share in [0.005, 0.02, 0.2, 0.5] {
            let rows = collect(&Settings { fraud_share: share, ..settings(kind, 20_000) });
            let found = numbers(kind, "label", &rows).iter().sum::<f64>() / 20_000.0;
            // Four standard deviations of a binomial share, and half as much again because some incidents make several rows.
            let tolerance = 6.0 * (share * (1.0 - share) / 20_000.0).sqrt();
            assert!((found - share).abs() < tolerance, "{kind:?}: {found} instead of {share}");
        }
        for share in [0.0, -1.0, f64::NAN] {
            let rows = collect(&Settings { fraud_share: share, ..settings(kind, 1_000) });
            assert!(numbers(kind, "label", &rows).iter().all(|label| *label == 0.0));
        }
    }
}

#[test]
fn every_kind_occurs_and_agrees_with_the_label() {
    let expected = [(Kind::Bank, fraud::names()), (Kind::ThreeFields, three_fields::KINDS.map(|(name, _)| name).to_vec())];
    for (kind, mut expected) in expected {
        let rows = collect(&Settings { fraud_share: 0.02, ..settings(kind, 20_000) });
        let (kinds, labels) = (texts(kind, "kind", &rows), numbers(kind, "label", &rows));
        assert!(kinds.iter().zip(&labels).all(|(kind, label)| kind.is_empty() == (*label == 0.0)));
        let found: std::collections::BTreeSet<&str> = kinds.into_iter().filter(|kind| !kind.is_empty()).collect();
        expected.sort_unstable();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_documented_row_lies_in_the_bulk() {
    let rows = ordinary(collect(&settings(Kind::ThreeFields, 20_000)));
    for (name, value) in [("Transaction_Amount", 150.75), ("Average_Transaction_Amount", 120.00), ("Frequency_of_Transactions", 3.0)] {
        let values = numbers(Kind::ThreeFields, name, &rows);
        let (low, high) = (quantile(&values, 0.05), quantile(&values, 0.95));
        assert!(low < value && value < high, "{name}: {value} is not within {low} to {high}");
    }
}

/// The area under the ROC curve: how often a fraudulent row scores higher than an ordinary one.
fn area_under_curve(scores: &[f64], labels: &[f64]) -> f64 {
    let mut ranked: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().map(|label| *label == 1.0)).collect();
    ranked.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (mut ordinary, mut pairs) = (0.0, 0.0);
    for (_, fraud) in &ranked {
        if *fraud { pairs += ordinary } else { ordinary += 1.0 }
    }
    pairs / (ordinary * (ranked.len() as f64 - ordinary))
}

/// How many standard deviations each value's logarithm is from the mean.
fn surprise(values: &[f64]) -> Vec<f64> {
    let logarithms: Vec<f64> = values.iter().map(|value| arithmetic::logarithm(*value)).collect();
    let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
    let deviation = (logarithms.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / logarithms.len() as f64).sqrt();
    logarithms.iter().map(|value| ((value - mean) / deviation).abs()).collect()
}

#[test]
fn fraud_can_be_found_but_not_all_of_it() {
    for (kind, names) in [
        (Kind::Bank, &["TransactionAmount", "TransactionDuration", "LoginAttempts", "AccountBalance"][..]),
        (Kind::ThreeFields, &["Transaction_Amount", "Average_Transaction_Amount"][..]),
    ] {
        let rows = collect(&Settings { fraud_share: 0.02, ..settings(kind, 20_000) });
        let surprises: Vec<Vec<f64>> = names.iter().map(|name| surprise(&numbers(kind, name, &rows))).collect();
        let scores: Vec<f64> = (0..rows.len()).map(|row| surprises.iter().map(|surprise| surprise[row]).sum()).collect();
        let area = area_under_curve(&scores, &numbers(kind, "label", &rows));
        assert!((0.75..0.95).contains(&area), "{kind:?}: {area}");
    }
}

#[test]
fn accounts_keep_their_habits() {
    let rows = ordinary(collect(&settings(Kind::Bank, 10_000)));
    for (name, most_usual) in [("CustomerOccupation", 1.0), ("Location", 0.9), ("Channel", 0.7)] {
        let mut counts = std::collections::HashMap::<&str, std::collections::HashMap<&str, usize>>::new();
        for (account, value) in texts(Kind::Bank, "AccountID", &rows).into_iter().zip(texts(Kind::Bank, name, &rows)) {
            *counts.entry(account).or_default().entry(value).or_default() += 1;
        }
        let usual: usize = counts.values().filter_map(|values| values.values().max()).sum();
        assert!(usual as f64 >= most_usual * rows.len() as f64, "{name}: {usual} of {} rows", rows.len());
    }
}

#[test]
fn the_number_of_accounts_is_bounded() {
    let accounts = |asked: u64, taken: usize| {
        let rows: Vec<_> = rows(&settings(Kind::Bank, asked)).take(taken).collect();
        texts(Kind::Bank, "AccountID", &rows).into_iter().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(accounts(1_000, 1_000).len(), 50);
    assert_eq!(accounts(4_000, 4_000).len(), 200);
    let last = accounts(u64::MAX, 20_000).pop_last().unwrap();
    assert!(("AC99000".."AC99999").contains(&last.as_str()) && last.len() == 7, "{last}");
}
