// The last hours of a device, drawn: one lane for each key that changes, one for commands, one for each source of reports.
import { html, nothing, svg } from "./vendor/lit-html/lit-html.js";
import { clockTime, now } from "./clock.js";
import { icon } from "./icons.js";
import { outcomeLook, outcomeText } from "./outcomes.js";
import { words } from "./strings.js";
import { fromPayload, lockLook, valueText } from "./values.js";

const DRAWN = ["lock", "door", "switch", "light", "mode"];
const UNTOLD = ["battery_level", "battery_low"]; // said by the battery
const LANE = 34;
const LOW_LANE = 24;
const AXIS = 26;
const NARROW = 560;
const SHORTEST = 60_000;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440].map((minutes) => minutes * 60_000);

/** Draw the history of a device, and give it as a table, too. */
export function timeline(device, told) {
  const entries = told.map(read);
  const to = now();
  const from = Math.min(Date.parse(entries[0].at), to - SHORTEST);
  return html`${drawing(device, entries, from, to)}${legend(device, entries)}
    <details><summary>${words.page.historyTable(entries.length)}</summary>${table(entries)}</details>`;
}

/** Read an entry: its states are payloads of topics. */
function read(entry) {
  if (!entry.states) return entry;
  return { ...entry, states: Object.fromEntries(Object.entries(entry.states).map(([key, payload]) => [key, fromPayload(key, payload)])) };
}

function widthNow() {
  const place = document.querySelector(".history");
  const inner = place ? place.clientWidth - 40 : Math.min(720, document.documentElement.clientWidth - 72);
  return Math.max(260, inner);
}

function drawing(device, entries, from, to) {
  const width = widthNow();
  const left = width < NARROW ? 68 : 92;
  const x = (time) => left + ((time - from) / (to - from)) * (width - left - 8);
  const keys = drawnKeys(device, entries);
  const sources = ["push", "confirm", "query"].filter((source) => entries.some((entry) => entry.source === source));
  const lanes = [
    ...keys.map((key) => ({ label: words.page.lane[key], height: LANE, draw: (y) => stretches(device, entries, key, from, to).map((each) => band(each, x, y, key)) })),
    { label: words.page.lane.commands, height: LANE, draw: (y) => ends(entries).map((entry) => outcomeMark(entry, x, y)) },
    ...sources.map((source) => ({ label: words.page.lane[source], height: LOW_LANE, draw: (y) => entries.filter((entry) => entry.what === "report" && entry.source === source).map((entry) => reportMark(entry, x, y)) })),
  ];
  const tops = [];
  let height = 6;
  for (const lane of lanes) {
    tops.push(height);
    height += lane.height;
  }
  const since = clockTime(from);
  return html`<svg class="timeline" role="img" aria-label=${words.page.historyText(entries.length, since)} width=${width} height=${height + AXIS} viewBox="0 0 ${width} ${height + AXIS}">
    <defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="7" height="7" class="hatch-ground" /><line x1="0" y1="0" x2="0" y2="7" class="hatch-line" /></pattern></defs>
    ${hours(from, to, x, height)}
    ${lanes.map((lane, at) => svg`<g><text class="lane" x="0" y=${tops[at] + lane.height / 2} dominant-baseline="central">${lane.label}</text>${lane.draw(tops[at] + lane.height / 2)}</g>`)}
  </svg>`;
}

/** Choose the keys that have a lane: those that a device has, and its mode where that has changed. */
function drawnKeys(device, entries) {
  const modes = new Set(entries.map((entry) => entry.states?.mode).filter(Boolean));
  return DRAWN.filter((key) => (key === "mode" ? modes.size > 1 : key in (device.document ?? {})));
}

/** List the outcomes, without those that another one of the same command has followed. */
function ends(entries) {
  const outcomes = entries.filter((entry) => entry.what === "outcome");
  return outcomes.filter(({ event_type: event, id }, at) => event !== "accepted" || !outcomes.slice(at + 1).some((later) => later.id === id));
}

