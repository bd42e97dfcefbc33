//! Two tenants and the installation's own callers, with the same ids and keys, side by side: each gets exactly what it would have got alone,
//! and none learns that there are others.

use super::{Bench, Told, admin, fitted, run};
use crate::access::Caller;
use crate::ledger::{Admittance, Asked};
use crate::replaying::{CandidateReport, Makers, Recorded, Selection, Way, judge_by, patient, replay};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use synod_detection::View;
use synod_store::{Archive, DataDirectory, Registry, Secret};
use uuid::Uuid;

const TENANTS: [Option<&str>; 3] = [None, Some("north"), Some("south")];

/// Something that somebody does.
#[derive(Debug, Clone)]
enum Step {
    /// Scores rows: each has an event id, an account, an hour, an amount and perhaps a device.
    Score(Vec<(u8, u8, u8, u8, Option<u8>)>),
    /// Scores a row with this `Idempotency-Key` and this id.
    ScoreWithKey(u8, u8),
    /// Has one detector vote.
    Vote(u8, u8),
    /// Labels the decision that it made so many before.
    Label(usize, u8),
    /// Looks for decisions.
    Search(usize),
    /// Looks at an entity.
    Entity(u8),
}

const SEARCHES: [&str; 10] = [
    "/v1/decisions?limit=2",
    "/v1/decisions?entity=A1&limit=3",
    "/v1/decisions?outcome=block",
    "/v1/decisions?anomalous=true&limit=1",
    "/v1/decisions?detector=first&vote=yes",
    "/v1/decisions?detector=second&vote=abstained&limit=2",
    "/v1/decisions?minimum_score=0.5",
    "/v1/decisions?label=fraud",
    "/past?limit=2",
    "/past/A2",
];

fn step() -> impl Strategy<Value = Step> {
    let row = || (0..6_u8, 0..3_u8, 0..40_u8, any::<u8>(), prop::option::of(0..3_u8));
    prop_oneof![
        6 => prop::collection::vec(row(), 1..4).prop_map(Step::Score),
        2 => (0..3_u8, 10..13_u8).prop_map(|(key, event)| Step::ScoreWithKey(key, event)),
        1 => (0..3_u8, 0..40_u8).prop_map(|(account, hour)| Step::Vote(account, hour)),
        2 => (0..4_usize, 0..3_u8).prop_map(|(back, label)| Step::Label(back, label)),
        2 => (0..SEARCHES.len()).prop_map(Step::Search),
        1 => (0..4_u8).prop_map(Step::Entity),
    ]
}

fn row((event, account, hour, amount, device): (u8, u8, u8, u8, Option<u8>)) -> Value {
    let mut row = json!({"event": format!("E{event}"), "account": format!("A{account}"), "at": 1_700_000_000 + u64::from(hour) * 3600, "amount": amount});
    if let Some(device) = device {
        row["device"] = json!(format!("D{device}"));
    }
    row
}

/// What one tenant has heard: its decisions in the order in which it got to know them, by which they are called in what is compared.
#[derive(Default)]
struct Heard {
    names: HashMap<String, usize>,
    decisions: Vec<String>,
    told: Vec<Value>,
}

impl Heard {
    /// Notes an answer, without what is another each time: ids, clocks, and where in the log something stands.
    fn note(&mut self, told: &Told) {
        let comparable = self.comparable(&told.body);
        self.told.push(json!([
            told.status.as_u16(),
            told.headers.contains_key("link"),
            told.headers.get("synod-repeated").is_some(),
            comparable
        ]));
    }

    fn comparable(&mut self, value: &Value) -> Value {
        match value {
            Value::Array(list) => list.iter().map(|value| self.comparable(value)).collect(),
            // What says whose it is, is compared in a test of its own.
            Value::Object(map) => map
                .iter()
                .filter(|(key, _)| !["tenant", "request"].contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), self.comparable_field(key, value)))
                .collect(),
            Value::String(text) if Uuid::try_parse(text).is_ok() => {
                let next = self.names.len();
                let name = *self.names.entry(text.clone()).or_insert(next);
                if name == next {
                    self.decisions.push(text.clone());
                }
                json!(format!("decision {name}"))
            }
            value => value.clone(),
        }
    }

    fn comparable_field(&mut self, key: &str, value: &Value) -> Value {
        match key {
            "decided" | "duration_us" | "links" => Value::Null,
            "next" => json!(!value.is_null()),
            // When a label was given. An event's own time stands in whole seconds.
            "at" if value.as_str().is_some_and(|at| at.contains('.')) => Value::Null,
            _ => self.comparable(value),
        }
    }
}

