// Detectors, the versions of their models, and what can be done with them.

import { act, ofDetector, read, upload } from "./api.js";
import { ask, complain, field, show } from "./dialogs.js";
import { at, button, element, facts, redraw, table } from "./dom.js";
import { markdown } from "./markdown.js";
import { may } from "./session.js";
import { badge, bytes, count, digest, moment, numbered } from "./words.js";

/// Larger files are refused by the service; `synod models import` takes them.
const LARGEST = 64 * 1024 * 1024;
/// So many versions are shown at first.
const SHOWN = 15;

const opened = new Set();

/// Draws all detectors, each with its versions: `{detector, versions}`. `trying` is the rollout that is under way.
export function drawModels(models, trying, again) {
  redraw(at("together"), [models, trying?.id, may("manage:models"), may("operate:service")], () => together(models, trying));
  // Which lists are open in full is part of what is drawn.
  const seen = [models, trying?.id, [...opened], may("manage:models"), may("operate:service")];
  redraw(at("models"), seen, () => models.map((each) => ofOne(each, trying, again)));
}

function labelled(list, label) {
  return list.find((version) => version.labels.includes(label));
}

function together(models, trying) {
  const candidates = models.flatMap(({ versions }) => labelled(versions, "candidate") ?? []);
  const before = models.flatMap(({ versions }) => labelled(versions, "previous") ?? []);
  const all = may("manage:models") && candidates.length > 1;
  const back = may("operate:service") && before.length > 1;
  const buttons = [
    all && button("promote-all", "Promote all candidates…", () => promote(candidates, models, trying)),
    back && button("rollback-all", "Roll all back…", () => rollback(before, models, trying)),
  ];
  return all || back ? element("div", { class: "buttons" }, buttons) : [];
}

function ofOne({ detector, versions }, trying, again) {
  const [live, previous, candidate] = ["live", "previous", "candidate"].map((label) => labelled(versions, label));
  const title = `detector-${detector.name}`;
  const number = (version) => (version ? `version ${version.version}` : "none");
  const known = facts([
    ["Live", number(live)],
    ["Previous", number(previous)],
    ["Candidate", number(candidate)],
    ["Plugin", `${detector.plugin.name} ${detector.plugin.version}`],
    ["State", detector.ready ? "ready" : badge("not ready")],
  ]);
  return element(
    "article",
    { "aria-labelledby": title },
    element("h3", { id: title }, detector.name),
    known,
    judgesOther(detector, live),
    listed(detector, versions, trying, again),
    element("div", { class: "buttons" }, acts(detector, versions, previous, trying)),
  );
}

/// The label moves first, and what cannot be loaded does not judge.
function judgesOther(detector, live) {
  const judges = detector.model.version;
  if (!live || live.version === judges) return null;
  return element("p", { class: "warning" }, `Version ${live.version} is live, and version ${judges} judges still: the other one is being loaded, or fails to.`);
}

function acts(detector, versions, previous, trying) {
  const name = detector.name;
  return [
    may("operate:service") && previous && button(`rollback-${name}`, "Roll back…", () => rollback([previous], [{ detector, versions }], trying)),
    may("manage:models") && button(`upload-${name}`, "Upload a version…", () => uploadTo(name)),
  ];
}

function listed(detector, versions, trying, again) {
  const newest = [...versions].reverse();
  const isWhole = opened.has(detector.name) || newest.length <= SHOWN;
  const shown = isWhole ? newest : newest.filter((version, place) => place < SHOWN || version.labels.length > 0);
  const columns = ["Version", "Labels", "Fitted", "Rows", "By", "Signed", "Plugin", "Digest", "Acts"];
  const rows = shown.map((version) => rowOf(detector, version, versions, trying));
  const whole = table(`Versions of ${detector.name}, the newest first`, columns, rows);
  const open = () => {
    opened.add(detector.name);
    again();
  };
  return [whole, !isWhole && button(`more-${detector.name}`, `Show all ${count(newest.length)} versions`, open)];
}

