//! The past as if it were happening: what a backtest says, against what this file computes from the rows that it judged, and against the
//! commands that it stands for.

// A test ends at the first thing that is not as it should be.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::BTreeMap;
use synod_tests::Installation;
use synod_tests::table::{self, Plain, PlainRow};

const DETECTORS: [&str; 3] = ["isolation_forest", "local_outlier_factor", "autoencoder"];

/// The bank's example with a feature of the past, and a year of generated rows.
fn bank(rows: u32) -> Installation {
    let at = Installation::example("bank");
    at.edit("  night: {calendar", "  recent: {history: sum, of: TransactionAmount, over: 30d}\n  night: {calendar");
    at.edit("login_attempts, night]", "login_attempts, night, recent]");
    at.run(&format!("generate --kind bank --rows {rows} --seed 5 --output rows.csv")).ok();
    at
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn number(row: &PlainRow, column: &str) -> f64 {
    match &row[column] {
        Plain::Number(bits) => f64::from_bits(*bits),
        other => panic!("{column} is {other:?}"),
    }
}

fn truth(row: &PlainRow, column: &str) -> bool {
    row[column] == Plain::text("true")
}

fn text(row: &PlainRow, column: &str) -> String {
    match &row[column] {
        Plain::Text(text) => text.clone(),
        Plain::Missing => String::new(),
        Plain::Number(bits) => f64::from_bits(*bits).to_string(),
    }
}

#[track_caller]
fn close(found: &Value, expected: f64, what: &str) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what}: {found}"));
    assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{what}: {found}, not {expected}");
}

/// What the mistakes of decisions about rows cost.
fn cost(rows: &[&PlainRow], flagged: &[bool], alarm: f64) -> f64 {
    let of_row = |(row, flagged): (&&PlainRow, &bool)| match (truth(row, "label"), flagged) {
        (true, false) => number(row, "cost_if_missed"),
        (false, true) => alarm,
        _ => 0.0,
    };
    rows.iter().zip(flagged).map(of_row).sum()
}

/// Checks the figures of one detector, or of the policy, against the rows; one pair of rows, and one threshold, at a time.
fn check_figures(found: &Value, rows: &[&PlainRow], (flag, rank): (&str, &str), days: f64, alarm: f64) {
    let flagged: Vec<bool> = rows.iter().map(|row| truth(row, flag)).collect();
    let ranks: Vec<f64> = rows.iter().map(|row| number(row, rank)).collect();
    let labels: Vec<bool> = rows.iter().map(|row| truth(row, "label")).collect();
    let count = |wanted: &dyn Fn(usize) -> bool| (0..rows.len()).filter(|index| wanted(*index)).count() as f64;
    let (all, anomalies) = (count(&|index| flagged[index]), count(&|index| labels[index]));
    let hits = count(&|index| flagged[index] && labels[index]);
    let (precision, recall) = (if all > 0.0 { hits / all } else { 0.0 }, hits / anomalies);
    close(&found["flagged"], all, "flagged");
    close(&found["alarms_a_day"], all / days, "alarms a day");
    close(&found["precision"], precision, "precision");
    close(&found["recall"], recall, "recall");
    close(&found["f1"], if hits > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }, "F1");
    close(&found["cost"], cost(rows, &flagged, alarm), "cost");

    let (mut pairs, mut precision_sum, mut highest) = (0.0, 0.0, 0.0);
    for (index, rank) in ranks.iter().enumerate() {
        let above = count(&|other| ranks[other] > *rank);
        let tied = count(&|other| ranks[other] == *rank);
        if labels[index] {
            let below = count(&|other| !labels[other] && ranks[other] < *rank);
            pairs += below + count(&|other| !labels[other] && ranks[other] == *rank) / 2.0;
            precision_sum += count(&|other| labels[other] && ranks[other] >= *rank) / (above + tied);
            // The share of this row that is among the hundred highest.
            highest += ((100.0 - above) / tied).clamp(0.0, 1.0);
        }
    }
    close(&found["aucroc"], pairs / anomalies / (rows.len() as f64 - anomalies), "AUCROC");
    close(&found["aucpr"], precision_sum / anomalies, "AUC-PR");
    close(&found["precision_at_100"], highest / rows.len().min(100) as f64, "precision at 100");
}

