// Requests to the service that the page came from. A key that was pasted is kept here, in the page's memory, and ends with it.

let key = null;
let token = null;

// Reading is quick. What is put in force is loaded and tried first, and that is waited for.
const READING = 15_000;
const ACTING = 300_000;

/// What the service refused, in its words.
export class Refusal extends Error {
  constructor(status, problem, wait) {
    super(problem.detail ?? problem.title ?? `The service answered ${status}.`);
    this.status = status;
    this.code = problem.code ?? "";
    /// For how many seconds it asks to be left alone.
    this.wait = wait;
  }
}

/// Calls by this API key from now on; by the session again with `null`.
export function useKey(text) {
  key = text;
}

/// Whether a key was pasted.
export function hasKey() {
  return key !== null;
}

/// What the session's requests prove with that they come from a page of the console.
export function useToken(text) {
  token = text;
}

function headers(isAct) {
  const all = new Headers({ accept: "application/json, text/markdown;q=0.9" });
  if (key !== null) all.set("authorization", `Bearer ${key}`);
  else if (isAct && token !== null) all.set("x-csrf-token", token);
  return all;
}

/// What is told at a path: JSON, or a text.
export async function read(path) {
  return answered(await sent(path, { method: "GET", headers: headers(false) }, READING));
}

/// Has something done.
export async function act(path, body) {
  const with_body = headers(true);
  with_body.set("content-type", "application/json");
  return answered(await sent(path, { method: "POST", headers: with_body, body: JSON.stringify(body ?? {}) }, ACTING));
}

async function sent(path, request, longest) {
  const whole = { ...request, credentials: "same-origin", cache: "no-store", redirect: "error", signal: AbortSignal.timeout(longest) };
  try {
    return await fetch(path, whole);
  } catch (error) {
    const why = error.name === "TimeoutError" ? `did not answer within ${longest / 1000} s` : "cannot be reached";
    throw new Refusal(0, { detail: `The service ${why}.` }, 0);
  }
}

async function answered(response) {
  const [text, kind] = [await response.text(), response.headers.get("content-type") ?? ""];
  if (!response.ok) throw refused(response.status, text, response.headers.get("retry-after"));
  return kind.startsWith("application/json") ? JSON.parse(text) : text;
}

function refused(status, text, wait) {
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch {
    // Something that stands before the service has answered in its place.
  }
  return new Refusal(status, problem, Number(wait) || 0);
}

/// Sends a file, and tells how much of it has been sent, from 0 to 1.
export function upload(path, file, progress) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    headers(true).forEach((value, name) => request.setRequestHeader(name, value));
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.addEventListener("progress", (event) => event.lengthComputable && progress(event.loaded / event.total));
    request.addEventListener("error", () => failed(new Refusal(0, { detail: "The service cannot be reached, or takes no more of this file." }, 0)));
    request.addEventListener("load", () => {
      const isDone = request.status >= 200 && request.status < 300;
      if (isDone) done(JSON.parse(request.responseText));
      else failed(refused(request.status, request.responseText, null));
    });
    request.send(file);
  });
}

/// The path of something of a detector.
export function ofDetector(name, rest) {
  return `/v1/detectors/${encodeURIComponent(name)}/${rest}`;
}
