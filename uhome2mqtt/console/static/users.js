// Who has a code for a lock. A code is in the page only while somebody has asked to see it.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { keyed } from "./vendor/lit-html/directives/keyed.js";
import { ask } from "./dialogs.js";
import { icon } from "./icons.js";
import { inText, named, sentence } from "./names.js";
import { Refusal, request, transaction } from "./requests.js";
import { announce, changed, store } from "./store.js";
import { words } from "./strings.js";

const SHOWN_FOR = 30_000;
const KINDS = ["permanent", "temporary", "admin"];

const fresh = () => ({ device: null, list: null, busy: null, said: null, codes: new Map(), editing: null, opened: null, kind: "permanent" });
let panel = fresh();

/** Forget all users and codes. */
export function forgetUsers() {
  for (const { timer } of panel.codes.values()) clearTimeout(timer);
  panel = fresh();
}

/** Show the users of a lock. */
export function users(device) {
  if (panel.device !== device.id) {
    forgetUsers();
    panel.device = device.id;
  }
  const said = words.users;
  const off = store.connection !== "live" || panel.busy !== null;
  return html`<section class="panel users" aria-labelledby="users"><div class="split"><div><h2 id="users">${said.title}</h2><p class="soft">${said.intro}</p></div>
      <button type="button" class="quiet" ?disabled=${off} @click=${() => read(device)}>${icon("refresh")}<span>${panel.list ? said.readAgain : said.read}</span></button></div>
    <div role="status">${panel.busy ? html`<p class="outcome" data-look="moving">${icon("moving")}<span>${panel.busy}</span></p>` : nothing}
    ${panel.said ? html`<p class="outcome" data-look=${panel.said.look}>${icon(panel.said.look)}<span>${panel.said.text}</span></p>` : nothing}</div>
    ${panel.list ? (panel.list.length ? table(device, off) : html`<p class="soft">${said.none}</p>`) : nothing}
    ${panel.list && !panel.editing ? html`<button type="button" class="quiet" ?disabled=${off} @click=${() => edit({})}>${icon("plus")}<span>${said.add}</span></button>` : nothing}
    ${panel.editing ? keyed(panel.opened, form(device, off)) : nothing}
  </section>`;
}