/// Checks a period, or all of them together, against its rows.
fn check_part(part: &Value, rows: &[&PlainRow], rank: &str, alarm: f64) {
    assert_eq!(part["rows"], rows.len());
    assert_eq!(part["anomalies"], rows.iter().filter(|row| truth(row, "label")).count());
    let days = part["days"].as_f64().unwrap();
    check_figures(&part["policy"], rows, ("anomalous", "score"), days, alarm);
    for detector in DETECTORS {
        let (flag, rank) = (format!("{detector}.anomalous"), format!("{detector}.{rank}"));
        check_figures(&part["detectors"][detector], rows, (&flag, &rank), days, alarm);
    }
    for outcome in ["approve", "review", "block"] {
        assert_eq!(part["outcomes"][outcome], rows.iter().filter(|row| text(row, "outcome") == outcome).count(), "{outcome}");
    }
    let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for row in rows {
        let group = groups.entry(text(row, "group")).or_default();
        *group = (group.0 + 1, group.1 + usize::from(truth(row, "anomalous")));
    }
    let found = table::object(&part["by"]);
    assert_eq!(found.keys().collect::<Vec<_>>(), groups.keys().collect::<Vec<_>>());
    for (name, (rows, flagged)) in &groups {
        assert_eq!((&found[name]["rows"], &found[name]["flagged"]), (&(*rows).into(), &(*flagged).into()), "{name}");
        close(&found[name]["flag_rate"], *flagged as f64 / *rows as f64, name);
    }
}

/// Checks the thresholds one by one: what each flags, what that costs, and that none of all possible ones within the range is cheaper than
/// the two beside it would allow.
fn check_thresholds(thresholds: &Value, sweep: &[PlainRow], rows: &[&PlainRow], days: f64, alarm: f64) {
    let points = thresholds["points"].as_array().unwrap();
    assert!(points.len() > 40 && points.len() == sweep.len(), "{} thresholds", points.len());
    let mut cheapest = thresholds["configured"]["cost"].as_f64().unwrap();
    for (point, line) in points.iter().zip(sweep) {
        for key in ["threshold", "flagged", "alarms_a_day", "precision", "recall", "cost", "flag_rate"] {
            assert_eq!(Plain::number(point[key].as_f64().unwrap()), line[key], "{key} in the report and in sweep.csv");
        }
        let threshold = number(line, "threshold");
        let flagged: Vec<bool> = rows.iter().map(|row| number(row, "score") >= threshold).collect();
        let count = flagged.iter().filter(|flagged| **flagged).count() as f64;
        let hits = rows.iter().zip(&flagged).filter(|(row, flagged)| **flagged && truth(row, "label")).count() as f64;
        let anomalies = rows.iter().filter(|row| truth(row, "label")).count() as f64;
        close(&point["flagged"], count, "flagged");
        close(&point["alarms_a_day"], count / days, "alarms a day");
        close(&point["precision"], hits / count, "precision");
        close(&point["recall"], hits / anomalies, "recall");
        let cost = cost(rows, &flagged, alarm);
        close(&point["cost"], cost, "cost");
        cheapest = cheapest.min(cost);
    }
    close(&thresholds["cheapest"]["cost"], cheapest, "the least cost");
    close(&thresholds["cost_without_alarms"], cost(rows, &vec![false; rows.len()], alarm), "cost without alarms");
    let share = |point: &Value| point["flag_rate"].as_f64().unwrap();
    assert!(share(&points[0]) < 0.005 && (0.19..0.25).contains(&share(points.last().unwrap())), "{points:#?}");
}

