// What the page knows. It comes from the bridge and is shown as it came: nothing is guessed ahead.
import { now, synchronise } from "./clock.js";

const ANNOUNCE = 400;
const EVENTS_KEPT = 20;
const MINE_KEPT = 200;

export const store = {
  connection: "opening", // "opening", "live", "lost"
  late: false, // the connection is away for longer than a moment
  why: null, // why the bridge gives no stream, in its words
  heard: null, // bridge's clock when it last said something
  bridge: null,
  devices: new Map(), // by id
  sending: new Map(), // by transaction: what is on its way to the bridge, or could not be sent
  wanted: new Map(), // by "id key": where a slider is or was left, `{value, stage, transaction}`, until the command has ended
  told: [],
};

const mine = new Set(); // transactions given from this page
const watchers = new Set();
let frame = 0;
let show = () => undefined;

/** Choose what shows the store; it is called at most once per frame. */
export function showWith(render) {
  show = render;
}

/** Ask for the page to be shown anew. */
export function changed() {
  if (frame) return;
  const run = () => {
    frame = 0;
    show();
  };
  frame = document.hidden ? setTimeout(run, 200) : requestAnimationFrame(run);
}

/** Be told of each device that changes, by its id. */
export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Find a device by its topic level. */
export function byTopic(topic) {
  for (const device of store.devices.values()) if (device.topic === topic) return device;
  return undefined;
}

/** Tell whether commands can be given. */
export function commandable(device) {
  return store.connection === "live" && device.enabled !== false;
}

/** Say something to those who do not see it. */
export function announce(text) {
  const place = document.getElementById("announcer");
  place.textContent = "";
  setTimeout(() => (place.textContent = text), ANNOUNCE);
}

/** Note that a command was given from here; the oldest ones are forgotten. */
export function own(transaction) {
  mine.add(transaction);
  if (mine.size > MINE_KEPT) mine.delete(mine.values().next().value);
}

/** Forget where sliders were left, but for those that a hand holds and those that are on their way.
 *
 * Stages: "loose", "hand" (held), "way" (let go, not known to the bridge yet), "given" (the bridge has it under way).
 */
function sweep(device) {
  for (const [place, wanted] of store.wanted) {
    const { stage } = wanted;
    const [id, key] = place.split(" ");
    if (id !== device.id || stage === "hand") continue;
    const pending = key in (device.document?.pending ?? {});
    if (pending && stage === "way") store.wanted.set(place, { ...wanted, stage: "given" });
    else if (!pending && stage !== "way") store.wanted.delete(place);
  }
}

function tellWatchers(id) {
  for (const watcher of watchers) watcher(id);
}

function heard() {
  store.heard = now();
}

/** Forget a wish whose command has ended; one that is newer stays. */
function ended(place, { event_type: event, transaction }) {
  const wanted = store.wanted.get(place);
  if (event === "accepted" || !wanted || wanted.stage === "hand") return;
  if (!wanted.transaction || wanted.transaction === transaction) store.wanted.delete(place);
}

export const events = {
  house({ bridge, devices }) {
    synchronise(bridge.time);
    heard();
    store.bridge = bridge;
    store.why = null;
    store.devices = new Map(devices.map((device) => [device.id, device]));
    for (const [place, { stage }] of store.wanted) if (stage !== "hand") store.wanted.delete(place);
    // Their outcomes may have been missed: what the house says of them is newer.
    for (const [transaction, { taken }] of store.sending) if (taken) store.sending.delete(transaction);
    store.connection = "live";
    store.late = false;
    tellWatchers(null);
    changed();
  },

  changes({ bridge, devices = [], removed = [] }) {
    heard();
    if (bridge) {
      synchronise(bridge.time);
      store.bridge = bridge;
    }
    for (const device of devices) {
      store.devices.set(device.id, device);
      sweep(device);
    }
    for (const id of removed) store.devices.delete(id);
    for (const id of [...devices.map((device) => device.id), ...removed]) tellWatchers(id);
    changed();
  },

  outcome(result, say) {
    heard();
    store.sending.delete(result.transaction);
    const device = store.devices.get(result.id_of_device);
    if (!device) return;
    store.devices.set(device.id, { ...device, recent: result });
    ended(`${device.id} ${result.key}`, result);
    if (mine.has(result.transaction)) announce(say(device, result));
    tellWatchers(device.id);
    changed();
  },

  told(event) {
    heard();
    store.told = [{ ...event, heard: store.heard }, ...store.told].slice(0, EVENTS_KEPT);
    changed();
  },

  time({ time }) {
    synchronise(time);
    heard();
  },
};

/** Note that the connection is away; `late`: for longer than a moment. */
export function lose(late) {
  const before = `${store.connection} ${store.late}`;
  if (store.connection === "live") store.connection = "lost";
  store.late = late;
  // What a slider shows then is a wish that nobody sends any more.
  store.wanted.clear();
  if (before !== `${store.connection} ${store.late}`) changed();
}