function table(device, off) {
  const { column } = words.users;
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${words.users.tableLabel}><table>
    <thead><tr><th scope="col">${column.name}</th><th scope="col">${column.type}</th><th scope="col">${column.state}</th><th scope="col">${column.code}</th><th scope="col">${column.actions}</th></tr></thead>
    <tbody>${panel.list.map((user) => row(device, user, off))}</tbody></table></div>`;
}

function row(device, user, off) {
  const said = words.users;
  const shown = panel.codes.get(user.id);
  const button = (drawing, label, name, act) => html`<button type="button" class="small" title=${label} aria-label=${name} ?disabled=${off} @click=${act}>${icon(drawing)}</button>`;
  return html`<tr><th scope="row">${named(user.name)}</th><td>${said.types[user.type] ?? said.typeOther(user.type)}</td>
    <td>${user.sync_status === 1 ? said.onLock : said.notOnLock}${user.status === 0 ? `, ${said.off}` : ""}</td>
    <td>${shown ? html`<code class="code">${shown.code}</code>` : html`<span class="soft">${said.hidden}</span>`}
      ${shown
        ? html`<button type="button" class="quiet tiny" aria-label=${said.hideOf(inText(user.name))} @click=${() => hide(user.id)}>${said.hide}</button>`
        : html`<button type="button" class="quiet tiny" aria-label=${said.showOf(inText(user.name))} ?disabled=${off} @click=${() => show(device, user)}>${said.show}</button>`}</td>
    <td class="buttons">${user.type === 1 ? nothing : html`${button("pencil", said.edit, said.editOf(inText(user.name)), () => edit(user))}${button("bin", said.remove, said.removeOf(inText(user.name)), () => remove(device, user))}`}</td></tr>`;
}

function form(device, off) {
  const said = words.users;
  const user = panel.editing;
  const title = user.id === undefined ? said.add : sentence(said.change, user.name);
  return html`<form class="fields user" autocomplete="off" @submit=${(event) => save(event, device)}>
    <h3>${title}</h3>${user.id === undefined ? nothing : html`<p class="hint">${said.changeHint}</p>`}
    <div class="row">
      <label><span>${said.name}</span><input name="name" required maxlength="64" .defaultValue=${user.name ?? ""} /></label>
      <label><span>${said.type}</span><select name="type" @change=${(event) => choose(event.target.value)}>${KINDS.map((kind) => html`<option value=${kind} ?selected=${kind === panel.kind}>${kind}</option>`)}</select></label>
      <label><span>${said.code}</span><input name="password" required inputmode="numeric" pattern="[1-9][0-9]{3,7}" autocomplete="off" aria-describedby="code-hint" /></label>
    </div>
    <p class="hint" id="code-hint">${said.codeHint}</p>
    ${panel.kind === "temporary" ? schedule() : nothing}
    <div class="actions"><button class="strong" ?disabled=${off}>${user.id === undefined ? said.addDo : said.changeDo}</button><button type="button" class="quiet" @click=${() => edit(null)}>${said.cancel}</button></div>
  </form>`;
}

function schedule() {
  const said = words.users;
  return html`<fieldset><legend>${said.schedule}</legend>
    <div class="row">
      <label><span>${said.from}</span><input type="datetime-local" name="from" required /></label>
      <label><span>${said.to}</span><input type="datetime-local" name="to" required /></label>
      <label><span>${said.timeFrom}</span><input type="time" name="time_from" /></label>
      <label><span>${said.timeTo}</span><input type="time" name="time_to" /></label>
      <label><span>${said.limit}</span><input type="number" name="limit" min="0" max="65535" value="0" /></label>
    </div>
    <div class="days" role="group" aria-label=${said.days}>${said.dayNames.map((name, day) => html`<label><input type="checkbox" name="weeks" value=${day} /> <span>${name}</span></label>`)}</div>
    <p class="hint">${said.daysHint}</p></fieldset>`;
}

function choose(kind) {
  panel.kind = kind;
  changed();
}

function edit(user) {
  panel.editing = user;
  // Each opening is a form of its own: nothing that was typed for one person is there for another.
  panel.opened = Symbol("form");
  panel.kind = user?.type === 2 ? "temporary" : user?.type === 3 ? "admin" : "permanent";
  panel.said = null;
  changed();
  if (user) setTimeout(() => document.querySelector("form.user input")?.focus(), 50);
}

/** Do something that may take its time; returns what the bridge answered, or null. */
async function doing(text, name, members) {
  const here = panel;
  Object.assign(here, { busy: text, said: null });
  changed();
  try {
    return await request(name, members);
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    here.said = { look: "bad", text: problem.message };
    return null;
  } finally {
    here.busy = null;
    changed();
  }
}

async function read(device, keep = null) {
  const here = panel;
  const data = await doing(words.users.reading, "lock_users/list", { device: device.id });
  if (!data || here !== panel) return;
  for (const id of [...panel.codes.keys()]) hide(id);
  here.list = data.users;
  here.said = keep;
  changed();
}

async function show(device, user) {
  const here = panel;
  const data = await doing(words.users.reading, "lock_users/get", { device: device.id, id: user.id });
  if (!data || here !== panel) return;
  const code = data.user?.password ?? words.users.noCode;
  here.codes.set(user.id, { code: String(code), timer: setTimeout(() => hide(user.id), SHOWN_FOR) });
  changed();
}

function hide(id) {
  clearTimeout(panel.codes.get(id)?.timer);
  panel.codes.delete(id);
  changed();
}

function remove(device, user) {
  const said = words.users;
  const gone = () => {
    panel.said = { look: "bad", text: said.notRemoved };
    announce(said.notRemoved);
    changed();
  };
  const go = async () => {
    const members = { device: device.id, id: user.id, transaction: transaction() };
    if (await doing(said.removing(inText(user.name)), "lock_users/delete", members)) await done(device, said.removed(inText(user.name)));
  };
  ask({ title: sentence(said.removeTitle, user.name), of: device, what: html`<p>${said.removeText(inText(user.name), inText(device.name))}</p>`, confirm: said.remove, drawing: "bin", look: "jammed", go, gone });
}

async function save(event, device) {
  event.preventDefault();
  const said = words.users;
  const given = new FormData(event.target);
  const { id } = panel.editing;
  const name = given.get("name").trim();
  const members = { device: device.id, name, type: given.get("type"), password: given.get("password"), transaction: transaction(), ...times(given) };
  if (id !== undefined) members.id = id;
  const [text, wish, after] = id === undefined ? [said.adding(inText(name)), "lock_users/add", said.added(inText(name))] : [said.changing(inText(name)), "lock_users/update", said.changed(inText(name))];
  const data = await doing(text, wish, members);
  if (!data) return;
  panel.editing = null;
  await done(device, data.note ? said.noted(after, data.note) : after);
}

async function done(device, text) {
  announce(text);
  await read(device, { look: "good", text });
}

/** Read a schedule out of the form, as the request takes it. */
function times(given) {
  if (given.get("type") !== "temporary") return {};
  const found = { daterange: [given.get("from"), given.get("to")].map((time) => time.slice(0, 16).replace("T", " ")) };
  const weeks = given.getAll("weeks").map(Number);
  if (weeks.length) found.weeks = weeks;
  const [from, to] = [given.get("time_from"), given.get("time_to")];
  if (from || to) found.timerange = [from || "00:00", to || "23:59"];
  const limit = Number(given.get("limit"));
  if (limit) found.limit = limit;
  return found;
}
