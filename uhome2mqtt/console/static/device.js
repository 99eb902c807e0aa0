// One device: all that is known of it, and all that can be done with it.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { keyed } from "./vendor/lit-html/directives/keyed.js";
import { live } from "./vendor/lit-html/directives/live.js";
import { clockTime } from "./clock.js";
import { examples } from "./examples.js";
import { lockState, powerState } from "./house.js";
import { icon } from "./icons.js";
import { inText, named } from "./names.js";
import { give } from "./outcomes.js";
import { age, battery, copyButton, facts, lockActions, outcomeLine, reportedLine, troubles } from "./parts.js";
import { Refusal, query, readDevice, request } from "./requests.js";
import { brightness, slider } from "./slider.js";
import { announce, byTopic, changed, commandable, store, watch } from "./store.js";
import { words } from "./strings.js";
import { timeline } from "./timeline.js";
import { forgetUsers, users } from "./users.js";
import { lastKnown, lockLook, power, valueText } from "./values.js";

const SOON = 700;

const fresh = () => ({ topic: null, id: null, read: null, turn: 0, problem: null, asking: null, asked: null, renaming: null, renamed: null });
let page = fresh();
let turn = 0; // of readings: an older one that comes late does not count
let soon = 0;
let unwatch = () => undefined;

/** Begin to show a device. */
export function entering(topic) {
  page = { ...fresh(), topic, id: byTopic(topic)?.id ?? null };
  unwatch = watch((id) => (id === null || id === page.id) && again());
  reading();
}

/** Tell whether a topic level is the new one of the device that is shown; its page then stays as it is. */
export function follows(topic) {
  if (!page.id || store.devices.get(page.id)?.topic !== topic) return false;
  page.topic = topic;
  again();
  return true;
}

/** Stop showing it, and forget what was only shown. */
export function leaving() {
  unwatch();
  clearTimeout(soon);
  soon = 0;
  forgetUsers();
  page = fresh();
}

function again() {
  soon ||= setTimeout(() => {
    soon = 0;
    reading();
  }, SOON);
}

async function reading() {
  const here = page;
  turn += 1;
  const own = turn;
  const late = () => here !== page || own < here.turn;
  try {
    const read = await readDevice({ topic: store.devices.get(here.id)?.topic ?? here.topic, id: here.id });
    if (late() || (here.id && here.id !== read.device.id)) return;
    Object.assign(here, { read, turn: own, problem: null, id: read.device.id });
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    if (late()) return;
    here.problem = problem;
  }
  changed();
}

/** Show a device. */
export function device(topic) {
  // The page is that of one device, whatever it is called by now, and never becomes that of another.
  page.id ??= byTopic(topic)?.id ?? null;
  const shown = store.devices.get(page.id);
  if (!shown) return absent();
  if (shown.topic !== topic) queueMicrotask(() => location.replace(`#/devices/${shown.topic}`));
  return keyed(shown.id, html`<div class="device" data-device=${shown.id}>${head(shown)}
    <div class="columns">
      <div>${commands(shown)}${history(shown)}${keyTable(shown)}${report()}${commandLines(shown)}</div>
      <div>${about(shown)}${topics(shown)}${rename(shown)}</div>
    </div>
    ${shown.kind === "lock" && store.bridge?.lock_users ? users(shown) : nothing}
  </div>`);
}

function back() {
  return html`<a class="back" href="#/">${icon("back")}<span>${words.page.back}</span></a>`;
}

function absent() {
  const waiting = !store.bridge || (!page.problem && !page.read);
  return html`<div class="hero">${back()}<h1 tabindex="-1">${waiting ? page.topic : words.page.notFound}</h1>
    <p class="soft">${waiting ? words.page.loading : words.page.notFoundMend}</p></div>`;
}

function head(shown) {
  return html`<div class="hero">${back()}
    <h1 tabindex="-1">${named(shown.name)}</h1>
  </div>`;
}

function commands(shown) {
  const lock = shown.kind === "lock";
  const state = power(shown);
  const look = lock ? lockLook(shown.document?.lock) : state === null ? "unknown" : state.toLowerCase();
  const has = (key) => key in (shown.document ?? {});
  return html`<section class="card panel now" data-look=${look} aria-label=${words.page.commands}>
    <div class="split">${lock ? lockState(shown) : powerState(shown)}${battery(shown)}</div>
    ${troubles(shown)}
    ${lock ? lockActions(shown) : nothing}
    ${has("brightness") ? brightness(shown, words.device.brightnessOf(inText(shown.name))) : nothing}
    ${settable(shown, "mode") ? modes(shown) : nothing}
    ${settable(shown, "color_temp") ? colorTemp(shown) : nothing}
    ${settable(shown, "rgb") ? color(shown) : nothing}
    ${outcomeLine(shown)}
    <div class="split foot">${reportedLine(shown)}
      <button type="button" class="quiet" ?disabled=${store.connection !== "live" || page.asking} @click=${() => queryNow(shown)}>${icon("refresh")}<span>${page.asking ? words.page.querying : words.page.queryNow}</span></button>
    </div>
    ${page.asked ? html`<p class="outcome" data-look=${page.asked.look}>${icon(page.asked.look)}<span>${page.asked.text}</span></p>` : nothing}
  </section>`;
}

