// The house: all devices at a glance.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { guard } from "./vendor/lit-html/directives/guard.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { clockTime, now } from "./clock.js";
import { icon } from "./icons.js";
import { inText, named } from "./names.js";
import { ownNews } from "./outcomes.js";
import { battery, lockActions, outcomeLine, powerActions, reportedLine, troubles } from "./parts.js";
import { settle, steady } from "./press.js";
import { brightness } from "./slider.js";
import { changed, store } from "./store.js";
import { words } from "./strings.js";
import { lastKnown, lockLook, power, powerKey, since, valueText, wantsAttention } from "./values.js";

const KINDS = ["lock", "light", "switch", "other"];
const NAMED = 3;
const LONG = 5;
const FEW = 2; // so few do not need a row of their own
const FIRST = 36; // cards of the first frame; the others follow frame by frame
const MORE = 90;
const texts = new WeakMap();
let drawn = FIRST;
const chosen = { search: "", kind: "all" };

const kindOf = (device) => (KINDS.includes(device.kind) ? device.kind : "other");
const byName = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

/** Begin with the first cards again. */
export function beginHouse() {
  drawn = FIRST;
  settle();
}

/** Show the house. */
export function house() {
  const all = [...store.devices.values()];
  const wanted = all.filter(matches).sort((one, other) => byName.compare(one.name, other.name));
  const shown = steady(wanted, (id) => store.devices.get(id));
  return html`<div class="hero">
      <h1 tabindex="-1">${words.house.title}</h1>
      ${summary(all.filter((device) => device.kind === "lock" && !device.missing))}
    </div>
    ${all.length ? tools(all, shown) : nothing}
    ${all.length ? groups(shown) : empty()}`;
}

function matches(device) {
  const { kind, search } = chosen;
  if (kind === "attention" ? !wantsAttention(device) : kind !== "all" && kindOf(device) !== kind) return false;
  const parts = search.toLowerCase().split(/\s+/).filter(Boolean);
  const text = textOf(device);
  // A short word is in the id of many a device that is not meant.
  return parts.every((word) => text.includes(word) || (word.length >= LONG && device.id.toLowerCase().includes(word)));
}

function textOf(device) {
  if (!texts.has(device)) texts.set(device, `${device.name} ${device.alias ?? ""} ${device.topic} ${device.model ?? ""} ${device.kind}`.toLowerCase());
  return texts.get(device);
}

function summary(locks) {
  if (!locks.length) return nothing;
  const said = words.house.summary;
  locks.sort((one, other) => byName.compare(one.name, other.name));
  const sorted = Object.groupBy
    ? Object.groupBy(locks, (device) => lockLook(device.document?.lock))
    : locks.reduce((found, device) => {
        (found[lockLook(device.document?.lock)] ??= []).push(device);
        return found;
      }, {});
  const names = (look) => {
    const these = sorted[look].map((device) => inText(device.name));
    return these.length > NAMED ? said.many(these.length) : words.list(these);
  };
  const sentences = ["jammed", "unlocked", "moving", "unknown"]
    .filter((look) => sorted[look])
    .map((look) => html`<span class="sentence" data-look=${look}>${icon(look)}<span>${said[look](names(look), sorted[look].length)}</span></span>`);
  const locked = sorted.locked?.length ?? 0;
  if (!sentences.length) sentences.push(html`<span class="sentence" data-look="locked">${icon("locked")}<span>${said.locked(locked)}</span></span>`);
  const open = locks.filter((device) => device.document?.door === "open").map((device) => inText(device.name));
  const rest = sorted.unknown ? said.known : said.rest;
  const under = [store.connection === "lost" && store.heard && said.asOf(clockTime(store.heard)), locked < locks.length && locks.length > 1 && rest(locked, locks.length), open.length && said.open(open.slice(0, NAMED))].filter(Boolean);
  return html`<p class="summary">${sentences}</p>${under.length ? html`<p class="under soft">${under.join(" · ")}</p>` : nothing}`;
}

function tools(all, shown) {
  const present = KINDS.filter((kind) => all.some((device) => kindOf(device) === kind));
  const attention = all.filter(wantsAttention).length;
  const number = (kind) => all.filter((device) => kindOf(device) === kind).length;
  return html`<div class="tools">
    <label class="search">
      <span class="hidden">${words.house.search}</span>${icon("search")}
      <input id="search" type="search" placeholder=${words.house.searchHint} autocomplete="off" spellcheck="false" .value=${live(chosen.search)} @input=${(event) => choose({ search: event.target.value })} />
      <kbd aria-hidden="true">/</kbd>
    </label>
    <div class="filters" role="group" aria-label=${words.house.filter}>
      ${filter("all", words.house.all, all.length)}
      ${attention || chosen.kind === "attention" ? filter("attention", words.house.attention, attention) : nothing}
      ${present.length > 1 ? present.map((kind) => filter(kind, words.house.kinds[kind], number(kind))) : nothing}
    </div>
    <p class="soft found" role="status">${shown.length === all.length ? nothing : words.house.found(shown.length, all.length)}</p>
  </div>`;
}

function filter(kind, label, number) {
  return html`<button type="button" aria-pressed=${chosen.kind === kind ? "true" : "false"} data-kind=${kind} @click=${() => choose({ kind })}>${label} <span class="number">${number}</span></button>`;
}

function choose(what) {
  beginHouse();
  Object.assign(chosen, what);
  changed();
}