fn act(bench: &Bench, caller: &Caller, heard: &mut Heard, step: &Step) {
    let told = match step {
        Step::Score(rows) => {
            let rows: Vec<Value> = rows.iter().copied().map(row).collect();
            bench.post(caller, "/v1/score", &if let [one] = &rows[..] { one.clone() } else { json!(rows) })
        }
        Step::ScoreWithKey(key, event) => {
            // The index is asked for keys of rows with ids: whoever reads waits for it.
            bench.get(caller, "/v1/decisions?limit=1").ok();
            let row = row((*event, 1, 7, 200, None));
            let request = Request::post("/v1/score").header("idempotency-key", format!("key {key}"));
            bench.call(caller, request.body(Body::from(row.to_string())).unwrap())
        }
        Step::Vote(account, hour) => bench.post(caller, "/v1/detectors/first/score", &row((0, *account, *hour, 100, Some(1)))),
        Step::Label(back, label) => {
            let Some(decision) = heard.decisions.iter().rev().nth(*back) else { return };
            let label = ["fraud", "legitimate", "unsure"][usize::from(*label)];
            bench.post(caller, &format!("/v1/decisions/{decision}/label"), &json!({"label": label}))
        }
        Step::Search(search) => return search_all(bench, caller, heard, SEARCHES[*search]),
        Step::Entity(account) => bench.get(caller, &format!("/v1/entities/A{account}")),
    };
    heard.note(&told);
}

/// All pages.
fn search_all(bench: &Bench, caller: &Caller, heard: &mut Heard, path: &str) {
    let mut path = path.to_owned();
    loop {
        let told = bench.get(caller, &path);
        heard.note(&told);
        let Some(link) = told.headers.get("link").map(|link| link.to_str().unwrap()) else { return };
        path = link.split_once('<').and_then(|(_, rest)| rest.split_once('>')).unwrap().0.to_owned();
    }
}

/// Everything that can be asked for at the end.
fn look_at_everything(bench: &Bench, caller: &Caller, heard: &mut Heard) {
    SEARCHES.iter().for_each(|path| search_all(bench, caller, heard, path));
    (0..4).for_each(|account| act(bench, caller, heard, &Step::Entity(account)));
    heard.note(&bench.get(caller, "/v1/quality"));
    for decision in heard.decisions.clone() {
        for path in [format!("/v1/decisions/{decision}"), format!("/v1/decisions/{decision}/explanation")] {
            heard.note(&bench.get(caller, &path));
        }
    }
}

/// What each of [`TENANTS`] hears when all of them act on one installation, which ends and begins again where `restarts` says.
fn side_by_side(steps: &[(usize, Step)], restarts: &[(usize, bool)]) -> (Bench, Vec<Heard>) {
    let mut bench = Bench::new();
    let mut heard: Vec<Heard> = TENANTS.iter().map(|_| Heard::default()).collect();
    for (place, (tenant, step)) in steps.iter().enumerate() {
        if let Some((_, with_snapshot)) = restarts.iter().find(|(at, _)| *at == place) {
            bench = bench.restarted(*with_snapshot);
        }
        act(&bench, &member(*tenant), &mut heard[*tenant], step);
    }
    (bench, heard)
}

/// A caller whose credential has this tenant. The installation's own see everybody's decisions, and so search in those without a tenant.
fn member(tenant: usize) -> Caller {
    admin("ana", TENANTS[tenant])
}

/// The whole installation's callers find everybody's decisions, and might label them.
fn without_searches_of_all(steps: Vec<(usize, Step)>) -> Vec<(usize, Step)> {
    steps.into_iter().filter(|(tenant, step)| *tenant != 0 || !matches!(step, Step::Search(_))).collect()
}

