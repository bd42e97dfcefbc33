// The page of models and rollouts: reads what it shows every two seconds while somebody sees it, and draws what has changed.

import { ofDetector, read } from "./api.js";
import { afterDialogs, isAsking } from "./dialogs.js";
import { at, fill, redraw } from "./dom.js";
import { drawHealth } from "./health.js";
import { drawModels } from "./models.js";
import { drawRollouts, underWay } from "./rollouts.js";
import { drawSession, identify, may } from "./session.js";

const EVERY = 2_000;
/// Lists of versions and who is logged in change less often.
const SELDOM = 10_000;

let timer = null;
let identified = 0;
let known = new Map();
let shown = null;
let reading = null;
let isWanted = false;

/// Reads and draws what is shown. `isNew` says that something was changed just now, or that somebody else looks: that is read anew also if a reading
/// had begun before.
async function refresh(isNew) {
  isWanted ||= isNew;
  reading ??= attempt();
  await reading;
}

/// What is refreshed by itself is what somebody sees, and nothing while they are asked.
function again(wait) {
  clearTimeout(timer);
  const isIdle = () => document.hidden || isAsking();
  timer = setTimeout(() => (isIdle() ? again(EVERY) : refresh(false)), wait);
}

/// Tries to read everything, and says when that does not succeed.
async function attempt() {
  let wait = EVERY;
  try {
    do await once();
    while (isWanted);
    told("");
    fill(at("refreshed"), `As of ${new Date().toLocaleTimeString("en-GB")}; read again every ${EVERY / 1000} seconds.`);
  } catch (error) {
    isWanted = false;
    // Whoever is not let in any more is asked who they are.
    if (error.status === 401 || error.status === 403) identified = 0;
    wait = Math.max(SELDOM, error.wait * 1000 || 0);
    told(`What is shown here may be old, and is tried again: ${error.message}`);
  }
  reading = null;
  again(wait);
}

/// It is read out, and so not said twice.
function told(text) {
  redraw(at("unread"), text, () => text);
}

async function once() {
  const isAll = isWanted || Date.now() - identified >= SELDOM;
  isWanted = false;
  if (isAll) {
    await identify();
    identified = Date.now();
  }
  drawSession(() => refresh(true));
  const mayRead = may("read:detectors");
  at("content").hidden = !mayRead;
  if (!mayRead) return clear();
  const status = may("operate:service") ? read("/v1/status") : null;
  const [detectors, rollouts, told] = await Promise.all([read("/v1/detectors"), read("/v1/rollouts"), status]);
  shown = { models: await modelsOf(detectors, isAll), rollouts, status: told };
  if (!isAsking()) draw();
}

/// What was shown to somebody else is not left behind.
function clear() {
  shown = null;
  known = new Map();
  for (const id of ["health", "trying", "report", "ended", "together", "models"]) redraw(at(id), null, () => []);
}

/// The detectors with their versions, which are read again where a version has come to judge meanwhile.
async function modelsOf(detectors, isAll) {
  const versionsOf = async (detector) => {
    const before = known.get(detector.name);
    const isSame = before?.judging === detector.model.version;
    return isSame && !isAll ? before.versions : read(ofDetector(detector.name, "versions"));
  };
  const lists = await Promise.all(detectors.map(versionsOf));
  const pairs = detectors.map((detector, place) => [detector.name, { judging: detector.model.version, versions: lists[place] }]);
  known = new Map(pairs);
  return detectors.map((detector, place) => ({ detector, versions: lists[place] }));
}

function draw() {
  if (shown === null) return;
  drawHealth(shown.status);
  drawRollouts(shown.rollouts, shown.models);
  drawModels(shown.models, underWay(shown.rollouts), draw);
}

afterDialogs(() => refresh(true));
document.addEventListener("visibilitychange", () => document.hidden || refresh(true));
refresh(true);
