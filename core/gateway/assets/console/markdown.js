// The part of Markdown that model cards are written in: headings, paragraphs, lists, tables, code. It makes elements and texts; markup in the text
// stays text.

import { element, wide } from "./dom.js";

const FENCE = "```";

/// A text, as elements.
export function markdown(text) {
  const lines = text.split(/\r?\n/);
  const blocks = [];
  while (lines.length > 0) {
    if (lines[0].trim() === "") lines.shift();
    else blocks.push(block(lines));
  }
  return element("div", { class: "card" }, blocks);
}

/// Takes the next block from the lines.
function block(lines) {
  if (lines[0].startsWith(FENCE)) return code(lines);
  if (/^#{1,6} /.test(lines[0])) return heading(lines.shift());
  if (lines[0].startsWith("|")) return grid(taken(lines, (line) => line.startsWith("|")));
  if (/^[-*] /.test(lines[0])) return list(lines);
  return element("p", {}, inline(taken(lines, isOfParagraph).join(" ")));
}

function isOfParagraph(line, place) {
  return place === 0 || !(line.trim() === "" || /^(#{1,6} |\||[-*] |```)/.test(line));
}

/// Takes lines as long as they belong to it.
function taken(lines, belongs) {
  const end = lines.findIndex((line, place) => !belongs(line, place));
  return lines.splice(0, end === -1 ? lines.length : end);
}

/// The dialog that shows the text has a heading of its own, above all of these.
function heading(line) {
  const depth = line.indexOf(" ");
  return element(`h${Math.min(depth + 2, 6)}`, {}, inline(line.slice(depth + 1)));
}

function code(lines) {
  lines.shift();
  const inside = taken(lines, (line) => !line.startsWith(FENCE));
  lines.shift();
  return element("pre", {}, element("code", {}, inside.join("\n")));
}

function list(lines) {
  const items = taken(lines, (line) => /^([-*] |\s+\S)/.test(line));
  const texts = [];
  for (const line of items) {
    if (/^[-*] /.test(line)) texts.push(line.slice(2));
    else texts.push(`${texts.pop()} ${line.trim()}`);
  }
  return element("ul", {}, texts.map((text) => element("li", {}, inline(text))));
}

function grid(lines) {
  const rows = lines.map(cells);
  const hasHead = rows.length > 1 && rows[1].every((cell) => /^:?-+:?$/.test(cell));
  const [head, body] = hasHead ? [rows[0], rows.slice(2)] : [[], rows];
  const names = head.some((cell) => cell !== "") ? element("thead", {}, row(head, () => "th")) : null;
  // Without names of columns, the first cell of a row is its name.
  const kind = (place) => (names === null && place === 0 ? "th" : "td");
  const whole = element("table", {}, names, element("tbody", {}, body.map((cells) => row(cells, kind))));
  return wide("A table of the card", whole);
}

function row(cells, kind) {
  return element("tr", {}, cells.map((cell, place) => element(kind(place), {}, inline(cell))));
}

/// The cells of a line: what is between `|`, where that is not written as `\|`.
function cells(line) {
  // A backslash goes with what it stands before.
  const pieces = line.slice(1).match(/\\.|[^\\|]+|[\\|]/gs) ?? [];
  const found = [""];
  for (const piece of pieces) {
    if (piece === "|") found.push("");
    else found[found.length - 1] += piece;
  }
  return (found.at(-1).trim() === "" ? found.slice(0, -1) : found).map((cell) => cell.trim());
}

/// The texts of a line: `code`, and characters that a backslash makes ordinary.
function inline(text) {
  const parts = [];
  let plain = "";
  for (let place = 0; place < text.length; place += 1) {
    const end = text[place] === "`" ? text.indexOf("`", place + 1) : -1;
    if (text[place] === "\\" && /[!-/:-@[-`{-~]/.test(text[place + 1] ?? "")) {
      plain += text[++place];
    } else if (end > place) {
      parts.push(plain, element("code", {}, text.slice(place + 1, end)));
      [plain, place] = ["", end];
    } else {
      plain += text[place];
    }
  }
  return [...parts, plain];
}