/// What one of them hears alone.
fn alone(steps: &[(usize, Step)], tenant: usize) -> (Bench, Heard) {
    let own: Vec<(usize, Step)> = steps.iter().filter(|(of, _)| *of == tenant).cloned().collect();
    let (bench, mut heard) = side_by_side(&own, &[]);
    (bench, heard.swap_remove(tenant))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn each_tenant_gets_what_it_would_have_got_alone(
        steps in prop::collection::vec((0..3_usize, step()), 10..60),
        restarts in prop::collection::vec((5..60_usize, any::<bool>()), 0..3),
    ) {
        let steps = without_searches_of_all(steps);
        let (bench, mut together) = side_by_side(&steps, &restarts);
        for tenant in [1, 2] {
            let (lonely, mut expected) = alone(&steps, tenant);
            look_at_everything(&lonely, &member(tenant), &mut expected);
            look_at_everything(&bench, &member(tenant), &mut together[tenant]);
            for (place, (heard, expected)) in together[tenant].told.iter().zip(&expected.told).enumerate() {
                prop_assert_eq!(heard, expected, "answer {} to {:?} after {:?}", place, TENANTS[tenant], restarts);
            }
            prop_assert_eq!(together[tenant].told.len(), expected.told.len());
            for foreign in &together[3 - tenant].decisions {
                bench.get(&member(tenant), &format!("/v1/decisions/{foreign}")).problem(404, "no_such_decision");
            }
        }
    }

    #[test]
    fn a_tenant_is_like_an_installation_of_its_own(steps in prop::collection::vec(step(), 5..30)) {
        let heard = [0, 1].map(|tenant| {
            let steps: Vec<_> = steps.iter().map(|step| (tenant, step.clone())).collect();
            let (bench, mut heard) = alone(&steps, tenant);
            look_at_everything(&bench, &member(tenant), &mut heard);
            heard.told
        });
        prop_assert_eq!(&heard[0], &heard[1]);
    }

    #[test]
    fn who_has_no_tenant_is_judged_as_if_there_were_none(steps in prop::collection::vec((0..3_usize, step()), 10..40), restart in any::<bool>()) {
        let steps = without_searches_of_all(steps);
        let (_, together) = side_by_side(&steps, &[(steps.len() / 2, restart)]);
        let (_, expected) = alone(&steps, 0);
        prop_assert_eq!(&together[0].told, &expected.told);
    }
}

/// Some of everything, for all three, in an order that is always the same.
fn some_steps() -> Vec<(usize, Step)> {
    let number = |step: usize, of: usize| (step * 7919 + step * step * 31) % of;
    let one = |step: usize| {
        let rows = (0..4).map(|place| {
            let at = step * 4 + place;
            // As the rows that were learnt from: what is much stranger has the highest score, whatever its past is.
            (at as u8, (at % 7) as u8, at as u8, (number(at, 100) + 20) as u8, (!at.is_multiple_of(4)).then_some((at * at % 11) as u8))
        });
        Step::Score(rows.collect())
    };
    (0..36).flat_map(|step| (0..3).map(move |tenant| (step, tenant))).map(|(step, tenant)| (tenant, one(step))).collect()
}

#[test]
fn the_whole_installation_sees_all_and_can_ask_for_one_tenant() {
    let (bench, heard) = side_by_side(&some_steps()[..30], &[]);
    let whole = admin("operator", None);
    let ids = |told: Value| -> Vec<String> {
        told["decisions"].as_array().unwrap().iter().map(|decision| decision["id"].as_str().unwrap().to_owned()).collect()
    };
    let list = |caller: &Caller, query: &str| ids(bench.get(caller, &format!("/v1/decisions?limit=200{query}")).ok());
    let mut of_all: Vec<String> = heard.iter().flat_map(|heard| heard.decisions.clone()).collect();
    let mut found = list(&whole, "");
    of_all.sort();
    found.sort();
    assert_eq!(found, of_all);
    for (tenant, query) in [(0, "&tenant="), (1, "&tenant=north"), (2, "&tenant=south")] {
        let mut expected = heard[tenant].decisions.clone();
        expected.reverse();
        assert_eq!(list(&whole, query), expected, "{query}");
        if tenant > 0 {
            assert_eq!(list(&member(tenant), ""), expected);
            assert_eq!(list(&member(tenant), query), expected, "its own may be named");
        }
        for decision in &expected {
            let one = bench.get(&whole, &format!("/v1/decisions/{decision}")).ok();
            assert_eq!(one["tenant"].as_str(), TENANTS[tenant]);
            assert_eq!(one["principal"], "bank:ana");
        }
    }
    assert!(list(&whole, "&tenant=nobody").is_empty());
    let entity = |caller: &Caller, query: &str| bench.get(caller, &format!("/v1/entities/A0{query}")).ok();
    let events = |told: &Value| told["histories"][0]["events"].as_u64().unwrap();
    assert_eq!(entity(&whole, "?tenant=north"), entity(&member(1), ""));
    assert_eq!((entity(&whole, "")["tenant"].clone(), events(&entity(&whole, ""))), (Value::Null, events(&entity(&member(1), ""))));
    bench.get(&whole, "/v1/entities/A0?tenant=nobody").problem(404, "no_such_entity");
    let quality = |caller: &Caller, query: &str| bench.get(caller, &format!("/v1/quality{query}")).ok()["labels"].clone();
    for (tenant, label) in [(1, "fraud"), (2, "legitimate"), (2, "legitimate")] {
        let decision = &heard[tenant].decisions[usize::from(label == "fraud")];
        bench.post(&member(tenant), &format!("/v1/decisions/{decision}/label"), &json!({"label": label})).ok();
    }
    let counted = |fraud: u8, legitimate: u8| json!({"fraud": fraud, "legitimate": legitimate, "unsure": 0});
    assert_eq!((quality(&member(1), ""), quality(&member(2), "")), (counted(1, 0), counted(0, 1)));
    assert_eq!(
        (quality(&whole, ""), quality(&whole, "?tenant=north"), quality(&whole, "?tenant=")),
        (counted(1, 1), counted(1, 0), counted(0, 0))
    );
}

