// Names that people have given, made harmless: none of them can turn around the text that stands beside it.
import { html } from "./vendor/lit-html/lit-html.js";

const TURNING = /[\u202A-\u202E\u2066-\u2069]/g;
const FROM_THE_RIGHT = /[\u0590-\u08FF\uFB1D-\uFDFF\uFE70-\uFEFC\u200F]/;
const GAP = "\u0000";

const plain = (name) => String(name).replace(TURNING, "");

/** Write a name into the page. */
export function named(name) {
  return html`<bdi>${plain(name)}</bdi>`;
}

/** Write a name into a text; one that is written from right to left is isolated. */
export function inText(name) {
  const shown = plain(name);
  return FROM_THE_RIGHT.test(shown) ? `\u2068${shown}\u2069` : shown;
}

/** Write a name into a sentence of the page; `say` makes the sentence of a name. */
export function sentence(say, name) {
  const [before, after] = say(GAP).split(GAP);
  return html`${before}${named(name)}${after}`;
}
