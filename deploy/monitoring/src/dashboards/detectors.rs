//! How each detector does: whether it can vote, what it votes, for how long it takes, and how it scores.

use super::dashboard::{Dashboard, Row};
use super::panel::{Panel, Unit};
use super::scope::{INTERVAL, buckets, count, distribution, now, of, of_detectors, quantile, sum};
use crate::query::{Query, Series};
use synod_gateway::telemetry::names::{self, Name};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "detectors",
        title: "Detectors",
        description: "How each detector does: whether it can vote, what it votes, how long it takes, and how it scores.",
        by_detector: true,
        rows: vec![
            Row::new("Readiness", readiness()),
            Row::new("Votes", votes()),
            Row::new("Time", time()),
            Row::new("Scores", scores()),
            Row::new("Shadows and rollouts", beside()),
        ],
    }
}

fn rate(name: &'static Name, labels: &[&'static str]) -> Query {
    of_detectors(name).rate(INTERVAL).sum_by(labels)
}

fn phase(phase: &str) -> Series {
    buckets(&names::DETECTOR_DURATION).like("detector", "$detector").with("phase", phase)
}

fn readiness() -> Vec<Panel> {
    vec![
        Panel::states(
            "Ready",
            true,
            "Whether a detector can vote. Normal is yes. One that does not start is tried again every ten seconds; the log line \
             of it says why.",
        )
        .query(of_detectors(&names::DETECTOR_READY).now().by("min", &["detector"]), "{{detector}}")
        .wide(3),
        Panel::lines(
            "Paused",
            Unit::Count,
            "Whether a detector is not asked, because it failed again and again. Normal is 0. At 1 it is tried on its golden rows with growing pauses; \
             at 2 it is in quarantine until somebody releases it, or another model takes its place.",
        )
        .query(of_detectors(&names::DETECTOR_PAUSED).now().by("max", &["detector"]), "{{detector}}")
        .wide(3),
        Panel::lines(
            "Sandboxes",
            Unit::Count,
            "Sandboxes of a detector that exist, and those of them that wait for a call. Normal is that some wait. If none do for long, \
             requests queue: raise limits.instances, if there are processors for them.",
        )
        .query(of_detectors(&names::DETECTOR_INSTANCES).with("state", "live").now().sum_by(&["detector"]), "{{detector}} live")
        .query(of_detectors(&names::DETECTOR_INSTANCES).with("state", "idle").now().sum_by(&["detector"]), "{{detector}} idle")
        .wide(6),
        Panel::lines(
            "Memory of sandboxes",
            Unit::Bytes,
            "Memory that a detector's sandboxes have. Normal is the model's size for each sandbox, and flat. A detector that grows towards \
             limits.memory of each will be ended there, and abstains (memory).",
        )
        .query(of_detectors(&names::DETECTOR_MEMORY).now().sum_by(&["detector"]), "{{detector}}")
        .wide(6),
        Panel::lines(
            "Sandboxes dropped",
            Unit::PerSecond,
            "Sandboxes a second that were dropped, by reason. worn is normal: they are renewed after so many calls. timeout, trap, memory and \
             bad_output are failures of the plugin: each cost a start of a new one.",
        )
        .query(rate(&names::DETECTOR_RETIRED, &["detector", "reason"]), "{{detector}} {{reason}}")
        .wide(6),
    ]
}

