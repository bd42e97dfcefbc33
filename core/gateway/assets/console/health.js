// Whether what is live is what judges, and what else is not well.

import { at, element, redraw } from "./dom.js";
import { may } from "./session.js";
import { badge, moment } from "./words.js";

/// Draws what `GET /v1/status` says of health; `null` where it is not told.
export function drawHealth(status) {
  const parts = (status?.readiness.parts ?? []).filter((part) => part.state !== "ok" || (part.name === "models" && part.reason));
  redraw(at("health"), [parts, may("operate:service")], () => {
    if (!may("operate:service")) return element("p", { class: "quiet" }, "Whether a version fails to load is told to whoever has ‘operate:service’.");
    if (parts.length === 0) return element("p", { class: "quiet" }, "Every part of the service is well; what is live is what judges.");
    return element("ul", { class: "health", "aria-label": "What is not well" }, parts.map(line));
  });
}

function line(part) {
  const since = part.since && [", since ", moment(part.since)];
  return element("li", { "data-part": part.name }, badge(part.state), " ", element("strong", {}, part.name), since, part.reason && `: ${part.reason}`);
}
