// The bridge itself: what it is, whether push works, what the cloud costs, and what can be done.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { clockTime, now, span } from "./clock.js";
import { icon } from "./icons.js";
import { outcomeLook } from "./outcomes.js";
import { age, facts, mark } from "./parts.js";
import { Refusal, diagnostics, endSession, request } from "./requests.js";
import { announce, changed, store } from "./store.js";
import { words } from "./strings.js";

const LOOKS = { hit: "good", late: "fair", miss: "bad" };
const doing = new Map(); // by action: {busy, look, text}

/** Show the bridge. */
export function bridge() {
  const { bridge: known } = store;
  return html`<div class="hero"><h1 tabindex="-1">${words.bridge.title}</h1></div>
    ${known ? html`<div class="panels">${push(known)}${cost(known)}${commands(known)}${about(known)}${actions(known)}${told()}</div>` : html`<p class="empty">${words.page.loading}</p>`}`;
}

function about(known) {
  const said = words.bridge;
  const { health } = known;
  return html`<section class="panel"><h2>${said.about}</h2>${facts([
    [said.version, known.version],
    [said.started, html`${clockTime(known.started)}`],
    [said.uptime, span(Math.max(0, (now() - Date.parse(known.started)) / 1000))],
    [said.account, known.account ? html`<code>${known.account}</code>` : said.accountNone],
    [said.broker, html`<code>${known.broker.url}</code>`],
    [said.protocol, known.mqtt_protocol ?? said.protocolNone],
    [said.baseTopic, html`<code>${known.base_topic}</code>`],
    [said.interval, span(known.push.poll_interval)],
    [said.memory, health?.memory ? said.megabytes(health.memory) : null],
  ])}</section>`;
}

function push(known) {
  const said = words.bridge;
  const { status } = known.push;
  const { push: told } = known.health ?? {};
  const [look, word] = words.chips.push[status] ?? ["none", status];
  const evidence = told?.evidence ?? known.push.evidence ?? {};
  const latest = evidence.latest ?? [];
  const active = status !== "disabled";
  return html`<section class="panel"><h2>${said.push}</h2>
    <p class="headline" data-look=${look}>${icon(look)}<span>${word}</span></p>
    <p>${said.pushMeaning[status] ?? nothing}</p>
    ${active
      ? html`<p class="soft">${said.evidenceText}</p>
          <ul class="figures">${["hit", "late", "miss"].map((kind) => html`<li data-look=${evidence[kind] ? LOOKS[kind] : "none"}><b>${evidence[kind] ?? 0}</b><span>${said[kind]}</span></li>`)}</ul>
          ${facts([
            [said.latest, latest.length ? html`<span class="latest">${latest.map((kind) => mark(LOOKS[kind] ?? "none", said[kind] ?? kind))}</span>` : said.latestNone],
            [said.received, known.push.received ?? told?.received],
            [said.lastReceived, told ? age(told.last_received) : null],
            [said.registered, told?.registered ? age(told.registered) : null],
            [said.failure, told?.failure],
          ])}
          ${action("register", "push", said.registerAgain, said.registering, async () => {
            await request("notifications/register");
            return said.registerDone;
          })}`
      : nothing}
  </section>`;
}

