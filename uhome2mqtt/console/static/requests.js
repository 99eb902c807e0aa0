// What the page asks of the bridge. All addresses are relative: a reverse proxy may put a prefix before them.
import { words } from "./strings.js";

const COMMAND_WITHIN = 10_000;
const REQUEST_WITHIN = 100_000;
const BUNDLE_WITHIN = 130_000; // the bridge gives up after 120 s

/** An answer that says no, or none at all. */
export class Refusal extends Error {
  constructor(message, { status = 0, body = null } = {}) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

async function ask(path, options, within) {
  let response;
  try {
    response = await fetch(path, {
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      signal: AbortSignal.timeout(within),
      ...options,
    });
  } catch (problem) {
    throw new Refusal(problem.name === "TimeoutError" ? words.errors.late(within / 1000) : words.errors.unreachable);
  }
  if (response.status === 401) {
    location.reload();
    throw new Refusal(words.errors.session, { status: 401 });
  }
  return response;
}

async function json(response) {
  try {
    return await response.json();
  } catch {
    throw new Refusal(words.errors.status(response.status), { status: response.status });
  }
}

async function post(path, members, within) {
  const headers = { "Content-Type": "application/json" };
  const response = await ask(path, { method: "POST", headers, body: JSON.stringify(members) }, within);
  const body = await json(response);
  if (!response.ok) {
    throw new Refusal(body?.error ?? words.errors.status(response.status), { status: response.status, body });
  }
  return body;
}

/** Name the path of a device; with its id, so that the topic's next owner is never meant. */
function path({ topic, id = null }, rest = "") {
  return `api/devices/${encodeURIComponent(topic)}${rest}${id === null ? "" : `?id=${encodeURIComponent(id)}`}`;
}

/** Give a command, once: the outcome comes as an event. */
export function command(device, members) {
  return post(path(device, "/set"), members, COMMAND_WITHIN);
}

/** Query a device now. */
export function query(device) {
  return post(path(device, "/get"), {}, REQUEST_WITHIN);
}

/** Send one of the requests that the bridge also takes over MQTT; returns the `data` of its response. */
export async function request(name, members = {}) {
  return (await post(`api/requests/${name}`, members, REQUEST_WITHIN)).data;
}

/** Read all of one device, by its topic level and, where it is known, its id. */
export async function readDevice(device) {
  const response = await ask(path(device), {}, COMMAND_WITHIN);
  const body = await json(response);
  if (!response.ok) throw new Refusal(body?.error ?? words.errors.status(response.status), { status: response.status });
  return body;
}

/** Tell whether the bridge answers at all, and why not: `{up, why}`; without a session the page is loaded again.
 *
 * `stream`: whether it gives a stream, too; why it does not, the browser's own reader of streams does not tell.
 */
export async function probe(stream) {
  const ends = new AbortController();
  const timer = setTimeout(() => ends.abort(), COMMAND_WITHIN);
  try {
    const response = await ask(stream ? "api/events" : "api/time", { signal: ends.signal }, COMMAND_WITHIN);
    if (response.ok) return { up: true, why: null };
    return { up: false, why: (await response.json().catch(() => null))?.error ?? words.errors.status(response.status) };
  } catch {
    return { up: false, why: null };
  } finally {
    clearTimeout(timer);
    ends.abort();
  }
}

/** Fetch the diagnostics; returns them with their file name. */
export async function diagnostics() {
  const response = await ask("api/diagnostics", {}, BUNDLE_WITHIN);
  if (!response.ok) throw new Refusal(words.errors.status(response.status), { status: response.status });
  const named = /filename="?([^";]+)"?/.exec(response.headers.get("Content-Disposition") ?? "");
  try {
    return { blob: await response.blob(), name: named?.[1] ?? "uhome2mqtt-diagnostics.zip" };
  } catch {
    throw new Refusal(words.errors.unreachable);
  }
}

/** Sign out. */
export function endSession() {
  return ask("session/end", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }, COMMAND_WITHIN);
}

/** Make up a transaction: new for each wish, so that nothing is carried out twice. */
export function transaction() {
  const bytes = crypto.getRandomValues(new Uint8Array(9));
  return `console-${Array.from(bytes, (byte) => byte.toString(36).padStart(2, "0")).join("")}`;
}
