// The steps of a rollout that is to begin: as configured, or others.

import { element, fill } from "./dom.js";

/// As the service has it.
const MOST = 20;
const FIRST = [[5, "10m"], [50, "10m"]];

/// An editor, and what tells what was chosen in it: steps, or nothing where they are to be as configured.
export function stepsEditor() {
  const own = element("input", { type: "checkbox", id: "own-steps" });
  const list = element("ol", { class: "steps-editor" });
  const more = element("button", { type: "button", id: "add-step", click: () => add(list, more, [100, "10m"]) }, "Add a step");
  const editor = element("div", {}, list, more);
  editor.hidden = true;
  own.addEventListener("change", () => {
    editor.hidden = !own.checked;
    fill(list);
    if (own.checked) FIRST.forEach((step) => add(list, more, step));
  });
  const choice = element("p", { class: "field" }, element("label", {}, own, " Other steps than ‘rollout.steps’ of the configuration"));
  const whole = element("fieldset", {}, element("legend", {}, "Steps"), choice, editor);
  return [whole, () => (own.checked ? [...list.children].map(read) : null)];
}

function add(list, more, [share, hold]) {
  const inPercent = element("input", { type: "number", min: 0, max: 100, step: "any", required: true, value: share, class: "share" });
  const held = element("input", { type: "text", required: true, value: hold, title: "A time span, as 10m or 1h 30m", class: "hold" });
  const remove = () => {
    line.remove();
    more.disabled = false;
  };
  const gone = element("button", { type: "button", click: remove }, "Remove");
  const line = element("li", {}, element("label", {}, inPercent, " % of the entities"), " ", element("label", {}, "for ", held, " at least"), " ", gone);
  list.append(line);
  more.disabled = list.children.length >= MOST;
}

function read(line) {
  // 7 / 100 is not the number that 0.07 is.
  const share = Number((Number(line.querySelector(".share").value) / 100).toPrecision(12));
  return { share, hold: line.querySelector(".hold").value.trim() };
}