function cost({ health }) {
  const said = words.bridge;
  if (!health) return html`<section class="panel"><h2>${said.cost}</h2><p class="soft">${said.healthNone}</p></section>`;
  const { requests, budget } = health;
  const most = Math.max(1, ...Object.values(requests.by_kind ?? {}));
  const errors = Object.entries(requests.errors ?? {});
  const held = budget?.held_until && Date.parse(budget.held_until) > now() ? clockTime(budget.held_until, { seconds: true }) : null;
  return html`<section class="panel"><h2>${said.cost}</h2>
    <p class="headline"><b>${requests.last_24h.toLocaleString("en")}</b> <span class="soft">${said.day}</span></p>
    <h3>${said.byKind}</h3>
    <ul class="bars">${Object.entries(requests.by_kind ?? {})
      .sort(([, one], [, other]) => other - one)
      .map(([kind, number]) => html`<li><span>${said.kinds[kind] ?? kind}</span><svg class="bar-of" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="whole" width="100" height="6" /><rect class="part" width=${Math.max(1, (100 * number) / most)} height="6" /></svg><b>${number.toLocaleString("en")}</b><span class="soft">${requests.latency_ms?.[kind] ? said.latency(requests.latency_ms[kind].p50) : nothing}</span></li>`)}</ul>
    ${facts([
      [said.errors, errors.length ? errors.map(([kind, number]) => html`<span class="mark" data-look="bad">${icon("bad")}<span>${kind}: ${number}</span></span> `) : mark("good", said.errorsNone)],
      [said.totalRun, requests.total.toLocaleString("en")],
      [said.lastSuccess, age(requests.last_success)],
      [said.refusals, budget?.refusals || null],
      [said.held, held],
    ])}</section>`;
}

function commands({ health }) {
  const said = words.bridge;
  const given = Object.entries(health?.commands ?? {}).filter(([, number]) => number);
  return html`<section class="panel"><h2>${said.commands}</h2>
    ${given.length ? html`<ul class="figures">${given.map(([event, number]) => html`<li data-look=${outcomeLook(event)}><b>${number}</b><span>${words.outcome.words[event] ?? event}</span></li>`)}</ul>` : html`<p class="soft">${said.commandsNone}</p>`}
    ${health?.contradictions ? facts([[said.contradictions, health.contradictions]]) : nothing}</section>`;
}

function actions(known) {
  const said = words.bridge;
  return html`<section class="panel"><h2>${said.actions}</h2><div class="stack">
    ${action("refresh", "refresh", said.refresh, said.refreshing, async () => said.refreshed((await request("refresh"))?.devices ?? 0))}
    ${action("discover", "search", said.discover, said.discovering, async () => said.discovered((await request("discover")) ?? {}))}
    ${action("diagnostics", "download", said.diagnostics, said.collecting, download)}
    <p class="links"><a href="connect">${said.login}</a> <a href="metrics">${said.metrics}</a> <a href="readyz">${said.ready}</a></p>
    ${known.session ? html`<button type="button" class="quiet" @click=${signOut}>${icon("out")}<span>${said.signOut}</span></button>` : nothing}
  </div></section>`;
}

function told() {
  const said = words.bridge;
  if (!store.told.length) return nothing;
  return html`<section class="panel"><h2>${said.told}</h2><ul class="told">${store.told.map(
    (event) => html`<li><b>${said.events[event.event_type ?? event.event] ?? event.event_type ?? event.event}</b> <span>${[event.name, event.device, event.message, event.reason].filter((each) => typeof each === "string").join(" · ")}</span> <span class="soft">${clockTime(event.heard, { seconds: true })}</span></li>`,
  )}</ul></section>`;
}

function action(name, drawing, label, busy, act) {
  const state = doing.get(name);
  return html`<div class="action"><button type="button" class="quiet" ?disabled=${store.connection !== "live" || state?.busy} @click=${() => run(name, act)}>${icon(state?.busy ? "moving" : drawing)}<span>${state?.busy ? busy : label}</span></button>
    ${state?.text ? html`<p class="outcome" data-look=${state.look}>${icon(state.look)}<span>${state.text}</span></p>` : nothing}</div>`;
}

async function run(name, act) {
  doing.set(name, { busy: true });
  changed();
  try {
    doing.set(name, { look: "good", text: await act() });
  } catch (problem) {
    doing.set(name, { look: "bad", text: problem.message });
    if (!(problem instanceof Refusal)) throw problem;
  } finally {
    announce(doing.get(name).text ?? "");
    changed();
  }
}

async function download() {
  const { blob, name } = await diagnostics();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return words.bridge.collected(name);
}

async function signOut() {
  await endSession().catch(() => undefined);
  location.reload();
}