/** Mark the hours. */
function hours(from, to, x, height) {
  const room = (x(to) - x(from)) / 64;
  const step = STEPS.find((each) => (to - from) / each <= room) ?? STEPS.at(-1);
  const offset = new Date(from).getTimezoneOffset() * 60_000;
  const marks = [];
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= to; at += step) marks.push(at);
  return svg`${marks.map(
    (at) => svg`<line class="hour" x1=${x(at)} x2=${x(at)} y1="0" y2=${height} />${x(at) < x(to) - 44 ? svg`<text class="axis" x=${x(at)} y=${height + 17} text-anchor=${x(at) - x(from) < 18 ? "start" : "middle"}>${clockTime(at)}</text>` : nothing}`,
  )}<line class="hour now" x1=${x(to)} x2=${x(to)} y1="0" y2=${height} /><text class="axis strong" x=${x(to)} y=${height + 17} text-anchor="end">${words.page.now}</text>`;
}

/** Cut the time into stretches in which a key had one value: `{from, to, value}`; null is unknown, undefined not told yet. */
function stretches(device, entries, key, from, to) {
  // What is mentioned nowhere has not changed in all that time.
  const mentioned = entries.some((entry) => key in (entry.states ?? {}));
  const found = [{ from, value: mentioned ? undefined : (device.document?.[key] ?? null) }];
  for (const entry of entries) {
    const at = Date.parse(entry.at);
    if (key in (entry.states ?? {})) found.push({ from: at, value: entry.states[key] });
    else if (!entry.states && entry.what !== "outcome") found.push({ from: at, value: null });
  }
  const value = device.document?.[key];
  const last = found.at(-1);
  // What the bridge claims now has the last word.
  if (value === null && last.value !== null) found.push({ from: Math.max(last.from, Date.parse(device.document.last_reported ?? 0) || last.from), value: null });
  return found
    .map((each, index) => ({ ...each, to: found[index + 1]?.from ?? to }))
    .filter((each) => each.to > each.from)
    .reduce((merged, each) => {
      const before = merged.at(-1);
      if (before && JSON.stringify(before.value) === JSON.stringify(each.value)) before.to = each.to;
      else merged.push({ ...each });
      return merged;
    }, []);
}

function lookOf(key, value) {
  if (value === null || value === undefined) return "gap";
  if (key === "lock") return lockLook(value);
  const word = typeof value === "object" ? value.state : value;
  return ["ON", "open", "passage"].includes(word) ? "lit" : "plain";
}

/** What is out of the ordinary is higher, so that it is seen without colours, too. */
const heightOf = (look) => (["unlocked", "jammed", "lit"].includes(look) ? 27 : 19);

function band({ from, to, value }, x, y, key) {
  const look = lookOf(key, value);
  const [left, width] = [x(from), Math.max(2, x(to) - x(from) - 1)];
  const label = value === undefined ? words.page.notRecorded : value === null ? words.page.gap : valueText(key, value);
  const room = width > label.length * 7 + 14;
  const period = words.page.until(clockTime(from, { seconds: true }), clockTime(to, { seconds: true }));
  return svg`<g class="band" data-look=${look}><title>${label}, ${period}</title><rect x=${left} y=${y - heightOf(look) / 2} width=${width} height=${heightOf(look)} rx=${Math.min(4, width / 2)} fill=${look === "gap" ? "url(#hatch)" : nothing} />${room ? svg`<text x=${left + 8} y=${y} dominant-baseline="central">${label}</text>` : nothing}</g>`;
}

const SHAPES = {
  moving: "M-3.5 0a3.5 3.5 0 1 0 7 0 3.5 3.5 0 1 0-7 0",
  good: "M-7 0a7 7 0 1 0 14 0 7 7 0 1 0-14 0M-3 0l2.2 2.5L3 -2.5",
  bad: "M0-7.5 7.5 0 0 7.5-7.5 0ZM0-3v3M0 3v.01",
  none: "M-5-5h10v10h-10z",
};

