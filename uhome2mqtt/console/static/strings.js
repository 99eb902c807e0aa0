// All words of the console: they stand in the folder `words`.
import { bridge } from "./words/bridge.js";
import { device } from "./words/device.js";
import { frame } from "./words/frame.js";
import { house } from "./words/house.js";
import { count, list } from "./words/sentences.js";

export const words = {
  name: "uhome2mqtt",
  nothing: "–",
  never: "never",
  title: (view) => `${view} · uhome2mqtt`,
  ago: (span) => `${span} ago`,
  units: {
    seconds: (s) => `${s} s`,
    minutes: (m) => `${m} min`,
    hours: (h, m) => (m ? `${h} h ${m} min` : `${h} h`),
    days: (d, h) => (h ? `${d} d ${h} h` : `${d} d`),
  },
  count,
  list,
  ...frame,
  ...house,
  ...device,
  ...bridge,
};

/** Give tables no members but their own: a word of the cloud may be `constructor`. */
function bare(table) {
  for (const each of Object.values(table)) if (each?.constructor === Object) bare(each);
  return Object.setPrototypeOf(table, null);
}

bare(words);