function rowOf(detector, version, all, trying) {
  const { detector: name, version: number } = version;
  const id = (what) => `${what}-${name}-${number}`;
  const from = version.recalibrated_from && element("small", {}, ` calibrated anew from ${version.recalibrated_from}`);
  const [isLive, isCandidate] = ["live", "candidate"].map((label) => version.labels.includes(label));
  const buttons = [
    button(id("card"), "Card", () => card(version), { "aria-label": `Model card of ${name}, version ${number}` }),
    may("manage:models") && !isLive && !isCandidate && button(id("propose"), "Propose…", () => propose(version), { "aria-label": `Propose ${name}, version ${number}` }),
    may("manage:models") && !isLive && button(id("promote"), "Promote…", () => promote([version], [{ detector, versions: all }], trying), { "aria-label": `Promote ${name}, version ${number}` }),
  ];
  return [
    String(number),
    [version.labels.map(badge), from],
    moment(version.created),
    element("span", { title: `${count(version.held_out_rows)} more calibrate it; from ${version.data}` }, count(version.training_rows)),
    version.author ?? "not known",
    signed(version.signatures),
    version.plugin,
    digest(id("digest"), version.sha256),
    element("div", { class: "buttons" }, buttons),
  ];
}

/// Who vouches for a version, and what their signatures are worth where they do not count.
function signed({ state, by, reason }) {
  const signer = (one) => `${one.name ?? one.key.slice(0, 12)}${one.state === "trusted" ? "" : ` (${one.state})`}`;
  const who = by.length > 0 && element("small", {}, `by ${by.map(signer).join(", ")}`);
  return [badge(state), who, reason && element("small", {}, ` ${reason}`)];
}

async function card(version) {
  try {
    const text = await read(ofDetector(version.detector, `versions/${version.version}/card`));
    show("Model card", markdown(text));
  } catch (error) {
    complain(error.message);
  }
}

/// What a question says of a version.
function described(version) {
  return [`version ${version.version} of ${version.detector} (fitted `, moment(version.created), `, ${count(version.training_rows)} rows, by ${version.author ?? "an unknown author"})`];
}

/// Which version judges instead of which.
function change(version, models) {
  const now = models.find(({ detector }) => detector.name === version.detector)?.detector.model.version;
  return element("li", {}, described(version), now === undefined || now === version.version ? "" : `, instead of version ${now}`);
}

function question(wanted, models, trying) {
  const ends = trying && element("p", { class: "warning" }, "A rollout is under way. If it is about these detectors, it ends by this.");
  return [
    element("p", {}, "From then on all rows are judged by"),
    element("ul", {}, wanted.map((version) => change(version, models))),
    element("p", {}, "It is loaded and tried on its golden rows first; if anything is wrong, what judges now goes on. No answer mixes versions."),
    ends,
  ];
}

function judging(answer) {
  return `Judging now: ${numbered(answer.versions)}.`;
}

function promote(wanted, models, trying) {
  const asked = Object.fromEntries(wanted.map(({ detector, version }) => [detector, String(version)]));
  const run = async () => judging(await act("/v1/models/promote", { versions: asked }));
  const title = wanted.length === 1 ? `Promote ${wanted[0].detector}, version ${wanted[0].version}?` : "Promote all candidates?";
  ask({ title, body: question(wanted, models, trying), confirm: "Promote", run });
}

function rollback(wanted, models, trying) {
  const run = async () => judging(await act("/v1/models/rollback", { detectors: wanted.map(({ detector }) => detector) }));
  const title = wanted.length === 1 ? `Roll ${wanted[0].detector} back?` : "Roll all detectors back?";
  ask({ title, body: question(wanted, models, trying), confirm: "Roll back", danger: true, run });
}

function propose(version) {
  const run = async () => {
    await act(ofDetector(version.detector, `versions/${version.version}/propose`));
    return `Version ${version.version} of ${version.detector} is the candidate.`;
  };
  const body = element("p", {}, "The candidate will be ", described(version), ". It judges nothing until it is promoted or tried.");
  ask({ title: `Propose ${version.detector}, version ${version.version}?`, body, confirm: "Propose", run });
}

function uploadTo(name) {
  const hint = `A bundle that ‘synod models export’ has written, at most ${bytes(LARGEST)}. It becomes the candidate, and judges nothing by itself.`;
  const body = field("bundle", "File", { type: "file", required: true }, hint);
  const run = async (far) => {
    const file = at("bundle").files[0];
    if (!file) throw new Error("No file is chosen.");
    if (file.size > LARGEST) throw new Error(`The file has ${bytes(file.size)}, and ${bytes(LARGEST)} are taken: use ‘synod models import’.`);
    const version = await upload(ofDetector(name, "versions"), file, far);
    return `Version ${version.version} of ${name} is there, and is the candidate.`;
  };
  ask({ title: `Upload a version of ${name}`, body, confirm: "Upload", run });
}
