// Parts that several views share.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { clockTime } from "./clock.js";
import { confirmUnlock } from "./dialogs.js";
import { batteryIcon, icon } from "./icons.js";
import { inText } from "./names.js";
import { give, newest } from "./outcomes.js";
import { announce, changed, commandable, store } from "./store.js";
import { words } from "./strings.js";
import { power, powerKey } from "./values.js";

/** Show how long ago something was, and when exactly on pointing at it. */
export function age(time) {
  if (!time) return html`<span>${words.never}</span>`;
  return html`<age-of at=${time} title=${clockTime(time, { seconds: true })}></age-of>`;
}

/** Show a mark with its word. */
export function mark(look, text, drawing = look) {
  return html`<span class="mark" data-look=${look}>${icon(drawing)}<span>${text}</span></span>`;
}

/** Show the newest outcome of a device's commands. */
export function outcomeLine(device) {
  const said = newest(device);
  if (!said) return nothing;
  return html`<p class="outcome" data-look=${said.look}>
    ${icon(said.look)}<span>${said.text}${said.at ? html`<span class="soft"> · ${age(said.at)}</span>` : nothing}${said.message
      ? html`<br /><span class="soft">${said.message}</span>`
      : nothing}</span>
  </p>`;
}

/** Show when a device last reported, and how the bridge knows. */
export function reportedLine(device) {
  const { last_reported: at, source } = device.document ?? {};
  if (!at) return html`<p class="reported">${words.device.reportedNever}</p>`;
  return html`<p class="reported" title=${words.device.sourceTitle[source] ?? nothing}>
    ${icon(Object.hasOwn(words.device.source, source) ? source : "query")}<span>${words.device.reported} ${age(at)}, ${words.device.source[source] ?? source}</span>
  </p>`;
}

/** Show the battery of a device that has one. */
export function battery(device) {
  if (!("battery" in (device.document ?? {}))) return nothing;
  const { battery: percent, battery_low: low } = device.document;
  const text = percent === null ? words.device.batteryUnknown : low === "ON" ? words.device.batteryLow(percent) : words.device.battery(percent);
  return html`<span class="battery" data-low=${low === "ON" ? "yes" : nothing}><span class="hidden">${words.device.batteryLabel} </span>${batteryIcon(percent)}<span>${text}</span></span>`;
}

/** Show what is out of order with a device. */
export function troubles(device) {
  const { connectivity, stale } = device.document ?? {};
  const found = [
    store.connection === "lost" && store.heard && mark("none", words.device.old(clockTime(store.heard)), "query"),
    device.missing && mark("bad", words.device.missing, "bad"),
    device.enabled === false && mark("none", words.device.disabled, "none"),
    connectivity === "offline" && mark("bad", words.device.unreachable, "away"),
    stale === "ON" && mark("fair", words.device.stale, "query"),
  ].filter(Boolean);
  return found.length ? html`<p class="troubles">${found}</p>` : nothing;
}

/** Offer to lock and to unlock. */
export function lockActions(device) {
  const off = !commandable(device);
  const locked = device.document?.lock === "LOCKED";
  const { lock, unlock, of } = words.device.actions;
  return html`<div class="actions">
    <button type="button" class=${locked ? "quiet" : "strong"} ?disabled=${off} aria-label=${of(lock, inText(device.name))} @click=${() => give(device, "lock", "LOCK")}>
      ${icon("locked")}<span>${lock}</span>
    </button>
    <button type="button" class="quiet" ?disabled=${off} aria-label=${of(unlock, inText(device.name))} aria-haspopup="dialog" @click=${() => confirmUnlock(device)}>
      ${icon("unlocked")}<span>${unlock}</span>
    </button>
  </div>`;
}

/** Offer to turn on and off. */
export function powerActions(device) {
  const off = !commandable(device);
  const key = powerKey(device);
  const state = power(device);
  const { on, off: none, of } = words.device.actions;
  const one = (word, label) => html`<button type="button" ?disabled=${off} aria-pressed=${state === word ? "true" : "false"} aria-label=${of(label, inText(device.name))} @click=${() => give(device, key, word)}>${label}</button>`;
  return html`<div class="segments" role="group" aria-label=${words.device.power(inText(device.name))}>${one("ON", on)}${one("OFF", none)}</div>`;
}

/** Offer to copy a text. */
export function copyButton(text, what) {
  return html`<button type="button" class="small" title=${words.page.copy} aria-label=${words.page.copyOf(what)} @click=${(event) => copy(text, event.currentTarget)}>${icon("copy")}</button>`;
}

async function copy(text, button) {
  const done = (await copied(text)) ? "yes" : "no";
  button.dataset.copied = done;
  announce(done === "yes" ? words.page.copied : words.page.notCopied);
  setTimeout(() => delete button.dataset.copied, 1500);
}

async function copied(text) {
  // Without TLS, away from localhost, browsers have no clipboard for pages: then the old way.
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "hidden";
    document.body.append(area);
    const before = document.activeElement;
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    before?.focus();
    return done;
  }
}

/** Show facts as a list of names and values; what is null or undefined is left out. */
export function facts(pairs) {
  return html`<dl class="facts">${pairs
    .filter(([, value]) => value !== null && value !== undefined && value !== nothing)
    .map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
