// Who looks at the page, and what they may.

import { act, hasKey, read, useKey, useToken } from "./api.js";
import { complain, field, say } from "./dialogs.js";
import { at, button, element, redraw } from "./dom.js";

const LOGIN = "/console/login?return_to=/console/models";

/// Nobody, as far as the service knows.
const NOBODY = { permissions: [], roles: [], login: false, isKnown: false };

let who = NOBODY;

/// Whether whoever looks may do this.
export function may(permission) {
  return who.permissions.includes(permission);
}

/// Asks the service who calls. It is asked anew now and then: sessions end, and roles are taken away.
export async function identify() {
  try {
    const told = await read("/console/session");
    who = { ...told, isKnown: told.caller !== "anonymous" };
    useToken(told.csrf_token ?? null);
  } catch (error) {
    if (![401, 404].includes(error.status)) throw error;
    if (hasKey()) {
      useKey(null);
      complain("The service does not take this API key, or not any more.");
      return identify();
    }
    who = { ...NOBODY, login: error.status === 401 };
    useToken(null);
  }
  return who;
}

/// Draws who is there, and the way in for whoever is not. `changed` is called when somebody came or went.
export function drawSession(changed) {
  redraw(at("session"), [who, hasKey()], () => (who.isKnown ? known(changed) : []));
  redraw(at("entry"), [who.isKnown, who.login, who.permissions], () => (who.isKnown ? withheld() : entry(changed)));
}

function withheld() {
  if (may("read:detectors")) return [];
  const words = "You may not see models and rollouts: it takes the permission ‘read:detectors’. Ask whoever gives you your roles.";
  return element("p", { class: "warning" }, words);
}

function known(changed) {
  const roles = who.roles.length > 0 ? who.roles.join(", ") : "no role";
  const leave = hasKey() ? button("leave", "Forget the key", () => forget(changed)) : button("leave", "Log out", () => logOut(changed));
  // Of a client certificate there is nothing to forget.
  const isLeft = hasKey() || who.csrf_token !== undefined;
  return [element("span", { id: "who" }, `${who.name ?? who.caller} (${roles})`), isLeft && leave];
}

function forget(changed) {
  useKey(null);
  say("The key is forgotten.");
  return changed();
}

async function logOut(changed) {
  try {
    await act("/console/logout");
    say("You are logged out here; your identity provider may know you still.");
  } catch (error) {
    complain(error.message);
  }
  return changed();
}

function entry(changed) {
  const isOpen = who.permissions.length > 0;
  const words = isOpen
    ? "Nobody is logged in. Without a credential this much is shown, and allowed, to anybody who reaches the service."
    : "Nobody is logged in. Versions and rollouts are shown to whoever may read detectors.";
  const login = who.login && element("p", {}, element("a", { id: "login", class: "button", href: LOGIN }, "Log in"));
  return element("section", { class: "notice", "aria-label": "Log in" }, element("p", {}, words), login, keyForm(changed));
}

function keyForm(changed) {
  const attributes = { type: "password", autocomplete: "off", spellcheck: "false", required: true, maxlength: 8192 };
  const hint = "It is kept in the memory of this page alone, and forgotten when you leave it.";
  const submit = async (event) => {
    event.preventDefault();
    const text = at("key").value.trim();
    // Nothing else can stand in a header.
    if (!/^[\x21-\x7e]+$/.test(text)) return complain("This is no API key: it is one word of plain characters.");
    useKey(text);
    await changed();
    if (who.isKnown) say(`You are ${who.caller}.`);
  };
  return element("form", { id: "key-form", submit }, field("key", "API key", attributes, hint), element("button", { type: "submit", class: "main" }, "Use this key"));
}
