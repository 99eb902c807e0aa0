// How values are said.
import { words } from "./strings.js";

/** Say a value of a key; null is unknown. */
export function valueText(key, value) {
  if (value === null || value === undefined) return words.states.unknown;
  if (typeof value === "string" && key === "light" && value.startsWith("{")) return lightText(parsed(value));
  if (typeof value === "object") return key === "light" ? lightText(value) : JSON.stringify(value);
  if (typeof value === "string" && Object.hasOwn(words.states, value)) return words.states[value];
  if (key === "battery" || key === "brightness") return words.device.brightnessValue(value);
  return String(value);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function lightText(light) {
  const state = valueText("switch", light?.state ?? null);
  return light?.state === "ON" && Number.isFinite(light.brightness) ? words.device.level(state, light.brightness) : state;
}

/** Tell in which state a lock is, as a word for the style: locked, unlocked, moving, jammed, unknown. */
export function lockLook(value) {
  switch (value) {
    case "LOCKED":
      return "locked";
    case "UNLOCKED":
      return "unlocked";
    case "LOCKING":
    case "UNLOCKING":
      return "moving";
    case "JAMMED":
      return "jammed";
    default:
      return "unknown";
  }
}

/** Tell the power of a switch or light: "ON", "OFF" or null. */
export function power(device) {
  const { document } = device;
  if (!document) return null;
  return ("light" in document ? document.light?.state : document.switch) ?? null;
}

/** Tell which key turns a device on and off, or undefined. */
export function powerKey(device) {
  return ["switch", "light"].find((key) => key in (device.document ?? {}) || device.keys?.some((each) => each.key === key));
}

/** Tell since when a key of a device shows what it shows; null where that is not known. */
export function since(device, key) {
  return device.since?.[key] ?? null;
}

/** Read a payload of a topic: null is unknown. */
export function fromPayload(key, payload) {
  if (payload === "None" || payload === null) return null;
  if (key === "light" && typeof payload === "string") return parsed(payload);
  if (["battery", "brightness", "battery_level", "color_temp"].includes(key)) return Number(payload);
  return payload;
}

/** Tell what a device was when it was last known: the value of a key, or null. */
export function lastKnown(device, key) {
  return device.document?.last_known?.[key] ?? null;
}

/** Tell whether a device wants somebody's attention. */
export function wantsAttention(device) {
  const document = device.document ?? {};
  return (
    (device.kind === "lock" && document.lock !== "LOCKED") ||
    document.battery_low === "ON" ||
    document.connectivity === "offline" ||
    document.stale === "ON" ||
    device.missing === true
  );
}
