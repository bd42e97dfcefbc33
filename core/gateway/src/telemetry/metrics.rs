//! All metrics, with their names. Labels are bounded: routes, detectors, reasons and outcomes that the configuration or the code names,
//! never an account, an address or a raw path.

mod sinks;

pub use sinks::AnomalyAlerts;

use crate::auditing::AuditRecord;
use crate::engine::{Call, Detector, JudgedRow};
use crate::ledger::LedgerFacts;
use crate::limiting::GateFacts;
use crate::listening::{Audience, Deadline};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info};
use prometheus_client::registry::{Registry, Unit};
use sinks::OfSinks;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use synod_detection::{Ballot, Outcome};
use synod_host::Retired;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

/// The reasons are words of the code: never anything that a client wrote.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CredentialLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetectorLabels {
    detector: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VoteLabels {
    detector: String,
    vote: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    detector: String,
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstanceLabels {
    detector: String,
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RetiredLabels {
    detector: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AbstentionLabels {
    detector: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuditLabels {
    action: String,
    outcome: &'static str,
}

/// From 10 µs to 10 s, three steps a decade.
const SECONDS: [f64; 19] = [1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1, 2e-1, 5e-1, 1.0, 2.0, 5.0, 10.0];
/// Tenths of the calibrated scale, with the common thresholds among them.
const SCORES: [f64; 10] = [0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0];

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

/// One detector's metrics, looked up once.
#[derive(Debug)]
struct OfDetector {
    name: String,
    yes: Counter,
    no: Counter,
    scores: Histogram,
    waiting: Histogram,
    instantiating: Histogram,
    scoring: Histogram,
    ready: Gauge,
    idle: Gauge,
    live: Gauge,
    /// By [`Retired::by_reason`], in its order.
    retired: [Counter; 5],
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    credentials_refused: Family<CredentialLabels, Counter>,
    tokens_issued: Counter,
    abstentions: Family<AbstentionLabels, Counter>,
    too_few_votes: Counter,
    refused: Counter,
    outcomes: [Counter; 3],
    verdict_scores: Histogram,
    detectors: Vec<OfDetector>,
    ledger: OfLedger,
    sinks: OfSinks,
    /// What is counted of limits.
    pub limits: OfLimits,
    audits: Family<AuditLabels, Counter>,
    audit_failures: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HistoryLabels {
    /// The fields of the key.
    per: String,
}

/// What the ledger counts; shown here and never counted here.
#[derive(Debug)]
struct OfLedger {
    repeated: Counter,
    conflicts: Counter,
    late: Counter,
    full: Counter,
    ahead: Counter,
    refused: Counter,
    records: Counter,
    syncs: Counter,
    sync_seconds: Counter<f64, AtomicU64>,
    failures: Counter,
    failing: Gauge,
    bytes: Gauge,
    segments: Gauge,
    queue: Gauge,
    behind: Gauge,
    entities: Vec<Gauge>,
    events: Vec<Gauge>,
    history_bytes: Vec<Gauge>,
    evicted: Vec<Counter>,
}

impl OfLedger {
    fn new(registry: &mut Registry, histories: &[String]) -> Self {
        let mut counter = |name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let repeated = counter("rows_repeated", "Rows whose recorded decision was told again");
        let conflicts = counter("rows_conflicting", "Rows whose id or key was used before with other content");
        let late = counter("rows_late", "Rows that came later than history.lateness");
        let full = counter("rows_with_full_history", "Rows with a key that had as many events as are kept");
        let ahead = counter("rows_ahead", "Rows whose time was too far ahead of the clock to be remembered");
        let refused = counter("decisions_refused", "Decisions that could not be stored, and were not acknowledged");
        let records = counter("log_records", "Records written to the log");
        let syncs = counter("log_syncs", "Times that the log was synced to the disk");
        let failures = counter("log_failures", "Writes or syncs of the log that failed");
        let sync_seconds = Counter::<f64, AtomicU64>::default();
        registry.register_with_unit("log_sync", "Time spent syncing the log", Unit::Seconds, sync_seconds.clone());
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let failing = gauge("log_failing", "Whether the log cannot be written at the moment");
        let bytes = gauge("log_size_bytes", "Size of the log on disk");
        let segments = gauge("log_segments", "Files of the log");
        let queue = gauge("log_queue_bytes", "Bytes that wait to be written to the log");
        let behind = gauge("index_behind_records", "Records of the log that the index does not know yet");
        let mut gauges = |name: &str, help: &str| {
            let family = Family::<HistoryLabels, Gauge>::default();
            registry.register(name, help, family.clone());
            histories.iter().map(|per| family.get_or_create_owned(&HistoryLabels { per: per.clone() })).collect()
        };
        let entities = gauges("history_entities", "Keys whose past is remembered");
        let events = gauges("history_events", "Events that are remembered");
        let history_bytes = gauges("history_size_bytes", "Memory that histories take");
        let family = Family::<HistoryLabels, Counter>::default();
        registry.register("history_evicted", "Keys that were forgotten to make room", family.clone());
        let evicted = histories.iter().map(|per| family.get_or_create_owned(&HistoryLabels { per: per.clone() })).collect();
        Self {
            repeated,
            conflicts,
            late,
            full,
            ahead,
            refused,
            records,
            syncs,
            sync_seconds,
            failures,
            failing,
            bytes,
            segments,
            queue,
            behind,
            entities,
            events,
            history_bytes,
            evicted,
        }
    }

    fn show(&self, facts: &LedgerFacts) {
        let set = |counter: &Counter, count: u64| counter.inner().store(count, Ordering::Relaxed);
        set(&self.repeated, facts.repeated);
        set(&self.conflicts, facts.conflicts);
        set(&self.late, facts.late);
        set(&self.full, facts.full);
        set(&self.ahead, facts.ahead);
        set(&self.refused, facts.refused);
        self.behind.set(facts.index_behind as i64);
        for (place, history) in facts.histories.iter().enumerate().take(self.entities.len()) {
            self.entities[place].set(history.entities as i64);
            self.events[place].set(history.events as i64);
            self.history_bytes[place].set(history.bytes as i64);
            set(&self.evicted[place], history.evicted);
        }
        if let Some(log) = &facts.log {
            set(&self.records, log.records);
            set(&self.syncs, log.syncs);
            set(&self.failures, log.failures);
            self.sync_seconds.inner().store(log.sync_time.as_secs_f64().to_bits(), Ordering::Relaxed);
            self.failing.set(i64::from(log.failing_since.is_some()));
            self.bytes.set(log.bytes_on_disk as i64);
            self.segments.set(log.segments as i64);
            self.queue.set(log.queue_bytes as i64);
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    listener: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeadlineLabels {
    deadline: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrderLabels {
    result: &'static str,
}

/// What came of an order of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A certificate.
    Issued,
    /// Nothing.
    Failed,
}

impl Order {
    fn labels(self) -> OrderLabels {
        OrderLabels { result: if self == Self::Issued { "issued" } else { "failed" } }
    }
}

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many as there may be.
    InAll,
    /// There are as many from this address.
    PerAddress,
}

/// What is counted of connections, for the whole process: its listeners come and go with it.
#[derive(Debug, Default)]
pub struct Connections {
    open: Family<ListenerLabels, Gauge>,
    refused: Family<RefusalLabels, Counter>,
    overdue: Family<DeadlineLabels, Counter>,
    handshakes_failed: Counter,
    bad_hosts: Counter,
    certificate_end: Family<ListenerLabels, Gauge>,
    orders: Family<OrderLabels, Counter>,
}

impl Connections {
    /// The only one.
    pub fn all() -> &'static Self {
        static ALL: OnceLock<Connections> = OnceLock::new();
        ALL.get_or_init(|| {
            let all = Self::default();
            for deadline in Deadline::ALL {
                drop(all.overdue.get_or_create(&DeadlineLabels { deadline: deadline.name() }));
            }
            for order in [Order::Issued, Order::Failed] {
                drop(all.orders.get_or_create(&order.labels()));
            }
            all
        })
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("connections_open", "Connections that are open", self.open.clone());
        registry.register("connections_refused", "Connections that were refused, because there were too many", self.refused.clone());
        let help = "Connections that were closed and bodies that were not waited for, by the deadline they missed";
        registry.register("connections_overdue", help, self.overdue.clone());
        registry.register("tls_handshakes_failed", "Handshakes of TLS that failed", self.handshakes_failed.clone());
        registry.register("requests_with_bad_host", "Requests without the one Host that they need", self.bad_hosts.clone());
        let help = "When the certificate that is served ends, in seconds since 1970";
        registry.register("certificate_expiry_seconds", help, self.certificate_end.clone());
        registry.register("certificate_orders", "Orders of a certificate by ACME, by what came of them", self.orders.clone());
    }

    /// Notes how many connections a listener has.
    pub fn open(&self, audience: Audience, connections: usize) {
        self.open.get_or_create(&ListenerLabels { listener: audience.name() }).set(connections as i64);
    }

    /// Notes a connection that was refused.
    pub fn refused(&self, audience: Audience, refusal: Refusal) {
        let reason = match refusal {
            Refusal::InAll => "in_all",
            Refusal::PerAddress => "per_address",
        };
        self.refused.get_or_create(&RefusalLabels { listener: audience.name(), reason }).inc();
    }

    /// Notes a connection that was closed, or a body that was given up, because it missed a deadline.
    pub fn overdue(&self, deadline: Deadline) {
        self.overdue.get_or_create(&DeadlineLabels { deadline: deadline.name() }).inc();
    }

    /// Notes a handshake that failed.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// Notes a request that was refused for its Host.
    pub fn bad_host(&self) {
        self.bad_hosts.inc();
    }

    /// Notes the certificate that is served from now on, by its end in seconds since 1970.
    pub fn certificate_ends(&self, end: i64) {
        self.certificate_end.get_or_create(&ListenerLabels { listener: Audience::Clients.name() }).set(end);
    }

    /// Notes what came of an order of a certificate.
    pub fn ordered(&self, order: Order) {
        self.orders.get_or_create(&order.labels()).inc();
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
}

/// What a request was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The quota of its address.
    Address,
    /// Of its principal.
    Principal,
    /// Of its tenant.
    Tenant,
    /// Of its caller on this route.
    Route,
    /// A quota of rows.
    Rows,
    /// Too many requests of one caller at a time.
    Concurrent,
    /// Too many waited to be scored.
    QueueFull,
    /// It waited too long to be scored.
    QueueAge,
    /// Too many waited, or it waited too long, to read decisions.
    Reads,
    /// There was no memory for its body.
    Memory,
}

impl Limit {
    const ALL: [Self; 10] = [
        Self::Address,
        Self::Principal,
        Self::Tenant,
        Self::Route,
        Self::Rows,
        Self::Concurrent,
        Self::QueueFull,
        Self::QueueAge,
        Self::Reads,
        Self::Memory,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Principal => "principal",
            Self::Tenant => "tenant",
            Self::Route => "route",
            Self::Rows => "rows",
            Self::Concurrent => "concurrent",
            Self::QueueFull => "queue_full",
            Self::QueueAge => "queue_age",
            Self::Reads => "reads",
            Self::Memory => "memory",
        }
    }

    /// The limit that a policy of this name sets.
    pub fn of_policy(policy: &str) -> Self {
        match policy {
            "address" => Self::Address,
            "principal" => Self::Principal,
            "tenant" => Self::Tenant,
            "route" => Self::Route,
            policy if policy.ends_with("-rows") => Self::Rows,
            _ => Self::Concurrent,
        }
    }
}

/// What is counted of limits.
#[derive(Debug)]
pub struct OfLimits {
    /// In the order of [`Limit`].
    refused: [Counter; Limit::ALL.len()],
    keys: Family<LimitLabels, Gauge>,
    waiting: Family<QueueLabels, Gauge>,
    oldest: Family<QueueLabels, Gauge<f64, AtomicU64>>,
    memory: Gauge,
}

impl OfLimits {
    fn new(registry: &mut Registry) -> Self {
        let (refused, keys) = (Family::<LimitLabels, Counter>::default(), Family::default());
        let (waiting, oldest, memory) = (Family::default(), Family::default(), Gauge::default());
        registry.register("requests_limited", "Requests that were refused, by the limit that they ran into", refused.clone());
        registry.register("limit_keys", "Callers that quotas remember, by what they are told apart by", keys.clone());
        registry.register("queue_length", "Requests that wait", waiting.clone());
        registry.register("queue_age_seconds", "For how long the first of them does", oldest.clone());
        registry.register("bodies_size_bytes", "Memory that the bodies of requests take", memory.clone());
        let refused = Limit::ALL.map(|limit| refused.get_or_create_owned(&LimitLabels { limit: limit.name() }));
        Self { refused, keys, waiting, oldest, memory }
    }

    /// Notes a request that was refused.
    pub fn refused(&self, limit: Limit) {
        self.refused[limit as usize].inc();
    }

    /// Shows how many callers are remembered, and the bytes of bodies.
    pub fn show(&self, keys: &[(&'static str, usize)], bodies: usize) {
        for (limit, count) in keys {
            self.keys.get_or_create(&LimitLabels { limit }).set(*count as i64);
        }
        self.memory.set(bodies as i64);
    }

    /// Shows who waits in a queue.
    pub fn queue(&self, queue: &'static str, facts: GateFacts) {
        let labels = QueueLabels { queue };
        self.waiting.get_or_create(&labels).set(facts.waiting as i64);
        self.oldest.get_or_create(&labels).set(facts.oldest.as_secs_f64());
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FetchLabels {
    issuer: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    result: &'static str,
}

/// What is counted of identity providers, by the names that the configuration gives them, for the whole process.
#[derive(Debug, Default)]
pub struct KeySets {
    fetches: Family<FetchLabels, Counter>,
    fetched: Family<IssuerLabels, Gauge>,
    logins: Family<LoginLabels, Counter>,
}

impl KeySets {
    /// The only one.
    pub fn all() -> &'static Self {
        static ALL: OnceLock<KeySets> = OnceLock::new();
        ALL.get_or_init(Self::default)
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("identity_key_fetches", "Fetches of identity providers' keys, by what came of them", self.fetches.clone());
        let help = "When the keys of an identity provider were fetched last, in seconds since 1970";
        registry.register("identity_keys_fetched_seconds", help, self.fetched.clone());
        registry.register("console_logins", "Logins to the console, by what came of them", self.logins.clone());
    }

    /// Notes a fetch, and its time if keys came of it.
    pub fn fetched(&self, issuer: &str, result: &'static str, at: i64) {
        self.fetches.get_or_create(&FetchLabels { issuer: issuer.to_owned(), result }).inc();
        if result == "fetched" {
            self.fetched.get_or_create(&IssuerLabels { issuer: issuer.to_owned() }).set(at);
        }
    }

    /// Notes a login that ended.
    pub fn login(&self, result: &'static str) {
        self.logins.get_or_create(&LoginLabels { result }).inc();
    }
}

impl Metrics {
    /// Registers all metrics; those of the detectors are there from the start, at zero.
    pub fn new(detectors: &[Detector], histories: &[String]) -> Self {
        let mut registry = Registry::with_prefix("synod");
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of this Synod", build);

        Connections::all().register(&mut registry);
        KeySets::all().register(&mut registry);
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let durations = Family::<RouteLabels, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        registry.register_with_unit("http_request_duration", "Time to answer a request", Unit::Seconds, durations.clone());
        let credentials_refused = Family::<CredentialLabels, Counter>::default();
        registry.register("credentials_refused", "Credentials that did not hold, by reason", credentials_refused.clone());
        let tokens_issued = Counter::default();
        registry.register("access_tokens_issued", "Access tokens that the embedded authorisation server gave", tokens_issued.clone());
        let refused = Counter::default();
        registry.register("rows_refused", "Rows that the schema refused", refused.clone());
        let too_few_votes = Counter::default();
        registry.register("verdicts_with_too_few_votes", "Verdicts for which fewer detectors voted than asked", too_few_votes.clone());
        let verdicts = Family::<OutcomeLabels, Counter>::default();
        registry.register("verdicts", "Verdicts by outcome", verdicts.clone());
        let verdict_scores = Histogram::new(SCORES);
        registry.register("verdict_score", "Calibrated scores of the verdicts", verdict_scores.clone());
        let abstentions = Family::<AbstentionLabels, Counter>::default();
        registry.register("detector_abstentions", "Rows that a detector did not vote on", abstentions.clone());

        let votes = Family::<VoteLabels, Counter>::default();
        registry.register("detector_votes", "Votes", votes.clone());
        let scores = Family::<DetectorLabels, Histogram, fn() -> Histogram>::new_with_constructor(|| Histogram::new(SCORES));
        registry.register("detector_score", "Calibrated scores of a detector", scores.clone());
        let phases = Family::<PhaseLabels, Histogram, fn() -> Histogram>::new_with_constructor(seconds);
        registry.register_with_unit(
            "detector_duration",
            "Time that a detector took for a request, by phase",
            Unit::Seconds,
            phases.clone(),
        );
        let ready = Family::<DetectorLabels, Gauge>::default();
        registry.register("detector_ready", "Whether a detector can vote", ready.clone());
        let instances = Family::<InstanceLabels, Gauge>::default();
        registry.register("detector_instances", "Sandboxes of a detector", instances.clone());
        let retired = Family::<RetiredLabels, Counter>::default();
        registry.register("detector_instances_retired", "Sandboxes that were dropped, by reason", retired.clone());

        let of = |detector: &Detector| {
            let name = detector.name().to_owned();
            let vote = |vote| votes.get_or_create_owned(&VoteLabels { detector: name.clone(), vote });
            let phase = |phase| phases.get_or_create_owned(&PhaseLabels { detector: name.clone(), phase });
            let labels = DetectorLabels { detector: name.clone() };
            OfDetector {
                yes: vote("yes"),
                no: vote("no"),
                scores: scores.get_or_create_owned(&labels),
                waiting: phase("waiting"),
                instantiating: phase("instantiating"),
                scoring: phase("scoring"),
                ready: ready.get_or_create_owned(&labels),
                idle: instances.get_or_create_owned(&InstanceLabels { detector: name.clone(), state: "idle" }),
                live: instances.get_or_create_owned(&InstanceLabels { detector: name.clone(), state: "live" }),
                retired: Retired::default()
                    .by_reason()
                    .map(|(reason, _)| retired.get_or_create_owned(&RetiredLabels { detector: name.clone(), reason })),
                name,
            }
        };
        let outcomes = [Outcome::Approve, Outcome::Review, Outcome::Block];
        let outcomes = outcomes.map(|outcome| verdicts.get_or_create_owned(&OutcomeLabels { outcome: outcome.name() }));
        let detectors = detectors.iter().map(of).collect();
        let ledger = OfLedger::new(&mut registry, histories);
        let sinks = OfSinks::new(&mut registry);
        let limits = OfLimits::new(&mut registry);
        let audits = Family::<AuditLabels, Counter>::default();
        registry.register("audit_events", "Audited acts and refusals; those of a flood count when they are summed up", audits.clone());
        let audit_failures = Counter::default();
        registry.register("audit_failures", "Audit records that could not be stored", audit_failures.clone());
        Self {
            registry,
            requests,
            durations,
            credentials_refused,
            tokens_issued,
            abstentions,
            too_few_votes,
            refused,
            outcomes,
            verdict_scores,
            detectors,
            ledger,
            sinks,
            limits,
            audits,
            audit_failures,
        }
    }

    /// Notes an audit record. The actions are those that the code names.
    pub fn audited(&self, record: &AuditRecord) {
        let labels = AuditLabels { action: record.action().name().to_owned(), outcome: record.outcome().name() };
        self.audits.get_or_create(&labels).inc_by(record.count());
    }

    /// Counts audit records that cannot be stored.
    pub fn audit_failures(&self) -> Counter {
        self.audit_failures.clone()
    }

    /// Notes an answered request. `route` is the route's pattern and not the path.
    pub fn request(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), method, status }).inc();
        self.durations.get_or_create(&RouteLabels { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// Notes a credential that did not hold. `reason` is a word of the code.
    pub fn credential_refused(&self, reason: &'static str) {
        self.credentials_refused.get_or_create(&CredentialLabels { reason }).inc();
    }

    /// Notes an access token that was given.
    pub fn token_issued(&self) {
        self.tokens_issued.inc();
    }

    /// Notes rows that the schema refused.
    pub fn refused(&self, rows: usize) {
        self.refused.inc_by(rows as u64);
    }

    /// Notes what a batch came to.
    pub fn judged(&self, rows: &[JudgedRow], calls: &[Call]) {
        for row in rows {
            self.outcomes[row.verdict.outcome as usize].inc();
            self.verdict_scores.observe(row.verdict.score);
            self.too_few_votes.inc_by(u64::from(row.verdict.too_few_votes));
            row.ballots.iter().enumerate().for_each(|(detector, ballot)| self.ballot(detector, ballot));
        }
        calls.iter().enumerate().for_each(|(detector, call)| self.call(detector, call));
    }

    /// Notes what one detector gave for a batch.
    pub fn voted(&self, detector: usize, ballots: &[Ballot], call: &Call) {
        ballots.iter().for_each(|ballot| self.ballot(detector, ballot));
        self.call(detector, call);
    }

    fn ballot(&self, detector: usize, ballot: &Ballot) {
        let of = &self.detectors[detector];
        match ballot {
            Ballot::Vote(vote) => {
                if vote.anomalous { &of.yes } else { &of.no }.inc();
                of.scores.observe(vote.score);
            }
            Ballot::Abstention(abstention) => {
                let labels = AbstentionLabels { detector: of.name.clone(), reason: abstention.reason };
                self.abstentions.get_or_create(&labels).inc();
            }
        }
    }

    fn call(&self, detector: usize, call: &Call) {
        let of = &self.detectors[detector];
        if call.rows > 0 {
            of.waiting.observe(call.waiting.as_secs_f64());
            of.instantiating.observe(call.instantiating.as_secs_f64());
            of.scoring.observe(call.scoring.as_secs_f64());
        }
    }

    /// All metrics as OpenMetrics text.
    pub fn text(&self, detectors: &[Detector], ledger: &LedgerFacts) -> String {
        self.ledger.show(ledger);
        self.sinks.show(&ledger.followers);
        for (of, detector) in self.detectors.iter().zip(detectors) {
            of.ready.set(i64::from(detector.is_ready()));
            if let Some(facts) = detector.pool().map(|pool| pool.facts()) {
                of.idle.set(facts.idle as i64);
                of.live.set(facts.live as i64);
                for (counter, (_, count)) in of.retired.iter().zip(facts.retired.by_reason()) {
                    // The host counts; here the count is only shown.
                    counter.inner().store(count, Ordering::Relaxed);
                }
            }
        }
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
