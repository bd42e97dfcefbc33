// How what is tried does beside what is in force.

import { read } from "./api.js";
import { showText } from "./dialogs.js";
import { element, table } from "./dom.js";
import { may } from "./session.js";
import { count, measure, percent } from "./words.js";

const OUTCOMES = ["approve", "review", "block"];
const SHOWN = 10;

/// Every guard, what it is about, and how it is told.
const GUARDS = [
  ["failures", "Votes that fail, and do not fail in force", percent],
  ["slower", "How long detectors take, compared (p99)", (times) => `${measure(times)} times`],
  ["disagreement", "Rows with another outcome", percent],
  ["flag_rate", "Rows that are anomalous, compared", (times) => `${measure(times)} times`],
  ["score_shift", "Scores are distributed otherwise (index)", measure],
];

/// A report, as `GET /v1/rollouts` has it.
export function reportOf(report) {
  if (!report) return element("p", { class: "quiet" }, "Nothing was compared yet.");
  const dropped = report.dropped > 0 ? `; ${count(report.dropped)} more were not, because too many waited` : "";
  const compared = element("p", { class: "compared" }, `${count(report.rows)} rows were judged by both sides${dropped}.`);
  return [compared, guards(report), matrix(report.outcomes), differing(report)];
}

function guards(report) {
  if (!report.measures) {
    const needed = report.limits ? `: ${count(report.limits.rows)} are needed` : "";
    return element("p", { class: "quiet" }, `Guards say nothing of so few rows${needed}.`);
  }
  const rows = GUARDS.map((guard) => guardOf(guard, report));
  return table("Guards, against what they allow", ["Guard", "Measured", "Allowed", "How near"], rows);
}

function guardOf([name, words, told], { measures, limits, breached }) {
  const measured = measures[name];
  const looks = breached.find(([guard]) => guard === name)?.[1];
  const state = looks ? element("strong", { class: "breached" }, `does not hold, at ${count(looks)} looks in a row`) : null;
  // As few as that is as far as as many.
  const far = name === "flag_rate" ? Math.max(measured, 1 / measured) : measured;
  const near = limits && (limits[name] > 0 ? far / limits[name] : Number(far > 0));
  const bar = limits && meter(name, words, near);
  const head = [words, " ", element("code", {}, name)];
  return [head, told(measured), limits ? told(limits[name]) : "not known", [bar, state]];
}

function meter(name, words, near) {
  const text = `${words}: ${percent(near)} of what is allowed`;
  const values = { min: 0, max: 1, low: 0.7, high: 0.999, optimum: 0, value: Math.min(near, 1) };
  return element("meter", { ...values, "data-guard": name, "aria-label": text, title: text }, text);
}

function matrix(outcomes) {
  const rows = OUTCOMES.map((outcome, place) => [outcome, ...outcomes[place].map((rows, other) => cell(rows, place === other))]);
  return table("Outcomes in force (rows) and of what is tried (columns)", ["In force", ...OUTCOMES.map((outcome) => `tried: ${outcome}`)], rows);
}

function cell(rows, isSame) {
  return element("span", { class: isSame || rows === 0 ? "same" : "other" }, count(rows));
}

function differing({ disagreements, outcomes }) {
  const differ = outcomes.flatMap((row, place) => row.filter((rows, other) => place !== other && rows > 0));
  if (differ.length === 0) return element("p", { class: "quiet" }, "No row had two outcomes.");
  if (disagreements.length === 0) return element("p", { class: "quiet" }, "Which rows had two outcomes is told to whoever may read all decisions with their scores.");
  const cells = disagreements.slice(0, SHOWN).map((row) => [link(row.decision), side(row.control, row.control_score), side(row.tried, row.tried_score)]);
  return table(`The latest rows with two outcomes (${cells.length})`, ["Decision", "In force", "Tried"], cells);
}

function side(outcome, score) {
  return `${outcome}, ${measure(score)}`;
}

function link(id) {
  if (!may("read:decisions")) return id;
  const path = `/v1/decisions/${encodeURIComponent(id)}`;
  // A link alone would carry no key.
  const open = async (event) => {
    event.preventDefault();
    try {
      showText(`Decision ${id}`, JSON.stringify(await read(path), null, 2));
    } catch (error) {
      showText(`Decision ${id}`, error.message);
    }
  };
  return element("a", { id: `decision-${id}`, href: path, click: open }, id);
}