/** Put the cursor into the search. */
export function search() {
  document.getElementById("search")?.focus();
}

function groups(shown) {
  if (!shown.length) {
    return html`<div class="empty"><p>${words.house.noMatch}</p><button type="button" class="quiet" @click=${() => choose({ search: "", kind: "all" })}>${words.house.showAll}</button></div>`;
  }
  if (shown.length > drawn) {
    setTimeout(() => {
      drawn += MORE;
      changed();
    });
  }
  let room = drawn;
  const some = (devices) => {
    const these = devices.slice(0, Math.max(0, room));
    room -= these.length;
    return these;
  };
  const sections = KINDS.map((kind) => [kind, some(shown.filter((device) => kindOf(device) === kind))])
    .filter(([, devices]) => devices.length)
    .map(
      ([kind, devices]) => html`<section class="group" data-few=${kind !== "lock" && devices.length <= FEW ? "yes" : nothing} aria-labelledby="group-${kind}">
        <h2 id="group-${kind}">${words.house.kinds[kind]}</h2>
        <ul class="grid ${kind}">${repeat(devices, (device) => device.id, (device) => html`<li data-device=${device.id}>${guarded(device)}</li>`)}</ul>
      </section>`,
    );
  return html`<div class="groups">${sections}</div>`;
}

function guarded(device) {
  // A card is made anew when something in it has changed, not with each frame; with the minute times get their day, and outcomes fade.
  const minute = Math.floor(now() / 60_000);
  const lost = store.connection === "lost" && store.heard;
  const parts = [device, store.connection, lost, ownNews(device), store.wanted.get(`${device.id} brightness`), minute];
  return guard(parts, () => card(device));
}

function card(device) {
  return device.kind === "lock" ? lockCard(device) : powerCard(device);
}

function heading(device) {
  return html`<h3><a href="#/devices/${device.topic}">${named(device.name)}</a></h3>`;
}

function lockCard(device) {
  const look = lockLook(device.document?.lock);
  return html`<article class="card" data-look=${look}>
    <header>${heading(device)}${battery(device)}</header>
    ${lockState(device)}
    ${troubles(device)}
    ${reportedLine(device)}
    ${lockActions(device)}
    ${outcomeLine(device)}
  </article>`;
}

/** Show in large what a lock is. */
export function lockState(device) {
  const state = device.document?.lock ?? null;
  const look = lockLook(state);
  const { door, mode, last_reported: at } = device.document ?? {};
  const known = state === null ? lastKnown(device, "lock") : null;
  const under = [
    state !== null && since(device, "lock") && look !== "moving" ? words.device.since(clockTime(since(device, "lock"))) : null,
    door === undefined ? null : door === null ? words.device.doorUnknown : words.device.door(words.states[door] ?? door),
    mode && mode !== "normal" ? (words.device.mode[mode] ?? mode) : null,
  ].filter(Boolean);
  return html`<div class="state">
    <div class="badge" data-look=${look}>${icon(look)}</div>
    <div>
      <p class="word">${valueText("lock", state)}</p>
      ${state === null ? html`<p class="under">${known === null ? words.device.notReported : words.device.lastKnown(valueText("lock", known), at ? clockTime(at) : words.nothing)}</p>` : nothing}
      <p class="under">${under.join(" · ")}</p>
    </div>
  </div>`;
}

function powerCard(device) {
  const state = power(device);
  return html`<article class="card" data-look=${state === null ? "unknown" : state.toLowerCase()}>
    <header>${heading(device)}${battery(device)}</header>
    ${powerState(device)}
    ${troubles(device)}
    ${"brightness" in (device.document ?? {}) ? brightness(device, words.device.brightnessOf(inText(device.name))) : nothing}
    ${reportedLine(device)}
    ${outcomeLine(device)}
  </article>`;
}

/** Show what a light or switch is, and offer to change it. */
export function powerState(device) {
  const state = power(device);
  const key = powerKey(device);
  if (!key) return nothing;
  const known = state === null ? lastKnown(device, key) : null;
  const look = state === null ? "unknown" : state.toLowerCase();
  const pending = device.document?.pending;
  const under = state !== null && since(device, key) ? words.device.since(clockTime(since(device, key))) : "";
  const unknown = state !== null ? null : (known === null ? words.device.notReported : words.device.lastKnown(valueText(key, known), device.document?.last_reported ? clockTime(device.document.last_reported) : words.nothing));
  return html`<div class="state">
    <div class="badge" data-look=${look}>${icon(state === null ? "unknown" : device.kind === "light" ? "on" : "power")}</div>
    <div>
      <p class="word">${valueText("switch", state)}</p>
      <p class="under">${pending && Object.keys(pending).length ? pendingText(pending) : under}</p>
    </div>
    ${powerActions(device)}
  </div>
  ${unknown === null ? nothing : html`<p class="under">${unknown}</p>`}`;
}

function pendingText(pending) {
  return Object.entries(pending).map(([key, payload]) => words.device.pending(valueText(key, payload))).join(" · ");
}

function empty() {
  const { bridge } = store;
  if (!bridge) return html`<p class="empty">${words.page.loading}</p>`;
  if (!bridge.listed) return html`<div class="empty"><p>${words.house.notListed}</p><p class="soft">${words.house.notListedMend}</p></div>`;
  return html`<div class="empty"><p>${words.house.none}</p><p class="soft">${words.house.noneMend}</p><a class="button quiet" href="#/bridge">${words.bridge.discover}</a></div>`;
}