#[test]
fn what_is_another_tenants_is_told_of_exactly_like_what_is_not_there() {
    let (bench, heard) = side_by_side(&some_steps()[..30], &[]);
    let (south, nothing) = (member(2), "01890000-0000-7000-8000-000000000000");
    for decision in heard[0].decisions.iter().chain(&heard[1].decisions) {
        for (path, body) in [("", None), ("/explanation", None), ("/label", Some(json!({"label": "fraud"})))] {
            let ask = |decision: &str| {
                let path = format!("/v1/decisions/{decision}{path}");
                body.as_ref().map_or_else(|| bench.get(&south, &path), |body| bench.post(&south, &path, body))
            };
            assert_eq!(ask(decision), ask(nothing), "{path}");
        }
        let labels = bench.get(&admin("operator", None), &format!("/v1/decisions/{decision}")).ok()["labels"].clone();
        assert_eq!(labels, json!([]), "and nothing was written");
    }
    // Whether there is such a tenant is not told either.
    let ask = |tenant: &str, path: &str| bench.get(&south, &format!("{path}?tenant={tenant}")).problem(400, "bad_query");
    for path in ["/v1/decisions", "/v1/quality", "/v1/entities/A1", "/past", "/past/A1"] {
        assert_eq!([ask("north", path), ask("", path)], [ask("nobody", path), ask("nobody", path)], "{path}");
    }
}

#[test]
fn a_cursor_does_not_cross() {
    let (bench, _) = side_by_side(&some_steps()[..30], &[]);
    let next = |caller: &Caller, path: &str| bench.get(caller, path).ok()["next"].as_str().unwrap().to_owned();
    let of_north = next(&member(1), "/v1/decisions?limit=2");
    let of_all = next(&admin("operator", None), "/v1/decisions?limit=2");
    for cursor in [&of_north, &of_all] {
        bench.get(&member(2), &format!("/v1/decisions?limit=2&cursor={cursor}")).problem(400, "bad_cursor");
    }
    // One that is made up of another position and the own filter is a place in the own decisions.
    let own = next(&member(2), "/v1/decisions?limit=2");
    let made_up = format!("{}{}", &of_all[..16], &own[16..]);
    let found = bench.get(&member(2), &format!("/v1/decisions?limit=200&cursor={made_up}")).ok();
    assert!(found["decisions"].as_array().unwrap().iter().all(|decision| decision["tenant"] == "south") && found != Value::Null);
}

#[test]
fn an_id_under_way_in_another_tenant_stops_nobody() {
    let bench = Bench::new();
    let ledger = &bench.service.ledger;
    let body = row((1, 1, 1, 1, None)).to_string();
    let batch = synod_detection::decode_rows(bench.service.engine.schema(), body.as_bytes(), 1).unwrap().batch;
    let asked = |tenant: Option<&str>, principal: &str| Asked {
        tenant: tenant.map(str::to_owned),
        principal: Some(principal.to_owned()),
        now: 1_800_000_000_000_000,
        ..Default::default()
    };
    let admit = |tenant, principal| ledger.admit(&batch, &asked(tenant, principal)).unwrap();
    let held: Vec<_> = TENANTS.iter().map(|tenant| admit(*tenant, "bank:ana")).collect();
    assert!(held.iter().all(|admission| admission.rows == [Admittance::Fresh(0)]), "{held:?}");
    assert!(
        TENANTS.iter().all(|tenant| admit(*tenant, "bank:bob").rows == [Admittance::InProgress]),
        "an id is its tenant's, whoever sends it"
    );
    let counts: Vec<f64> = held.iter().flat_map(|admission| admission.past.row(0).to_vec()).filter(|value| *value > 0.0).collect();
    assert!(counts.iter().all(|value| *value == 1.0), "nobody sees the row of somebody else: {counts:?}");
    let remembered = || TENANTS.map(|tenant| ledger.remembered(tenant, &batch, 0)[0].map_or(0, |(events, ..)| events));
    assert_eq!(remembered(), [1; 3]);
    drop(held);
    assert_eq!(remembered(), [0; 3], "what comes to nothing is taken back from whose it was");
    // A key is its sender's own.
    let key = |tenant, principal| ledger.request_key(&asked(tenant, principal), "key", b"body").key;
    let keys = [key(None, "bank:ana"), key(Some("north"), "bank:ana"), key(Some("south"), "bank:ana"), key(Some("north"), "bank:bob")];
    assert_eq!(std::collections::BTreeSet::from(keys.clone()).len(), 4, "{keys:?}");
    assert_ne!(key(Some("a"), "b"), key(None, "a"), "and no two of them are one when they are put behind each other");
}