const settable = (shown, name) => shown.keys?.find(({ key, settable: takes }) => key === name && takes.length);

function modes(shown) {
  const value = shown.document?.mode ?? null;
  const pending = shown.document?.pending?.mode;
  return html`<div class="line"><span id="mode">${words.page.mode}${pending ? html` <span class="soft">${words.device.pending(words.states[pending] ?? pending)}</span>` : nothing}</span>
    <div class="segments" role="group" aria-label=${words.page.modeOf(inText(shown.name))}>${settable(shown, "mode").settable.map(
      (mode) => html`<button type="button" ?disabled=${!commandable(shown)} aria-pressed=${mode === value ? "true" : "false"} @click=${() => give(shown, "mode", mode)}>${words.states[mode] ?? mode}</button>`,
    )}</div></div>`;
}

function colorTemp(shown) {
  const { min = 2000, max = 9000 } = settable(shown, "color_temp");
  const text = (kelvin) => words.outcome.colorTemp(kelvin);
  return html`<div class="line"><span>${words.page.colorTemp}</span>${slider(shown, "color_temp", { min, max, label: words.page.colorTemp, text, wantedText: (kelvin) => `→ ${text(kelvin)}` })}</div>`;
}

function color(shown) {
  const numbers = String(shown.document?.rgb ?? "").split(",").map(Number);
  const hex = numbers.length === 3 ? `#${numbers.map((part) => part.toString(16).padStart(2, "0")).join("")}` : "#ffffff";
  const wanted = (event) => [1, 3, 5].map((at) => parseInt(event.target.value.slice(at, at + 2), 16)).join(",");
  return html`<label class="line"><span>${words.page.color}</span>
    <input type="color" .value=${live(hex)} ?disabled=${!commandable(shown)} @change=${(event) => give(shown, "rgb", wanted(event))} /></label>`;
}

async function queryNow(shown) {
  Object.assign(page, { asking: true, asked: null });
  changed();
  const here = page;
  let asked;
  try {
    const { status, error } = await query(shown);
    asked = status === "error" ? { look: "bad", text: error } : { look: "good", text: words.page.queried };
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    asked = { look: "bad", text: problem.message };
  }
  if (here !== page) return;
  Object.assign(page, { asking: null, asked });
  announce(asked.text);
  again();
  changed();
}

function about(shown) {
  const said = words.page.fact;
  const joined = (these) => (these?.length ? these.join(", ") : null);
  const excluded = shown.excluded === "*" ? words.page.everything : Array.isArray(shown.excluded) ? joined(shown.excluded) : shown.excluded;
  return html`<section class="panel"><h2>${words.page.facts}</h2>${facts([
    [said.model, [shown.manufacturer, shown.model].filter(Boolean).join(" ")],
    [said.firmware, shown.firmware],
    [said.topic, html`<code>${store.bridge?.base_topic}/${shown.topic}</code>`],
    [said.id, html`<code>${shown.id}</code>`],
    [said.alias, shown.alias],
    [said.kind, shown.kind],
    [said.category, shown.category],
    [said.handle, shown.handle_type],
    [said.capabilities, joined(shown.capabilities)],
    [said.observed, joined(shown.observed)],
    [said.enabled, shown.enabled === false ? words.page.no : null],
    [said.excluded, excluded],
  ])}</section>`;
}

function history(shown) {
  const entries = page.read?.timeline ?? [];
  return html`<section class="panel history"><h2>${words.page.history}</h2>${entries.length ? timeline(shown, entries) : html`<p class="soft">${page.read ? words.page.historyNone : words.page.loading}</p>`}</section>`;
}

function keyTable(shown) {
  const said = words.page.key;
  const takes = (key) => (key.settable?.length ? key.settable.map((one) => html`<code>${one}</code> `) : html`<span class="soft">${words.page.readOnly}</span>`);
  const range = (key) => (key.min === undefined || key.min === null ? "" : ` ${key.min}…${key.max}`);
  return html`<section class="panel"><h2>${words.page.keys}</h2>
    <div class="scroll" tabindex="0" role="region" aria-label=${words.page.keys}><table>
      <thead><tr><th scope="col">${said.name}</th><th scope="col">${said.value}</th><th scope="col">${said.type}</th><th scope="col">${said.takes}</th></tr></thead>
      <tbody>${(shown.keys ?? []).map(
        (key) => html`<tr><th scope="row"><code>${key.key}</code></th><td>${keyValue(shown, key)}</td><td>${key.type}${range(key)}${key.unit ? ` ${key.unit}` : ""}</td><td>${takes(key)}</td></tr>`,
      )}</tbody>
    </table></div></section>`;
}

