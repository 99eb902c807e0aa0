// Sliders: what is wanted goes out when one is let go, what is shown as fact is what was reported.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { give } from "./outcomes.js";
import { changed, commandable, store } from "./store.js";
import { words } from "./strings.js";

const SETTLED = 250;
const settling = new Map();
const held = new Set();

/** Offer a slider for a key of a device. */
export function slider(device, key, { min, max, label, text, wantedText }) {
  const place = `${device.id} ${key}`;
  const reported = device.document?.[key] ?? null;
  const wanted = store.wanted.get(place)?.value;
  return html`<label class="slider">
    <span class="hidden">${label}</span>
    <input type="range" min=${min} max=${max} step="1" .value=${live(String(wanted ?? reported ?? min))} ?disabled=${!commandable(device)}
      @pointerdown=${() => held.add(place)} @blur=${() => letGo(place)} @input=${(event) => moved(place, event)} @change=${(event) => released(device.id, key, event)} />
    <output>${reported === null ? words.states.unknown : text(reported)}${wanted !== undefined && wanted !== reported ? html` <span class="soft">${wantedText(wanted)}</span>` : nothing}</output>
  </label>`;
}

/** Offer the brightness of a light. */
export function brightness(device, label) {
  return slider(device, "brightness", { min: 0, max: 100, label, text: words.device.brightnessValue, wantedText: words.device.brightnessWanted });
}

function moved(place, event) {
  if (store.connection !== "live") return;
  store.wanted.set(place, { value: Number(event.target.value), stage: held.has(place) ? "hand" : "loose" });
  changed();
}

function released(id, key, event) {
  const place = `${id} ${key}`;
  held.delete(place);
  // What was begun before the connection was lost is not what somebody wants who sees the house as it is now.
  if (!store.wanted.has(place)) {
    changed();
    return;
  }
  const value = Number(event.target.value);
  store.wanted.set(place, { value, stage: "way" });
  // Each press of an arrow key is a change.
  clearTimeout(settling.get(place));
  settling.set(place, setTimeout(() => settled(id, key, value), SETTLED));
  changed();
}

function settled(id, key, value) {
  const place = `${id} ${key}`;
  settling.delete(place);
  const device = store.devices.get(id);
  if (device && store.wanted.has(place)) give(device, key, value);
}

/** Forget where a slider is that was let go without a wish. */
function letGo(place) {
  held.delete(place);
  if (!["hand", "loose"].includes(store.wanted.get(place)?.stage)) return;
  store.wanted.delete(place);
  changed();
}

// A hand may be lifted anywhere; where that is a wish, `change` follows at once.
addEventListener("pointerup", () => setTimeout(() => [...held].forEach(letGo), 50), { capture: true });
addEventListener("pointercancel", () => [...held].forEach(letGo), { capture: true });
