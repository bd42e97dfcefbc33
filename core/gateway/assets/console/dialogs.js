// Questions, and what is shown beside the page. While one is open the page behind it stays as it is.

import { at, element, fill } from "./dom.js";

let afterwards = () => {};
let opened = 0;

/// What is done when a dialog was closed.
export function afterDialogs(done) {
  afterwards = done;
}

/// Whether somebody is being asked.
export function isAsking() {
  return document.querySelector("dialog[open]") !== null;
}

/// Says what was done. It is read out.
export function say(text) {
  fill(at("refused"));
  fill(at("said"), text);
}

/// Says what was not done, and why. It is read out at once.
export function complain(text) {
  if (at("refused").textContent === text) return;
  fill(at("said"));
  fill(at("refused"), text);
}

function open(title, body, buttons) {
  const opener = document.activeElement;
  // One can be opened from another one.
  const id = `dialog-title-${++opened}`;
  const heading = element("h2", { id }, title);
  const dialog = element("dialog", { "aria-labelledby": id }, heading, body, element("div", { class: "buttons" }, buttons));
  dialog.addEventListener("close", async () => {
    dialog.remove();
    await afterwards();
    // What the dialog was opened by may have been drawn anew.
    (opener.isConnected ? opener : at(opener.id))?.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/// Shows something.
export function show(title, body) {
  const close = element("button", { type: "button", class: "close", click: () => dialog.close() }, "Close");
  const dialog = open(title, body, [close]);
}

/// Shows a text as it is.
export function showText(title, text) {
  show(title, element("pre", { tabindex: 0, "aria-label": title }, text));
}

/// Asks, and does it if that is wanted: `run` is given what tells how far it is (from 0 to 1), and returns what to say when it is done. If it is
/// refused, the dialog says why and stays.
export function ask({ title, body, confirm, danger, run }) {
  const [cancel, yes] = [element("button", { type: "button", id: "dialog-cancel" }, "Cancel"), confirmation(confirm, danger)];
  const [why, progress] = [element("p", { class: "refused", role: "alert" }), element("progress", { max: 1, "aria-label": "Sent" })];
  progress.hidden = true;
  const form = element("form", { id: "dialog-form" }, body, progress, why);
  const dialog = open(title, form, [cancel, yes]);
  cancel.addEventListener("click", () => dialog.close());
  const far = (share) => {
    progress.hidden = false;
    progress.value = share;
  };
  let isBusy = false;
  // What is under way is waited for: nobody is to believe that it was taken back.
  dialog.addEventListener("cancel", (event) => isBusy && event.preventDefault());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = cancel.disabled = yes.disabled = true;
    fill(why);
    fill(yes, "Please wait…");
    try {
      say(await run(far));
      dialog.close();
    } catch (error) {
      fill(why, error.message);
      progress.hidden = true;
    }
    isBusy = cancel.disabled = yes.disabled = false;
    fill(yes, confirm);
  });
}

function confirmation(text, danger) {
  return element("button", { type: "submit", form: "dialog-form", id: "dialog-confirm", class: danger ? "danger" : "main" }, text);
}

/// A field with its name.
export function field(id, name, attributes, hint) {
  const described = hint ? { "aria-describedby": `${id}-hint` } : {};
  const input = element("input", { id, ...described, ...attributes });
  const under = hint && element("small", { id: `${id}-hint` }, hint);
  return element("p", { class: "field" }, element("label", { for: id }, name), input, under);
}
