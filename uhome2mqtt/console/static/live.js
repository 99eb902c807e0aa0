// The stream of events: opened while somebody looks, opened again when it breaks, given up when it falls silent.
import { LOOK, stoodStill } from "./awake.js";
import { advance } from "./clock.js";
import { dismiss } from "./dialogs.js";
import { probe } from "./requests.js";
import { changed, events, lose, store } from "./store.js";
import { outcomeText } from "./outcomes.js";
import { inText } from "./names.js";
import { words } from "./strings.js";

const SILENCE = 35_000; // the bridge tells the time every 15 s
const HIDDEN = 30_000;
const MOMENT = 2_000;
const AGAIN = [200, 1_000, 2_000, 4_000, 8_000, 10_000];
const SPREAD = 0.3; // many pages do not come back at the same moment

let source = null;
let round = 0; // one higher with each stream that is opened or closed: what an older one says is too late
let attempt = 0;
let silence = 0;
let again = 0;
let hidden = 0;
let moment = 0;
let heard = 0; // when the stream last said something, by the wall clock

/** Open the stream now, and keep it open. */
export function follow() {
  open();
  setInterval(look, LOOK);
  document.addEventListener("visibilitychange", seenOrNot);
  addEventListener("focus", look);
  // Whoever comes back and presses at once presses on what was: it is noticed before the press counts.
  for (const kind of ["pointerdown", "keydown", "click", "submit"]) addEventListener(kind, look, { capture: true });
  addEventListener("pagehide", rest);
  addEventListener("pageshow", (event) => (event.persisted || !source) && !again && wake());
  addEventListener("online", () => comeBack(false));
}

function open() {
  close();
  const own = round;
  source = new EventSource("api/events");
  const say = (device, result) => words.outcome.announced(inText(device.name), outcomeText(result));
  for (const [name, take] of Object.entries(events)) {
    source.addEventListener(name, (event) => {
      if (own !== round) return;
      listen();
      take(JSON.parse(event.data), say);
      if (name === "house") settle();
    });
  }
  source.addEventListener("open", () => own === round && listen());
  source.addEventListener("error", (event) => own === round && broken(event.target.readyState === EventSource.CLOSED));
  listen();
}

function close() {
  round += 1;
  source?.close();
  source = null;
  clearTimeout(silence);
  clearTimeout(again);
  again = 0;
}

function listen() {
  heard = Date.now();
  clearTimeout(silence);
  silence = setTimeout(broken, SILENCE);
}

function settle() {
  attempt = 0;
  clearTimeout(moment);
  moment = 0;
}

/** Open the stream again after a while; `refused`: the bridge has answered, but with a no. */
function broken(refused = false) {
  close();
  const own = round;
  const wait = AGAIN[Math.min(attempt, AGAIN.length - 1)] * (1 + SPREAD * (2 * Math.random() - 1));
  attempt += 1;
  // A break that is mended at once is not worth a word.
  if (!moment) moment = setTimeout(() => lose(true), MOMENT);
  again = setTimeout(async () => {
    // Only a fetch tells why, and that the session has ended; then it loads the page again by itself.
    if (refused || attempt > 1) {
      const { up, why } = await probe(refused);
      if (own !== round) return;
      store.why = why;
      changed();
      if (!up) {
        broken(refused);
        return;
      }
    }
    if (!document.hidden || !hidden) open();
  }, wait);
}

/** See whether the page has stood still, or the stream is silent. */
function look() {
  const { asleep, frozen } = stoodStill();
  if (asleep > 0) advance(asleep);
  const still = asleep || frozen;
  const silent = source && Date.now() - heard > SILENCE;
  if (!still && !silent) return;
  if (!document.hidden) wake();
  else if (source) rest();
}

/** What is shown may be hours old: it counts as old until the bridge has spoken. */
function wake() {
  comeBack(true);
}

function comeBack(late) {
  lose(late);
  dismiss();
  clearTimeout(moment);
  moment = late ? 0 : setTimeout(() => lose(true), MOMENT);
  attempt = 0;
  open();
}

function seenOrNot() {
  clearTimeout(hidden);
  hidden = 0;
  if (document.hidden) {
    look();
    hidden = setTimeout(rest, HIDDEN);
    return;
  }
  const before = round;
  look();
  if (before !== round) return;
  if (!source) wake();
  else changed();
}

/** Let go of the stream: nobody looks. */
function rest() {
  close();
  clearTimeout(moment);
  moment = 0;
  lose(true);
  dismiss();
}
