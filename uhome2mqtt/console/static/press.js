// Nobody's press lands on what has come under the finger meanwhile.
import { changed } from "./store.js";

const SETTLES = 1_500;
const IDLE = 30_000; // a pointer left lying about keeps nothing
const LOOKS = 500;

let pressed = null;
let touched = 0;
let kept = null; // ids in the order in which they are shown
let since = 0; // when what is shown first differed from what it should be
let later = 0;

const ownerOf = (target) => target.closest?.("[data-device]")?.dataset.device ?? null;

/** Let a press count only where it began. */
export function guardPresses(place) {
  addEventListener("pointerdown", (event) => (pressed = ownerOf(event.target)), { capture: true });
  place.addEventListener(
    "click",
    (event) => {
      // Keys and scripts press nothing with a pointer.
      if (event.detail === 0 || ownerOf(event.target) === pressed) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    { capture: true },
  );
  for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"]) addEventListener(kind, () => (touched = performance.now()), { capture: true, passive: true });
}

/** Choose anew what is shown: somebody wants to see something else. */
export function settle() {
  kept = null;
}

/** Keep what is shown, in its order, while somebody is at it, and for a moment after each change.
 *
 * `wanted`: what should be shown; `find`: gives a device by its id, or undefined.
 */
export function steady(wanted, find) {
  const ids = wanted.map(({ id }) => id);
  const same = kept && kept.length === ids.length && kept.every((id, at) => id === ids[at]);
  if (!kept?.length || same) {
    kept = ids;
    since = 0;
    return wanted;
  }
  since ||= performance.now();
  if (!busy() && performance.now() - since >= SETTLES) {
    kept = ids;
    since = 0;
    return wanted;
  }
  later ||= setTimeout(() => {
    later = 0;
    changed();
  }, LOOKS);
  const shown = kept.map(find).filter(Boolean);
  const there = new Set(kept);
  // What is new comes last, so that nothing moves for it.
  return [...shown, ...wanted.filter(({ id }) => !there.has(id))];
}

function busy() {
  const place = document.querySelector(".groups");
  return performance.now() - touched < IDLE && Boolean(place?.matches(":hover, :focus-within"));
}
