// Elements. Whatever comes from the service goes into a page through here, as text or as the value of an attribute, and never as markup.

/// An element with attributes and children. A function is a listener (`click: …`), `true` an attribute without a value; what is `null`, `undefined` or
/// `false` is left out. Children are elements, texts, or lists of both.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key, value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.flat(Infinity).filter(isThere).map(node));
  return made;
}

function isThere(child) {
  return child !== null && child !== undefined && child !== false;
}

function node(child) {
  return child instanceof Node ? child : document.createTextNode(String(child));
}

/// The element of the page with this id.
export function at(id) {
  return document.getElementById(id);
}

/// Puts something in the place of what an element holds.
export function fill(place, ...children) {
  place.replaceChildren(...children.flat(Infinity).filter(isThere).map(node));
}

const drawn = new WeakMap();

/// Draws anew what an element holds, if the data that it is drawn from are others than last time. Whoever is at a button inside stays there; if it
/// is gone, they are at the beginning of the content.
export function redraw(place, data, draw) {
  const text = JSON.stringify(data);
  if (drawn.get(place) === text) return;
  drawn.set(place, text);
  const active = place.contains(document.activeElement) ? document.activeElement.id : "";
  fill(place, draw());
  if (active) (at(active) ?? at("main")).focus({ preventScroll: true });
}

/// A button.
export function button(id, text, click, attributes = {}) {
  return element("button", { type: "button", id, click, ...attributes }, text);
}

/// A table. `rows` are lists of cells; the first one of each row says what the row is about.
export function table(caption, columns, rows) {
  const head = element("tr", {}, columns.map((column) => element("th", { scope: "col" }, column)));
  const cells = (row) => row.map((cell, place) => element(place === 0 ? "th" : "td", place === 0 ? { scope: "row" } : {}, cell));
  const body = rows.map((row) => element("tr", {}, cells(row)));
  const whole = element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, body));
  return wide(caption, whole);
}

/// What may be wider than a phone: it is moved sideways, also by the arrow keys.
export function wide(name, table) {
  return element("div", { class: "wide", tabindex: 0, role: "group", "aria-label": name }, table);
}

/// A list of names and what they stand for.
export function facts(pairs) {
  const pair = ([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value));
  return element("dl", {}, pairs.filter(isThere).map(pair));
}
