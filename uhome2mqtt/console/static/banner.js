// What is wrong, and how to mend it.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { clockTime, now, span } from "./clock.js";
import { icon } from "./icons.js";
import { store } from "./store.js";
import { words } from "./strings.js";

/** Collect what is wrong: `{look, title, text, connect?, at?}` each. */
function wrongs() {
  const { bridge, connection, late, heard } = store;
  const said = words.banner;
  const found = [];
  if (connection === "lost" && late) {
    const time = clockTime(heard, { seconds: true });
    found.push({ look: "bad", drawing: "away", title: said.lost(time), at: new Date(heard).toISOString(), text: store.why ? said.lostWhy(store.why) : said.lostMend });
  }
  if (connection === "opening" && late) found.push({ look: "bad", drawing: "away", title: said.opening, text: store.why ? said.neverWhy(store.why) : said.never });
  if (!bridge) return found;
  return [...found, ...ofAccount(bridge, said), ...ofBroker(bridge, said), ...ofPush(bridge, said)];
}

function ofAccount(bridge, said) {
  if (bridge.login) return [{ look: "bad", title: said.login, text: said.loginMend(bridge.login), connect: true }];
  switch (bridge.cloud) {
    case "unauthorized":
      return [{ look: "bad", title: said.cloudUnauthorized, text: said.cloudUnauthorizedMend, connect: true }];
    case "offline":
      return [{ look: "bad", drawing: "cloud", title: said.cloudOffline, text: said.cloudOfflineMend }];
    case "degraded":
      return [{ look: "fair", drawing: "cloud", title: said.cloudDegraded, text: said.cloudDegradedMend }];
    default:
      return [];
  }
}

function ofBroker(bridge, said) {
  const found = [];
  if (!bridge.broker.connected) found.push({ look: "bad", title: said.broker, text: said.brokerMend(bridge.broker.url) });
  if (bridge.standing_by) found.push({ look: "fair", title: said.standingBy, text: said.standingByMend(bridge.standing_by) });
  else if (bridge.health?.problems?.other_bridge === "ON") found.push({ look: "fair", title: said.otherBridge, text: said.otherBridgeMend });
  // What hinders it by itself has been said already.
  const waiting = bridge.waiting ?? [];
  if (waiting.length && !found.length && !bridge.login) found.push({ look: "none", title: said.waiting, text: said.waitingMend(waiting) });
  return found;
}

function ofPush(bridge, said) {
  const found = [];
  const { push, health } = bridge;
  if (push.status === "unhealthy") found.push({ look: "fair", drawing: "push", title: said.pushUnhealthy, text: said.pushUnhealthyMend(span(push.poll_interval)), bridge: true });
  if (push.status === "registration_failed") found.push({ look: "fair", drawing: "push", title: said.pushFailed, text: said.pushFailedMend(health?.push?.failure), bridge: true });
  const held = health?.budget?.held_until;
  if (held && Date.parse(held) > now()) found.push({ look: "fair", title: said.held, text: said.heldMend(clockTime(held, { seconds: true })) });
  return found;
}

/** Show what is wrong. */
export function banner() {
  return wrongs().map(
    ({ look, drawing, title, text, connect, at, bridge }) => html`<div class="wrong" data-look=${look}>
      ${icon(drawing ?? (look === "bad" ? "jammed" : "fair"))}
      <div>
        <strong>${title}</strong>${at ? html`<span class="soft" aria-hidden="true">, <age-of at=${at}></age-of></span>` : nothing}
        <p>${text}</p>
      </div>
      ${connect ? html`<a class="button strong" href="connect">${words.banner.connect}</a>` : nothing}
      ${bridge ? html`<a class="button quiet" href="#/bridge">${words.banner.toBridge}</a>` : nothing}
    </div>`,
  );
}