#[test]
fn the_report_is_what_the_rows_say() {
    let at = bank(4000);
    let words = "backtest --data rows.csv --label label --train 90d --delay 14d --every 80d --by kind --output out --format json";
    for (costs, alarm) in [("--cost-missed 60 --cost-alarm 2.5", 2.5), ("--amount TransactionAmount", 5.0)] {
        let report = json(&at.run(&format!("{words} {costs}")).ok().output);
        assert_eq!(report, json(&at.read("out/report.json")));
        let rows = table::read(&at.path("out/rows.csv"));
        let rows: Vec<&PlainRow> = rows.iter().collect();
        let periods = report["periods"].as_array().unwrap();
        assert_eq!(periods.len(), 4);
        let mut days = 0.0;
        for (index, period) in periods.iter().enumerate() {
            let own: Vec<&PlainRow> = rows.iter().copied().filter(|row| number(row, "period") == index as f64 + 1.0).collect();
            assert!(own.len() > 100, "{period}");
            check_part(period, &own, "raw_score", alarm);
            days += period["days"].as_f64().unwrap();
        }
        // Raw scores of several models have several scales.
        check_part(&report["overall"], &rows, "score", alarm);
        close(&report["overall"]["days"], days, "days");
        check_thresholds(&report["thresholds"], &table::read(&at.path("out/sweep.csv")), &rows, days, alarm);

        let threshold = report["thresholds"]["cheapest"]["threshold"].as_f64().unwrap();
        assert_eq!(
            report["thresholds"]["write"],
            format!("consensus.threshold: {threshold}"),
            "the contamination of 2 % is not the cheapest"
        );
        let missed = rows.iter().filter(|row| truth(row, "label")).map(|row| number(row, "cost_if_missed"));
        assert_eq!(missed.clone().all(|missed| missed == 60.0), costs.contains("missed"), "{:?}", missed.collect::<Vec<_>>());
    }
}

#[test]
fn what_it_advises_does_what_it_says() {
    let at = bank(3000);
    let backtest = "backtest --data rows.csv --label label --train 90d --format json";
    let before = json(&at.run(backtest).ok().output)["thresholds"].take();
    let line = before["write"].as_str().unwrap().strip_prefix("consensus.").unwrap();
    at.edit("contamination: 0.02", line);
    let after = json(&at.run(backtest).ok().output);
    assert_eq!(after["thresholds"]["configured"], before["cheapest"]);
    assert_eq!(after["thresholds"]["cheapest"], before["cheapest"]);
    assert_eq!(after["thresholds"]["write"], Value::Null);
    close(&after["overall"]["policy"]["cost"], before["cheapest"]["cost"].as_f64().unwrap(), "cost");

    at.edit("rule: weighted_mean", "rule: majority");
    at.edit(&format!("  {line}\n"), "");
    let ran = at.run(&backtest.replace("json", "table")).ok().output;
    assert!(ran.contains("The rule counts votes") && ran.contains("votes"), "{ran}");
}

/// The moments that part one period: what is learnt from, and what is judged.
const LEARN: (&str, &str) = ("2023-02-01", "2023-05-02");
const JUDGE: (&str, &str) = ("2023-05-12", "2023-08-10");

