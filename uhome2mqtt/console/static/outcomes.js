// Commands: giving them, and saying what became of them.
import { now } from "./clock.js";
import { Refusal, command, transaction } from "./requests.js";
import { inText } from "./names.js";
import { announce, changed, own, store } from "./store.js";
import { words } from "./strings.js";
import { valueText } from "./values.js";

const SHOWN_FOR = 15 * 60_000;
const UNSENT_FOR = 60_000;

/** Say what was commanded. */
export function payloadText(key, payload) {
  if (key === "brightness") return words.outcome.brightness(payload);
  if (key === "color_temp") return words.outcome.colorTemp(payload);
  if (key === "mode") return words.outcome.mode(words.states[payload] ?? payload);
  return valueText(key, payload);
}

/** Say what became of a command. */
export function outcomeText(result) {
  const what = payloadText(result.key, result.payload);
  const said = words.outcome;
  const why = [result.reason, result.message].filter(Boolean).join(": ") || words.nothing;
  const seconds = said.seconds(result.seconds ?? 0);
  switch (result.event_type) {
    case "accepted":
      return said.accepted(what);
    case "confirmed":
      return said.confirmed(what, said.how[result.reason] ?? "", seconds);
    case "superseded":
      return said.superseded(what);
    case "unconfirmed":
    case "rejected":
    case "failed":
    case "refused":
      return said[result.event_type](what, why);
    default:
      return said.other(what, result.event_type);
  }
}

/** Tell how an outcome looks: going on, good, or bad. */
export function outcomeLook(event) {
  if (event === "accepted") return "moving";
  if (event === "confirmed") return "good";
  return event === "superseded" ? "none" : "bad";
}

/** Find what there is to say about a device's newest command: `{look, text, at}` or null. */
export function newest(device) {
  const own = ownNews(device);
  if (own) return own;
  const result = device.recent;
  if (!result) return null;
  const age = now() - Date.parse(result.at);
  if (age > SHOWN_FOR) return null;
  return { look: outcomeLook(result.event_type), text: outcomeText(result), at: result.at, message: warning(result) };
}

/** Find what is on its way to a device from here, or could not be sent: the newest of it, or null. */
export function ownNews(device) {
  let found = null;
  for (const each of store.sending.values()) if (each.id === device.id) found = each;
  return found;
}

/** Say of a command that it was not sent; a minute later that is old. */
export function unsent(device, name, text) {
  forget(device);
  store.sending.set(name, { id: device.id, look: "bad", text, at: new Date(now()).toISOString(), taken: false });
  setTimeout(() => {
    store.sending.delete(name);
    changed();
  }, UNSENT_FOR);
  announce(words.outcome.announced(inText(device.name), text));
  changed();
}

/** Forget what could not be sent: there is something newer. */
function forget(device) {
  for (const [name, { id, look }] of store.sending) if (id === device.id && look === "bad") store.sending.delete(name);
}

function warning(result) {
  return ["accepted", "confirmed"].includes(result.event_type) ? result.message : null;
}

/** Give a command, once. What is shown of it is only that it is on its way. */
export async function give(device, key, value) {
  const place = `${device.id} ${key}`;
  if (store.connection !== "live") {
    store.wanted.delete(place);
    changed();
    return;
  }
  const what = payloadText(key, value);
  const name = transaction();
  own(name);
  forget(device);
  store.sending.set(name, { id: device.id, look: "moving", text: words.outcome.sending(what), at: null, taken: false });
  const wanted = store.wanted.get(place);
  if (wanted) store.wanted.set(place, { ...wanted, transaction: name });
  changed();
  try {
    await command(device, { [key]: value, sent_at: Math.round(now()) / 1000, transaction: name });
    taken(name);
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    if (store.wanted.get(place)?.transaction === name) store.wanted.delete(place);
    store.sending.delete(name);
    unsent(device, name, words.outcome.notSent(what, problem.message));
  }
}

/** Note that the bridge has a command: its outcome comes as an event, or has overtaken this. */
function taken(name) {
  const sending = store.sending.get(name);
  if (!sending) return;
  store.sending.set(name, { ...sending, taken: true });
  setTimeout(() => store.sending.delete(name) && changed(), UNSENT_FOR);
}