/// What the candidate makes of a log: each decision that comes out otherwise, by tenant and event, with the score's bits.
fn judged(folder: &Path) -> (CandidateReport, BTreeMap<(Option<String>, String), u64>) {
    let directory = DataDirectory::open(folder.join("data")).unwrap();
    let config = patient(crate::config::load(&fitted().folder.path().join("candidate.yaml")).unwrap());
    let (registry, host) = (Registry::open(&directory).unwrap(), synod_host::Host::new(&Default::default(), None).unwrap());
    let models = crate::engine::live_models(&config, &registry).unwrap();
    let views: Vec<View> = models.iter().map(|model| model.manifest.view.clone()).collect();
    let engine = crate::engine::Engine::assemble(&config, &host, models).unwrap();
    let host_of = |_: &crate::config::Config| Err("the candidate is put together already".to_owned());
    let mut makers = Makers::new(Archive::open(&directory).unwrap(), Registry::open(&directory).unwrap(), &host_of);
    let candidate = crate::replaying::Candidate { config: &config, engine: &engine, views: &views };
    let (recorded, secret) = (Recorded::open(&directory).unwrap(), Secret::open(&directory).unwrap());
    let mut tenants = HashMap::new();
    let mut seen = |decision: &crate::decision::Decision| drop(tenants.insert(decision.id, decision.tenant.clone()));
    replay(&recorded, &Selection::default(), &mut makers, &mut |_, _| (), &mut seen).unwrap();
    let report = judge_by(candidate, &recorded, &Selection::default(), &mut makers, &secret, &mut |_, _| ()).unwrap();
    let flip =
        |flip: &crate::replaying::Flip| ((tenants[&flip.decision].clone(), flip.event.clone().unwrap()), flip.candidate_score.to_bits());
    let flips = report.flips.iter().map(flip).collect();
    (report, flips)
}

#[test]
fn a_replay_keeps_tenants_apart() {
    let steps = some_steps();
    let (bench, _) = side_by_side(&steps, &[(40, true), (80, false)]);
    let folder = bench.closed();
    // Bit for bit by their own versions, or this is an error.
    run(fitted().folder.path(), "synod.yaml", &folder.path().join("data"), "replay", &["--format", "json"]);
    let (report, together) = judged(folder.path());
    assert_eq!((report.way, report.judged), (Way::Folded, steps.len() as u64 * 4), "{:?}", report.notes);
    let lonely = (0..3).map(|tenant| judged(alone(&steps, tenant).0.closed().path()).1);
    let expected: BTreeMap<_, _> = lonely.flatten().collect();
    let scores: std::collections::BTreeSet<u64> = expected.values().copied().collect();
    assert!(
        expected.len() > 100 && scores.len() > 8,
        "there is something to compare: {} decisions, {} scores",
        expected.len(),
        scores.len()
    );
    assert_eq!(together, expected);
}

#[test]
fn an_index_that_is_built_anew_knows_tenants() {
    let (bench, heard) = side_by_side(&some_steps()[..12], &[]);
    let folder = bench.closed();
    run(fitted().folder.path(), "synod.yaml", &folder.path().join("data"), "index rebuild", &[]);
    let (service, opened) = super::open(folder.path());
    let bench = Bench { folder, service, opened, runtime: tokio::runtime::Runtime::new().unwrap() };
    for tenant in [1, 2] {
        let found = bench.get(&member(tenant), "/v1/decisions?limit=200").ok();
        assert_eq!(found["decisions"].as_array().unwrap().len(), heard[tenant].decisions.len());
    }
    let again = |amount| bench.post(&member(1), "/v1/score", &row((0, 0, 0, amount, None)));
    assert_eq!((again(20).status, again(9).status), (StatusCode::OK, StatusCode::CONFLICT), "ids are known as before");
}