function outcomeMark(entry, x, y) {
  const look = outcomeLook(entry.event_type);
  return svg`<g class="event" data-look=${look} transform="translate(${x(Date.parse(entry.at))} ${y})"><title>${outcomeText(entry)}, ${clockTime(entry.at, { seconds: true })}</title><path d=${SHAPES[look]} /></g>`;
}

function reportMark(entry, x, y) {
  const [from, to] = [x(Date.parse(entry.at)), x(Date.parse(entry.until ?? entry.at))];
  const changes = Object.keys(entry.states ?? {}).length > 0;
  const look = entry.error ? "bad" : changes ? "news" : "same";
  return svg`<g class="event" data-look=${look}><title>${what(entry)}: ${detail(entry)}, ${when(entry)}</title>${to - from > 2 ? svg`<line class="run" x1=${from} x2=${to} y1=${y} y2=${y} />` : nothing}${
    entry.error ? svg`<path transform="translate(${from} ${y})" d="M-4-4l8 8M4-4l-8 8" />` : svg`<circle cx=${from} cy=${y} r=${changes ? 4.5 : 2.5} />`
  }</g>`;
}

function what(entry) {
  if (entry.what === "report") return words.page.reportOf[entry.source] ?? words.page.reportOther(entry.source);
  if (entry.what === "outcome") return words.outcome.words[entry.event_type] ?? entry.event_type;
  return words.page[entry.what] ?? entry.what.replaceAll("_", " ");
}

function detail(entry) {
  if (entry.what === "outcome") return outcomeText(entry);
  const news = Object.entries(entry.states ?? {}).filter(([key]) => !UNTOLD.includes(key)).map(([key, value]) => `${words.page.lane[key] ?? key}: ${valueText(key, value)}`);
  const parts = [entry.error && words.page.errorCode(entry.error), news.join(", ") || (entry.error || entry.what !== "report" ? null : words.page.unchanged), entry.count > 1 && words.page.times(entry.count)];
  return parts.filter(Boolean).join(", ");
}

function when(entry) {
  const from = clockTime(entry.at, { seconds: true });
  const to = entry.until && entry.until !== entry.at ? clockTime(entry.until, { seconds: true }) : from;
  return from === to ? from : words.page.until(from, to);
}

function table(entries) {
  const said = words.page.column;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${words.page.history}><table>
    <thead><tr><th scope="col">${said.time}</th><th scope="col">${said.what}</th><th scope="col">${said.detail}</th></tr></thead>
    <tbody>${[...entries].reverse().map((entry) => html`<tr><td class="times">${when(entry)}</td><td>${what(entry)}</td><td>${detail(entry)}</td></tr>`)}</tbody>
  </table></div>`;
}

function legend(device, entries) {
  const shown = (look) => entries.some((entry) => entry.what === "outcome" && outcomeLook(entry.event_type) === look);
  const locks = new Set("lock" in (device.document ?? {}) ? entries.map((entry) => entry.states?.lock).filter(Boolean) : []);
  const bands = ["LOCKED", "UNLOCKED", "JAMMED"].filter((word) => locks.has(word));
  const parts = [
    ...bands.map((word) => [lockLook(word), words.states[word], lockLook(word), bands.length > 1]),
    ["good", words.outcome.words.confirmed, "confirm", shown("good")],
    ["bad", `${words.outcome.words.unconfirmed}, ${words.outcome.words.rejected}, ${words.outcome.words.failed}`, "jammed", shown("bad")],
  ].filter(([, , , is]) => is);
  return parts.length ? html`<p class="legend soft">${parts.map(([look, text, drawing]) => html`<span class="mark" data-look=${look}>${icon(drawing)}<span>${text}</span></span>`)}</p>` : nothing;
}