#[test]
fn it_agrees_with_a_fit_and_an_evaluation_of_the_same_rows() {
    let at = bank(4000);
    let backtest = "backtest --data rows.csv --label label --train 90d --delay 10d --every 90d --from 2023-02-01 --until 2023-08-10";
    let backtest = json(&at.run(&format!("{backtest} --exclude kind=drain --output out --format json")).ok().output);
    assert!(!at.path("data/models/autoencoder").exists(), "a backtest publishes nothing");
    at.run(&format!("fit --data rows.csv --from {} --until {} --exclude kind=drain", LEARN.0, LEARN.1)).ok();
    at.run(&format!("score --data rows.csv --from {} --until {} --output scored.csv", JUDGE.0, JUDGE.1)).ok();
    let (tried, scored) = (table::read(&at.path("out/rows.csv")), table::read(&at.path("scored.csv")));
    assert!(tried.len() > 500 && tried.len() == scored.len(), "{} and {} rows", tried.len(), scored.len());
    for (tried, scored) in tried.iter().zip(&scored) {
        let own = ["row", "TransactionID", "outcome", "anomalous", "score"].map(str::to_owned);
        let of_detectors = DETECTORS.map(|detector| ["anomalous", "score", "raw_score"].map(|what| format!("{detector}.{what}")));
        for column in own.iter().chain(of_detectors.iter().flatten()) {
            assert_eq!(tried[column], scored[column], "{column} of {tried:?}");
        }
    }

    let evaluate = format!("evaluate --data rows.csv --label label --from {} --until {} --format json", JUDGE.0, JUDGE.1);
    let evaluated = json(&at.run(&evaluate).ok().output);
    for (part, name) in [(&backtest["periods"][0], "the period"), (&backtest["overall"], "all")] {
        assert_eq!((&part["rows"], &part["anomalies"]), (&evaluated["rows"], &evaluated["anomalies"]), "{name}");
        for key in ["aucroc", "aucpr", "precision_at_100", "precision", "recall", "f1", "flag_rate"] {
            assert_eq!(part["policy"][key], evaluated["consensus"][key], "{name}: {key}");
            for detector in DETECTORS {
                assert_eq!(part["detectors"][detector][key], evaluated["detectors"][detector][key], "{name}: {key} of {detector}");
            }
        }
    }
}

/// Changes the rows of the generated file that happened at this moment or later.
fn with_another_future(rows: &str, from: &str, change: impl Fn(&mut Vec<String>)) -> String {
    let mut lines = rows.lines();
    let header = lines.next().unwrap();
    let time = header.split(',').position(|name| name == "TransactionDate").unwrap();
    let mut changed = format!("{header}\n");
    for line in lines {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        if cells[time].as_str() >= from {
            change(&mut cells);
        }
        changed += &(cells.join(",") + "\n");
    }
    changed
}

/// Every score of each row of one period.
fn scores(at: &Installation, period: u32) -> Vec<(Plain, Vec<Plain>)> {
    let rows = table::read(&at.path("out/rows.csv"));
    let own = rows.iter().filter(|row| row["period"] == Plain::number(f64::from(period)));
    let columns = ["score", "isolation_forest.raw_score", "local_outlier_factor.raw_score", "autoencoder.raw_score"];
    own.map(|row| (row["row"].clone(), columns.map(|column| row[column].clone()).into())).collect()
}

