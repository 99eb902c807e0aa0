// Questions that have to be answered before something is done.
import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { icon } from "./icons.js";
import { sentence } from "./names.js";
import { give, payloadText, unsent } from "./outcomes.js";
import { transaction } from "./requests.js";
import { store, watch } from "./store.js";
import { words } from "./strings.js";
import { lastKnown, valueText } from "./values.js";

const CLOSES_AFTER = 30_000;
const READ_WITHIN = 700; // the second click of a double-click has read nothing, and what confirms may lie under it

let asked = null; // {dialog, of, gone}

/** Ask whether a door shall be unlocked. */
export function confirmUnlock(device) {
  const { lock, last_reported: at, mode } = device.document ?? {};
  const state = lock ?? null;
  const said = words.unlock;
  const known = lastKnown(device, "lock");
  const what = html`<p>${said.text}</p>
    <p>${state === null ? said.unknown : html`${said.known(valueText("lock", state))}<age-of at=${at}></age-of>.`}${state === null && known !== null && at ? html` ${said.known(valueText("lock", known))}<age-of at=${at}></age-of>.` : nothing}${mode === "passage" ? html` ${said.passage}` : nothing}</p>
    <p class="soft">${said.closes}</p>`;
  const gone = (now) => unsent(now ?? device, transaction(), words.outcome.notSent(payloadText("lock", "UNLOCK"), now ? said.another : said.gone));
  ask({ title: sentence(said.title, device.name), of: device, look: "unlocked", drawing: "unlocked", what, confirm: said.confirm, closes: true, go: (now) => give(now, "lock", "UNLOCK"), gone });
}

/** Find the device that was asked about, as it is now; null if it is gone or has another topic or name. */
function still(of) {
  const now = store.devices.get(of.id);
  return now && now.topic === of.topic && now.name === of.name ? now : null;
}

watch((id) => {
  if (!asked || (id !== null && id !== asked.of.id) || still(asked.of)) return;
  const { of, gone } = asked;
  dismiss();
  gone(store.devices.get(of.id));
});

/** Ask something of a device; one question at a time.
 *
 * `go` is called with the device if the answer is yes, and never later than the connection lasts. `gone` is called, with what there
 * is now in the device's place or undefined, if it has changed its name or topic meanwhile: then nothing is asked any more.
 */
export function ask({ title, of, what, confirm, go, gone, look = "unknown", drawing = "fair", closes = false }) {
  if (asked?.dialog.open || store.connection !== "live") return;
  // Each question has a place of its own: that one was closed is told later, when the next may already be open.
  const host = document.createElement("div");
  document.getElementById("dialogs").append(host);
  let sure = false;
  const yes = (event) => {
    event.preventDefault();
    if (store.connection !== "live") return;
    sure = true;
    asked = null;
    dialog.close();
  };
  const shut = () => {
    clearTimeout(timer);
    if (asked?.dialog === dialog) asked = null;
    host.remove();
    if (!sure || store.connection !== "live") return;
    // The answer is about the device that was named, not about what has its place by now.
    const now = still(of);
    if (now) go(now);
    else gone(store.devices.get(of.id));
  };
  render(
    html`<dialog aria-labelledby="asked" aria-describedby="asked-what" @close=${shut} @click=${(event) => event.target === event.currentTarget && event.currentTarget.close()}>
      <form method="dialog" @submit=${yes}>
        <div class="badge" data-look=${look}>${icon(drawing)}</div>
        <h2 id="asked">${title}</h2>
        <div id="asked-what">${what}</div>
        ${closes ? html`<div class="running-out" aria-hidden="true"><span></span></div>` : nothing}
        <div class="actions">
          <button type="button" class="quiet" autofocus @click=${() => dialog.close()}>${words.unlock.cancel}</button>
          <button type="submit" class="strong danger" disabled>${confirm}</button>
        </div>
      </form>
    </dialog>`,
    host,
  );
  const dialog = host.querySelector("dialog");
  const timer = closes ? setTimeout(() => dialog.close(), CLOSES_AFTER) : 0;
  asked = { dialog, of, gone };
  setTimeout(() => (dialog.querySelector("[type=submit]").disabled = false), READ_WITHIN);
  dialog.showModal();
}

/** Close what is asked, unanswered. */
export function dismiss() {
  const { dialog } = asked ?? {};
  asked = null;
  dialog?.close();
}
