// The bridge's clock, and how times are said. The browser's own clock may be wrong, and is never asked.
import { words } from "./strings.js";

let known = { at: Date.now(), when: performance.now() };

/** Take over the bridge's clock, an ISO 8601 time. */
export function synchronise(time) {
  const at = Date.parse(time);
  if (Number.isFinite(at)) known = { at, when: performance.now() };
}

/** Go on by a time, in milliseconds, in which this clock stood still. */
export function advance(time) {
  known.at += time;
}

/** Tell what the bridge's clock shows, in milliseconds since 1970. */
export function now() {
  return known.at + (performance.now() - known.when);
}

const HOUR_OF_DAY = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const WITH_SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const DAY_OF_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

const NEAR = 20 * 3_600_000;

/** Say a time of day; with the day where it is not clear by itself. */
export function clockTime(time, { seconds = false } = {}) {
  const when = new Date(time);
  if (Number.isNaN(when.getTime())) return words.nothing;
  const hours = (seconds ? WITH_SECONDS : HOUR_OF_DAY).format(when);
  const today = new Date(now());
  if (Math.abs(today - when) < NEAR || when.toDateString() === today.toDateString()) return hours;
  const day = when.getFullYear() === today.getFullYear() ? DAY : DAY_OF_YEAR;
  return `${day.format(when)}, ${hours}`;
}

/** Say how long ago a time is. */
function ago(time) {
  const seconds = Math.max(0, (now() - new Date(time).getTime()) / 1000);
  return Number.isFinite(seconds) ? words.ago(span(seconds)) : words.nothing;
}

/** Say a length of time, in the two largest units that matter. */
export function span(seconds) {
  const whole = Math.floor(seconds);
  if (whole < 60) return words.units.seconds(whole);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return words.units.minutes(minutes);
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return words.units.hours(hours, minutes % 60);
  return words.units.days(Math.floor(hours / 24), hours % 24);
}

const TICK = 5000;
const living = new Set();

/** `<age-of at="…">`: how long ago that was, kept up to date by itself and by nothing else. */
class AgeOf extends HTMLElement {
  static observedAttributes = ["at"];

  connectedCallback() {
    living.add(this);
    this.tell();
  }

  disconnectedCallback() {
    living.delete(this);
  }

  attributeChangedCallback() {
    this.tell();
  }

  tell() {
    const at = this.getAttribute("at");
    const text = at ? ago(at) : words.never;
    if (this.textContent !== text) this.textContent = text;
  }
}

customElements.define("age-of", AgeOf);

/** Bring all ages up to date. */
function tick() {
  for (const each of living) each.tell();
}

setInterval(() => document.hidden || tick(), TICK);