#[test]
fn nothing_looks_ahead() {
    let at = bank(4000);
    let words =
        "backtest --data rows.csv --label label --train 80d --delay 10d --every 90d --from 2023-01-10 --exclude label=1 --output out";
    at.run(words).ok();
    let before = [scores(&at, 1), scores(&at, 2)];
    assert!(before.iter().all(|rows| rows.len() > 300));
    let rows = at.read("rows.csv");
    let column = |name: &str| rows.lines().next().unwrap().split(',').position(|column| column == name).unwrap();
    let (amount, label) = (column("TransactionAmount"), column("label"));
    assert!(!rows.contains('"'), "no cell has a comma in it");

    // The first period judges from 2023-04-10 to 2023-07-09, by what was learnt until 2023-03-31.
    let flip = |cells: &mut Vec<String>| cells[label] = if cells[label] == "1" { "0" } else { "1" }.to_owned();
    let inflate = |cells: &mut Vec<String>| cells[amount] = "31337.5".to_owned();
    at.write("rows.csv", with_another_future(&rows, "2023-07-09", |cells| (flip(cells), inflate(cells)).0));
    at.run(words).ok();
    assert!(scores(&at, 1) == before[0], "what comes after a period does not change its scores");
    assert!(scores(&at, 2) != before[1], "and it does change later ones");

    at.write("rows.csv", with_another_future(&rows, "2023-03-31", flip));
    at.run(words).ok();
    assert!(scores(&at, 1) == before[0], "labels that were not known when the model was fitted do not matter");
    assert!(scores(&at, 2) != before[1], "those that were known do, by --exclude");

    at.write("rows.csv", with_another_future(&rows, "2023-01-01", flip));
    at.run(&words.replace("--exclude label=1", "")).ok();
    let flipped = [scores(&at, 1), scores(&at, 2)];
    at.write("rows.csv", &rows);
    at.run(&words.replace("--exclude label=1", "")).ok();
    assert!(flipped == [scores(&at, 1), scores(&at, 2)], "without --exclude no label is learnt from");

    // Rows that come later in one period do not change those before them.
    at.write("rows.csv", with_another_future(&rows, "2023-06-01", inflate));
    at.run(words).ok();
    let early = |rows: &[(Plain, Vec<Plain>)]| rows[..200].to_vec();
    assert!(early(&scores(&at, 1)) == early(&before[0]) && scores(&at, 1) != before[0]);
}

#[test]
fn windows_slide_or_grow_and_periods_with_too_few_rows_are_named() {
    let at = bank(3000);
    // Nobody paid anything in the spring.
    let rows = at.read("rows.csv");
    let time = rows.lines().next().unwrap().split(',').position(|name| name == "TransactionDate").unwrap();
    let kept = |line: &&str| !("2023-03-15".."2023-06-15").contains(&line.split(',').nth(time).unwrap());
    at.write("gap.csv", rows.lines().filter(kept).collect::<Vec<_>>().join("\n"));
    let words = "backtest --label label --train 60d --every 60d --from 2023-01-10";
    let ran = at.run(&format!("{words} --data gap.csv --format json --output out")).ok();
    let report = json(&ran.output);
    let skipped: Vec<bool> = report["periods"].as_array().unwrap().iter().map(|period| period["skipped"].is_string()).collect();
    // The second period learns from 2023-03-11 to 2023-05-10, of which only four days have rows; the third has a month.
    assert_eq!(skipped, [false, true, false, false, false], "{report:#}");
    assert!(ran.errors.contains("period 2 of 5 is skipped") && ran.errors.contains("too few"), "{}", ran.errors);
    let judged: u64 = report["periods"].as_array().unwrap().iter().filter_map(|period| period["rows"].as_u64()).sum();
    assert_eq!(report["overall"]["rows"], judged);
    assert!(at.read("out/backtest.svg").contains(">skipped<"));
    let table = at.run(&format!("{words} --data gap.csv")).ok().output;
    assert!(table.contains("Period 2, 2023-05-10, is skipped"), "{table}");

    let learnt = |window: &str| {
        let ran = at.run(&format!("{words} --data rows.csv --window {window} --format json")).ok();
        let report = json(&ran.output);
        let rows = |period: &Value| period["training"]["rows"].as_u64().unwrap();
        report["periods"].as_array().unwrap().iter().map(rows).collect::<Vec<_>>()
    };
    let (sliding, growing) = (learnt("sliding"), learnt("growing"));
    let sums: Vec<u64> = sliding.iter().scan(0, |sum, rows| Some(std::mem::replace(sum, *sum + rows) + rows)).collect();
    assert_eq!(growing, sums, "windows of 60 days that follow each other every 60 days are the growing one's parts");
}