fn votes() -> Vec<Panel> {
    let all = || rate(&names::DETECTOR_VOTES, &["detector"]);
    let abstained = || rate(&names::DETECTOR_ABSTENTIONS, &["detector"]);
    let yes = of_detectors(&names::DETECTOR_VOTES).with("vote", "yes").rate(INTERVAL).sum_by(&["detector"]);
    let with_verdict = of_detectors(&names::DETECTOR_VERDICT_AGREEMENT).with("votes", "agree").rate(INTERVAL).sum_by(&["detector"]);
    let pairs = || of_detectors(&names::DETECTOR_PAIRS).like("other", "$detector");
    let together = ["detector", "other"];
    vec![
        Panel::stack("Votes", Unit::PerSecond, "Votes a second. Normal is the same height for every detector: all see every row.")
            .query(rate(&names::DETECTOR_VOTES, &["detector", "vote"]), "{{detector}} {{vote}}"),
        Panel::lines(
            "Votes for anomalous",
            Unit::Share,
            "Share of a detector's votes that are yes. Normal is about its contamination. Far above it, look at its drift; at 0 for \
             hours, at its threshold.",
        )
            .query(yes.share_of(all()), "{{detector}}"),
        Panel::lines(
            "Agreement with the verdict",
            Unit::Share,
            "Share of a detector's votes that are what the verdict came to. Normal is close to 100 %, for most rows are nothing. One that \
             falls away from the others sees something else than they do, or something that is not there.",
        )
        .query(with_verdict.share_of(rate(&names::DETECTOR_VERDICT_AGREEMENT, &["detector"])), "{{detector}}"),
        Panel::lines(
            "Abstentions",
            Unit::Share,
            "Share of rows that a detector did not vote on. Normal is 0. They are never counted as approval: the policy decides what too few \
             votes mean.",
        )
        .query(abstained().share_of(all().plus(abstained())), "{{detector}}")
        .levels("green", &[(0.01, "red")]),
        Panel::stack(
            "Abstentions by reason",
            Unit::PerSecond,
            "Rows a second without a vote. timeout: raise limits.timeout or give it processors. trap, bad_output: a defect of the plugin, \
             its log lines say which. memory: raise limits.memory. missing_feature: rows lack a value that its model needs. busy: more \
             instances. not_ready, instantiation: it does not start. refused: it says itself that it cannot.",
        )
        .query(rate(&names::DETECTOR_ABSTENTIONS, &["detector", "reason"]), "{{detector}} {{reason}}"),
        Panel::matrix(
            "Agreement between detectors",
            Unit::Share,
            "Share of the rows that two detectors voted the same on, of those that both voted on (the first eight detectors). Detectors that \
             always agree are one detector; ones that seldom do are not about the same thing.",
            "detector",
            "other",
        )
        .query(pairs().with("votes", "agree").rate(INTERVAL).sum_by(&together).share_of(pairs().rate(INTERVAL).sum_by(&together)), "")
        .levels("red", &[(0.8, "orange"), (0.95, "green")])
        .up_to(1.0),
    ]
}

fn time() -> Vec<Panel> {
    let spent = sum(&names::DETECTOR_DURATION).like("detector", "$detector").rate(INTERVAL).sum_by(&["detector", "phase"]);
    let calls = count(&names::DETECTOR_DURATION).like("detector", "$detector").rate(INTERVAL).sum_by(&["detector", "phase"]);
    vec![
        Panel::lines(
            "Waiting (p99)",
            Unit::Seconds,
            "Time until a sandbox was free that 99 of 100 calls took at most. Normal is next to 0. Above it there are more calls than \
             limits.instances allows.",
        )
        .query(quantile(0.99, phase("waiting"), &["detector"]), "{{detector}}"),
        Panel::lines(
            "Instantiating (p99)",
            Unit::Seconds,
            "Time to start a sandbox with its model that 99 of 100 calls took at most. Normal is 0 for most: sandboxes are used again. If \
             it stays high, they are dropped all the time: see above why.",
        )
        .query(quantile(0.99, phase("instantiating"), &["detector"]), "{{detector}}"),
        Panel::lines(
            "Scoring (p50 and p99)",
            Unit::Seconds,
            "Time in the sandbox that half of the calls and 99 of 100 took at most. The points open traces. Normal is flat, and far below \
             limits.timeout.",
        )
        .query(quantile(0.5, phase("scoring"), &["detector"]), "{{detector}} p50")
        .query(quantile(0.99, phase("scoring"), &["detector"]), "{{detector}} p99")
        .with_traces(),
        Panel::stack(
            "Mean time of a call by phase",
            Unit::Seconds,
            "Where the time of a call goes. Normal is that nearly all of it is scoring.",
        )
        .query(spent.over(calls.above(0.0)), "{{detector}} {{phase}}")
        .wide(12),
        Panel::heat(
            "Distribution of scoring times",
            Unit::Seconds,
            "How many calls took how long in the sandbox. Normal is one band; large batches make a higher one.",
        )
        .query(distribution(phase("scoring")), "{{le}}")
        .with_traces()
        .wide(12),
    ]
}

