// What is tried beside what judges, what becomes of it, and what became of what was tried before.

import { act } from "./api.js";
import { ask, field, show } from "./dialogs.js";
import { at, button, element, facts, redraw, table } from "./dom.js";
import { reportOf } from "./report.js";
import { may } from "./session.js";
import { badge, count, moment, numbered, percent, span, tried } from "./words.js";
import { stepsEditor } from "./steps.js";

/// So many that have ended are shown.
const SHOWN = 10;

/// The rollout that is under way, if there is one.
export function underWay(rollouts) {
  return rollouts.find((rollout) => rollout.state === "under_way");
}

/// Draws all rollouts, the newest first. `models` says which candidates there are.
export function drawRollouts(rollouts, models) {
  const trying = underWay(rollouts);
  const candidates = models.flatMap(({ versions }) => versions.filter((version) => version.labels.includes("candidate")));
  const { report, ...plan } = trying ?? {};
  const rights = [may("manage:models"), may("operate:service"), may("read:decisions")];
  // What is compared changes all the time; buttons stay where they are meanwhile.
  redraw(at("trying"), [plan, candidates, rights], () => (trying ? ofTrying(plan) : nothing(candidates)));
  redraw(at("report"), [report, Boolean(trying), rights], () => (trying ? reportOf(report) : []));
  const ended = rollouts.filter((rollout) => rollout.state !== "under_way").slice(0, SHOWN);
  redraw(at("ended"), [ended, rights], () => (ended.length > 0 ? past(ended) : []));
}

function nothing(candidates) {
  const begin = may("manage:models") && button("begin", "Begin a rollout…", () => begins(candidates));
  return [element("p", {}, "Nothing is tried at the moment."), element("div", { class: "buttons" }, begin)];
}

function ofTrying(plan) {
  const instead = Object.keys(plan.before).length > 0 ? ` instead of ${numbered(plan.before)}` : "";
  const known = facts([
    ["Tried", `${tried(plan)}${instead}`],
    ["Step", `${plan.step} of ${plan.steps.length}`],
    ["Share of the entities", percent(plan.share)],
    ["At this step since", moment(plan.since)],
    ["Begun", [moment(plan.began), ` by ${plan.by}`]],
    ["Then", plan.promote ? "promoted by itself after the last step" : "it waits for somebody to promote it"],
  ]);
  return [element("h3", {}, "Under way"), known, stepsOf(plan), element("div", { class: "buttons" }, acts(plan))];
}

function stepsOf(plan) {
  const step = (each, place) => element("li", { "aria-current": place + 1 === plan.step && "step" }, `${percent(each.share)} for ${span(each.hold_seconds)} at least`);
  return element("ol", { class: "steps", "aria-label": "Steps" }, plan.steps.map(step));
}

function acts(plan) {
  const next = plan.steps[plan.step];
  return [
    may("manage:models") && next && button("rollout-next", "Next step…", () => goOn(plan, next)),
    // A policy has its place in the configuration alone.
    may("manage:models") && !plan.policy && button("rollout-promote", "Promote…", () => promote(plan)),
    may("operate:service") && button("rollout-stop", "Stop…", () => stop(plan)),
  ];
}

function goOn(plan, next) {
  const body = element("p", {}, `From then on ${tried(plan)} judges the rows of ${percent(next.share)} of the entities, instead of ${percent(plan.share)}, whatever the guards say of what was compared so far.`);
  const run = async () => {
    const told = await act("/v1/rollouts/next");
    return `Step ${told.step} of ${told.steps.length}: a share of ${percent(told.share)}.`;
  };
  ask({ title: "Go on to the next step?", body, confirm: "Next step", run });
}

function promote(plan) {
  const body = element("p", {}, `From then on all rows are judged by ${tried(plan)}, instead of ${numbered(plan.before)}.`);
  const run = async () => `Promoted: ${tried(await act("/v1/rollouts/promote"))}.`;
  ask({ title: "Promote what is tried?", body, confirm: "Promote", run });
}

function stop(plan) {
  const hint = "For the audit log, at most 200 characters.";
  const body = [
    element("p", {}, `From then on all rows are judged by what is in force, and ${tried(plan)} by nobody.`),
    field("why", "Why?", { type: "text", maxlength: 200, required: true }, hint),
  ];
  const run = async () => `Stopped: ${(await act("/v1/rollouts/stop", { why: at("why").value })).ended?.why}.`;
  ask({ title: "Stop the rollout?", body, confirm: "Stop", danger: true, run });
}

function begins(candidates) {
  const choice = candidates.map((version) => chosen(version));
  const policy = field("policy", "Policy", { type: "text", maxlength: 64, spellcheck: "false" }, "Of ‘consensus.shadows’; empty for none.");
  const none = candidates.length === 0 && element("p", { class: "quiet" }, "There is no candidate: a policy can be tried.");
  const [steps, wishedSteps] = stepsEditor();
  const body = [element("fieldset", {}, element("legend", {}, "What is tried"), choice, none, policy), steps, afterwards()];
  const run = async () => {
    const wished = wish(candidates, wishedSteps());
    return `A rollout has begun: ${tried(await act("/v1/rollouts", wished))}.`;
  };
  ask({ title: "Begin a rollout", body, confirm: "Begin", run });
}

function chosen({ detector, version, created }) {
  const input = element("input", { type: "checkbox", id: `try-${detector}`, checked: true });
  return element("p", { class: "field" }, element("label", {}, input, ` ${detector}, version ${version}, fitted `, moment(created)));
}

function afterwards() {
  const ways = [["", "as ‘rollout.promote’ of the configuration"], ["true", "it is promoted by itself"], ["false", "it waits for somebody to promote it"]];
  const select = element("select", { id: "afterwards" }, ways.map(([value, words]) => element("option", { value }, words)));
  return element("p", { class: "field" }, element("label", { for: "afterwards" }, "After the last step"), select);
}

function wish(candidates, steps) {
  const wanted = candidates.filter(({ detector }) => at(`try-${detector}`).checked);
  const policy = at("policy").value.trim();
  if (wanted.length === 0 && policy === "") throw new Error("Choose a candidate, or name a policy.");
  const byDetector = Object.fromEntries(wanted.map(({ detector, version }) => [detector, String(version)]));
  const promote = { true: true, false: false }[at("afterwards").value];
  return { versions: byDetector, ...(policy && { policy }), ...(steps && { steps }), ...(promote !== undefined && { promote }) };
}

function past(ended) {
  const row = (rollout) => [
    tried(rollout),
    badge(rollout.state),
    moment(rollout.began),
    rollout.ended && moment(rollout.ended.at),
    rollout.ended?.by,
    rollout.ended?.why,
    button(`report-${rollout.id}`, "Report", () => show(`Rollout of ${tried(rollout)}`, element("div", {}, reportOf(rollout.report))), { "aria-label": `Report of the rollout of ${tried(rollout)}` }),
  ];
  const caption = `Rollouts that have ended (the latest ${count(ended.length)})`;
  return table(caption, ["Tried", "End", "Began", "Ended", "By", "Why", "Report"], ended.map(row));
}
