// Numbers, times and names as people read them.

import { button, element } from "./dom.js";
import { say, showText } from "./dialogs.js";

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/// A number of things.
export function count(number) {
  return whole.format(number);
}

/// A number from 0 to 1, in per cent.
export function percent(share) {
  return `${Number((share * 100).toPrecision(3))} %`;
}

/// A measure, with three digits that count.
export function measure(number) {
  return Number.isFinite(number) ? String(Number(number.toPrecision(3))) : String(number);
}

/// Bytes.
export function bytes(number) {
  if (number < 1024) return `${number} B`;
  return number < 1024 * 1024 ? `${(number / 1024).toFixed(1)} KiB` : `${(number / 1024 / 1024).toFixed(1)} MiB`;
}

/// Seconds.
export function span(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = units.find(([size]) => seconds >= size) ?? [1, "s"];
  return `${Number((seconds / size).toFixed(1))} ${unit}`;
}

/// A moment by the clock of whoever looks; to the millisecond when pointed at.
export function moment(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime()) ? text : element("time", { datetime: text, title: text }, clock.format(time));
}

/// The beginning of a digest; the whole of it when pointed at, and by a click in the clipboard.
export function digest(id, text) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say("The digest is in the clipboard.");
    } catch {
      // Browsers give the clipboard to encrypted pages alone.
      showText("Digest", text);
    }
  };
  return button(id, text.slice(0, 12), copy, { class: "digest", title: text, "aria-label": `Copy the digest ${text.slice(0, 12)}` });
}

/// A label of a version, or how a rollout is.
export function badge(text) {
  return element("span", { class: "badge", "data-kind": text }, text.replaceAll("_", " "));
}

/// Versions by detector, as `forest 2, density 4`.
export function numbered(byDetector) {
  return Object.entries(byDetector).map(([detector, version]) => `${detector} ${version}`).join(", ");
}

/// What a rollout tries.
export function tried(rollout) {
  const parts = [numbered(rollout.versions), rollout.policy ? `policy ${rollout.policy}` : ""];
  return parts.filter((part) => part !== "").join(", ");
}