fn scores() -> Vec<Panel> {
    let of = || buckets(&names::DETECTOR_SCORE).like("detector", "$detector");
    let mean = sum(&names::DETECTOR_SCORE).like("detector", "$detector").rate(INTERVAL).sum_by(&["detector"]);
    let all = count(&names::DETECTOR_SCORE).like("detector", "$detector").rate(INTERVAL).sum_by(&["detector"]);
    vec![
        Panel::lines(
            "Mean score",
            Unit::Score,
            "Mean calibrated score of a detector. Normal is about 0.1 for every detector on rows like those it was calibrated on: the \
             scale is the same for all. A rise is drift.",
        )
        .query(mean.over(all.above(0.0)), "{{detector}}")
        .up_to(1.0)
        .wide(12),
        Panel::lines(
            "High scores (p90 and p99)",
            Unit::Score,
            "Scores that 90 and 99 of 100 rows have at most. Normal is 0.25 and 0.5: that is what calibration means.",
        )
        .query(quantile(0.9, of(), &["detector"]), "{{detector}} p90")
        .query(quantile(0.99, of(), &["detector"]), "{{detector}} p99")
        .up_to(1.0)
        .wide(12),
        Panel::heat(
            "Scores of $detector",
            Unit::Score,
            "How the calibrated scores of this detector are distributed. Normal is most of it at the bottom, thinner and thinner upwards.",
        )
        .query(distribution(of()), "{{le}}")
        .repeated("detector"),
    ]
}

fn beside() -> Vec<Panel> {
    let verdicts = || of(&names::SHADOW_VERDICTS).rate(INTERVAL);
    let tried = || of(&names::SHADOW_VERDICTS).with("policy", "rollout").rate(INTERVAL).sum_by(&["in_force", "outcome"]);
    let votes = || of_detectors(&names::SHADOW_VOTES);
    vec![
        Panel::lines(
            "Share that a rollout judges",
            Unit::Share,
            "Share of the entities whose rows are judged by what is tried. Normal is 0, or what the step says.",
        )
        .query(now(&names::ROLLOUT_SHARE).by("max", &["instance"]), "{{instance}}")
        .up_to(1.0)
        .wide(4),
        Panel::lines(
            "Guards of a rollout",
            Unit::Count,
            "What each guard measures, as a part of what it allows. Above 1 it does not hold; after `rollout.guards.looks` looks the rollout is rolled back.",
        )
        .query(now(&names::ROLLOUT_GUARD).by("max", &["guard"]), "{{guard}}")
        .if_nothing("nothing is tried")
        .levels("green", &[(1.0, "red")])
        .wide(8),
        Panel::matrix(
            "Outcomes of a rollout",
            Unit::PerSecond,
            "Rows a second by the outcome in force and the outcome of what is tried. Normal is that nearly all lie on the diagonal.",
            "in_force",
            "outcome",
        )
        .query(tried(), ""),
        Panel::stack(
            "Outcomes of policies that are asked beside",
            Unit::PerSecond,
            "What the policies of `consensus.shadows` and a rollout would do. Compare it with the outcomes in force before one of them is put in force.",
        )
        .query(verdicts().sum_by(&["policy", "outcome"]), "{{policy}} {{outcome}}"),
        Panel::lines(
            "Votes of shadows for anomalous",
            Unit::Share,
            "Share of yes among the votes of detectors that have no vote in force, by the verdict in force. A good one votes where the verdict is anomalous, \
             and seldom elsewhere.",
        )
        .query(
            votes().with("vote", "yes").rate(INTERVAL).sum_by(&["detector", "verdict"]).share_of(votes().rate(INTERVAL).sum_by(&["detector", "verdict"])),
            "{{detector}}, verdict {{verdict}}",
        )
        .up_to(1.0),
        Panel::lines("Rows that nobody was asked about", Unit::PerSecond, "Rows left out because too many waited. Requests never wait for shadows. Normal is 0.")
            .query(of(&names::SHADOW_DROPPED).rate(INTERVAL).sum_by(&["instance"]), "{{instance}}"),
        Panel::lines("Time of shadows (p99)", Unit::Seconds, "Time in the plugin for the rows of a request. Nobody waits for it, but it takes a processor's time.")
            .query(quantile(0.99, buckets(&names::SHADOW_DURATION).like("detector", "$detector"), &["detector"]), "{{detector}}"),
        Panel::heat("Scores of shadows", Unit::Score, "How the scores of detectors are distributed that have no vote in force. Normal is as those of the others: one row in a hundred above .5.")
            .query(distribution(buckets(&names::SHADOW_SCORE).like("detector", "$detector")), "{{le}}"),
    ]
}