/// The names of the tags of an XML text, checked to be balanced, with attributes that are quoted and texts that are escaped.
fn tags(xml: &str) -> Vec<String> {
    let (mut open, mut seen): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>') && (text.trim().is_empty() || !open.is_empty()), "stray text: {text}");
        for entity in text.split('&').skip(1) {
            assert!(["amp;", "lt;", "gt;", "quot;"].iter().any(|known| entity.starts_with(known)), "a bare & in {text}");
        }
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.trim_start_matches('/').split([' ', '/', '\n']).next().unwrap().to_owned();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop().as_ref(), Some(&name), "closes what is open"),
            (false, closed) => {
                seen.push(name.clone());
                if !closed {
                    open.push(name);
                }
            }
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} stay open, {rest} is left");
    seen
}

#[test]
fn the_picture_is_whole_and_names_what_it_shows() {
    let at = bank(3000);
    at.write("ro&ws.csv", at.read("rows.csv"));
    at.run("backtest --data ro&ws.csv --label label --train 90d --every 90d --from 2023-01-10 --output pictures/first").ok();
    let picture = at.read("pictures/first/backtest.svg");
    let tags = tags(&picture);
    assert_eq!(tags.iter().filter(|tag| *tag == "svg").count(), 1);
    assert!(!tags.iter().any(|tag| tag == "script" || tag == "image" || tag == "style"), "{tags:?}");
    let report = json(&at.read("pictures/first/report.json"));
    let points = report["thresholds"]["points"].as_array().unwrap().len();
    // Precision, recall and cost of each threshold, and of the configured and the cheapest once more.
    assert_eq!(tags.iter().filter(|tag| *tag == "circle").count(), 3 * (points + 2));
    let line = report["thresholds"]["write"].as_str().unwrap();
    for named in [
        "ro&amp;ws.csv, 2023-04-10 to 20",
        "precision",
        "recall",
        "configured 0.",
        "cheapest 0.",
        "alarms a day",
        "cost of all mistakes",
        line,
    ] {
        assert!(picture.contains(named), "the picture does not name `{named}`:\n{picture}");
    }
    for date in ["2023-04-10", "2023-07-09", "2023-10-07"] {
        assert!(picture.contains(&format!(">{date}<")), "{date}");
    }
}

/// Commands that cannot go well: the command, its exit code, and what the message must hold.
const BAD_COMMANDS: [(&str, i32, &[&str]); 11] = [
    ("--label label", 2, &["--train"]),
    ("--label label --train 0d", 2, &["--train", "above 0"]),
    ("--label label --train a_week", 2, &["--train", "7d"]),
    ("--label label --train 9999d", 2, &["leave nothing to judge"]),
    ("--label label --train 300d --delay 90d", 2, &["leave nothing to judge"]),
    ("--label label --train 30d --every 1m", 2, &["--every", "1000 are the most"]),
    ("--label label --train 30d --cost-alarm=-1", 2, &["--cost-alarm"]),
    ("--label label --train 30d --amount nothing", 2, &["no column `nothing`"]),
    ("--label label --train 30d --amount TransactionAmount --cost-missed 3", 2, &["--cost-missed"]),
    ("--label label --train 30d --amount Location", 3, &["is an anomaly", "`Location` holds no amount"]),
    ("--label label --train 1h --every 40d", 3, &["no period could be judged", "too few"]),
];

#[test]
fn what_cannot_be_tried_says_why() {
    let at = bank(500);
    let mut wrong = Vec::new();
    for (words, code, naming) in BAD_COMMANDS {
        let ran = at.run(&format!("backtest --data rows.csv {words}"));
        if ran.code != code || naming.iter().any(|text| !ran.errors.contains(text)) {
            wrong.push(format!("backtest {words}\n  exit code {}, not {code} with {naming:?}: {}", ran.code, ran.errors));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let timeless = Installation::example("three-fields");
    timeless.run("generate --kind three-fields --rows 300 --output rows.csv").ok();
    timeless.run("backtest --data rows.csv --label label --train 1d").failed(2, &["schema.time"]);
    let help = at.run("backtest --help").ok().output;
    assert!(help.contains("Examples") && help.contains("Nothing is published"), "{help}");
}
