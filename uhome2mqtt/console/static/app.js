// The console: which view is shown, and when it is drawn anew.
import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { banner } from "./banner.js";
import { bridge } from "./bridge.js";
import { device, entering, follows, leaving } from "./device.js";
import { dismiss } from "./dialogs.js";
import { beginHouse, house, search } from "./house.js";
import { icon } from "./icons.js";
import { follow } from "./live.js";
import { inText } from "./names.js";
import { guardPresses } from "./press.js";
import { byTopic, changed, showWith, store } from "./store.js";
import { words } from "./strings.js";

const place = (id) => document.getElementById(id);
const MINUTE = 60_000;
let view = read();
let entered = false;

function read() {
  const [, name = "", topic = ""] = location.hash.replace(/^#/, "").split("/");
  if (name === "devices" && topic) return { name: "device", topic: decoded(topic) };
  return { name: name === "bridge" ? "bridge" : "house", topic: null };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function title() {
  if (view.name === "bridge") return words.bridge.title;
  if (view.name === "house") return words.house.title;
  return inText(byTopic(view.topic)?.name ?? view.topic);
}

function top() {
  const link = (name, href, label) => html`<a href=${href} aria-current=${view.name === name ? "page" : nothing}>${icon(name)}<span>${label}</span></a>`;
  return html`<div class="bar">
    <a class="brand" href="#/">${mark}<span>${words.name}</span></a>
    <nav aria-label=${words.nav.label}>${link("house", "#/", words.nav.house)}${link("bridge", "#/bridge", words.nav.bridge)}</nav>
    <ul class="chips" aria-label=${words.chips.label}>${chips()}</ul>
  </div>`;
}

const mark = html`<svg class="logo" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="9" /><path d="M10.5 15v-3.5a5.5 5.5 0 0 1 11 0V15M9 15h14v9.5H9z" /><circle cx="16" cy="19.75" r="1.7" /></svg>`;

function chips() {
  const { bridge: known } = store;
  const said = words.chips;
  const state = (of, which) => {
    if (!known) return said.unknown;
    const [look, word] = of[which] ?? ["none", which];
    return store.connection === "lost" ? ["none", said.was(word)] : [look, word];
  };
  return [
    chip("cloud", said.cloud.label, state(said.cloud, known?.cloud)),
    chip("broker", said.broker.label, state(said.broker, known?.broker.connected ? "connected" : "away")),
    chip("push", said.push.label, state(said.push, known?.push.status)),
    chip("account", said.account.label, state(said.account, known?.login ? "needed" : "good")),
  ];
}

function chip(name, label, [look, word]) {
  return html`<li class="chip" data-chip=${name} data-look=${look}>${icon(look)}<span><span class="label">${label}</span> <span class="value">${word}</span></span></li>`;
}

function show() {
  document.body.dataset.connection = store.connection;
  document.body.dataset.page = view.name;
  document.title = words.title(title());
  render(top(), place("top"));
  render(banner(), place("banner"));
  if (store.connection !== "live") dismiss();
  if (view.name === "house") render(house(), place("main"));
  else if (view.name === "bridge") render(bridge(), place("main"));
  else render(device(view.topic), place("main"));
}

function go() {
  const next = read();
  if (next.name === view.name && next.topic === view.topic && entered) return;
  if (entered && view.name === "device" && next.name === "device" && follows(next.topic)) {
    view = next;
    changed();
    return;
  }
  const first = !entered;
  if (view.name === "device" && entered) leaving();
  view = next;
  entered = true;
  dismiss();
  if (view.name === "device") entering(view.topic);
  else if (view.name === "house") beginHouse();
  show();
  if (first) return;
  scrollTo(0, 0);
  place("main").querySelector("h1")?.focus({ preventScroll: true });
}

function keys(event) {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.("input, textarea, select, dialog") || view.name !== "house") return;
  event.preventDefault();
  search();
}

place("skip").addEventListener("click", (event) => {
  // The fragment is the view's.
  event.preventDefault();
  place("main").focus();
});
place("main").replaceChildren();
addEventListener("hashchange", go);
addEventListener("keydown", keys);
addEventListener("resize", () => view.name === "device" && changed());
showWith(show);
setInterval(changed, MINUTE);
guardPresses(place("main"));
follow();
go();
