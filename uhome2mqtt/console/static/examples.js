// Command lines to try, for this broker and this device.
import { words } from "./strings.js";

const PORTS = { mqtt: 1883, mqtts: 8883 };

/** Write a text so that a shell takes it as one word. */
function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Say to mosquitto's programs where the broker is. */
function where(url) {
  let parsed;
  try {
    parsed = new URL(url.replace(/^\w+:/, "http:"));
  } catch {
    return "";
  }
  const scheme = url.split(":")[0];
  const port = Number(parsed.port) || (/^http:\/\/[^/]*:80\b/.test(url.replace(/^\w+:/, "http:")) ? 80 : PORTS[scheme]);
  const host = parsed.hostname.replace(/^\[|\]$/g, "");
  const parts = [host === "localhost" ? "" : ` -h ${host}`, port && port !== 1883 ? ` -p ${port}` : "", scheme === "mqtts" ? " --tls-use-os-certs" : ""];
  return parts.join("");
}

/** Find what the first thing is that can be commanded: `{topic, payload}`. */
function firstCommand(device, topics) {
  const given = topics.find(({ use, payload }) => use === "set" && payload !== null && payload !== undefined);
  return given ?? null;
}

/** List examples: `{what, text}` each. */
export function examples(device, bridge, topics) {
  if (!bridge) return [];
  const said = words.page.example;
  const at = where(bridge.broker.url);
  const base = `${bridge.base_topic}/${device.topic}`;
  const found = [{ what: said.watch, text: `mosquitto_sub${at} -v -t ${quoted(`${base}/#`)}` }];
  const first = firstCommand(device, topics);
  if (first) found.push({ what: said.command, text: `mosquitto_pub${at} -q 1 -t ${quoted(first.topic)} -m ${quoted(String(first.payload))}` });
  found.push({ what: said.ask, text: `mosquitto_rr${at} -q 1 -W 30 -t ${quoted(`${base}/get`)} -e reply/1 -n` });
  if (!first) return found;
  const payload = JSON.stringify(first.payload);
  return [
    ...found,
    { what: said.nodeRed, text: `msg.topic = ${JSON.stringify(first.topic)};\nmsg.payload = { value: ${payload}, sent_at: Date.now() };\nreturn msg;` },
    { what: said.homeAssistant, text: `action: mqtt.publish\ndata:\n  topic: ${first.topic}\n  qos: 1\n  payload: ${typeof first.payload === "string" && /^\w+$/.test(first.payload) ? JSON.stringify(first.payload) : `'${String(first.payload).replaceAll("'", "''")}'`}` },
  ];
}