function keyValue(shown, { key }) {
  const value = shown.document?.[key];
  if (value === null || value === undefined) {
    const known = lastKnown(shown, key);
    return html`<span class="unknown">${words.page.unknown}</span>${known === null ? nothing : html` <span class="soft">${words.page.lastKnownValue(valueText(key, known))}</span>`}`;
  }
  if (key === "last_reported") return html`${clockTime(value, { seconds: true })} <span class="soft">${age(value)}</span>`;
  return html`<code>${typeof value === "object" ? JSON.stringify(value) : String(value)}</code>`;
}

function report() {
  const said = words.page;
  const { report: last } = page.read ?? {};
  if (!last) return html`<section class="panel"><h2>${said.report}</h2><p class="soft">${page.read ? said.reportNone : said.loading}</p></section>`;
  const text = JSON.stringify(last.states ?? {}, null, 2);
  return html`<section class="panel"><h2>${said.report}</h2>
    <p class="soft">${said.reportAt} ${age(last.at)}, ${words.device.source[last.source] ?? last.source}</p>
    ${last.error ? html`<p class="outcome" data-look="bad">${icon("bad")}<span>${said.reportError}: ${last.error.code} ${last.error.message ?? ""}</span></p>` : nothing}
    <div class="copyable"><pre>${text}</pre>${copyButton(text, said.report)}</div></section>`;
}

function topics() {
  const said = words.page;
  const rows = page.read?.topics ?? [];
  return html`<section class="panel"><h2>${said.topics}</h2>${rows.length
    ? html`<ul class="topics">${rows.map(
        ({ topic, use, payload }) => html`<li><div><code>${topic}</code><span class="soft">${said.uses[use] ?? use}${payload === null || payload === undefined || payload === "" || use === "document" ? nothing : html`: <code>${payload}</code>`}</span></div>${copyButton(topic, topic)}</li>`,
      )}</ul>`
    : html`<p class="soft">${said.loading}</p>`}</section>`;
}

function commandLines(shown) {
  return html`<section class="panel"><h2>${words.page.examples}</h2>${examples(shown, store.bridge, page.read?.topics ?? []).map(
    ({ what, text }) => html`<h3>${what}</h3><div class="copyable"><pre>${text}</pre>${copyButton(text, what)}</div>`,
  )}</section>`;
}

function rename(shown) {
  const said = words.page;
  return html`<section class="panel"><h2>${said.rename}</h2>
    <form class="fields" @submit=${(event) => renaming(event, shown)}>
      <label><span>${said.renameName}</span><input name="name" maxlength="64" autocomplete="off" .defaultValue=${shown.name} aria-describedby="name-hint" /></label>
      <p class="hint" id="name-hint">${said.renameNameHint}</p>
      <label><span>${said.renameTopic}</span><input name="topic" required maxlength="64" pattern="[a-z0-9_\\-]+" autocomplete="off" autocapitalize="none" spellcheck="false" .defaultValue=${shown.topic} aria-describedby="topic-hint" /></label>
      <p class="hint" id="topic-hint">${said.renameTopicHint}</p>
      <button class="quiet" ?disabled=${store.connection !== "live" || page.renaming}>${icon("pencil")}<span>${page.renaming ? said.renaming : said.renameDo}</span></button>
      ${page.renamed ? html`<p class="outcome" data-look=${page.renamed.look}>${icon(page.renamed.look)}<span>${page.renamed.text}</span></p>` : nothing}
    </form></section>`;
}

async function renaming(event, shown) {
  event.preventDefault();
  const given = new FormData(event.target);
  const [name, topic] = [given.get("name").trim(), given.get("topic").trim()];
  const members = { device: shown.id };
  if (name !== shown.name) members.name = name || null;
  if (topic !== shown.topic) members.topic = topic;
  if (Object.keys(members).length === 1) {
    page.renamed = { look: "none", text: words.page.nothingToRename };
    changed();
    return;
  }
  Object.assign(page, { renaming: true, renamed: null });
  changed();
  const here = page;
  try {
    await request("device/rename", members);
    here.renamed = { look: "good", text: words.page.renamed };
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    here.renamed = { look: "bad", text: problem.message };
  }
  here.renaming = null;
  announce(here.renamed.text);
  changed();
}
