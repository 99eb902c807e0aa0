// Icons as one path each, on a grid of 24: drawn with the colour of the text, hidden from screen readers (a word stands beside each).
import { html, nothing } from "./vendor/lit-html/lit-html.js";

const PATHS = {
  locked: "M7.5 11V7.5a4.5 4.5 0 0 1 9 0V11M6.5 11h11A1.5 1.5 0 0 1 19 12.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19.5v-7A1.5 1.5 0 0 1 6.5 11ZM12 15v2",
  unlocked: "M7.5 11V7a4.5 4.5 0 0 1 8.7-1.6M6.5 11h11A1.5 1.5 0 0 1 19 12.5v7a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 5 19.5v-7A1.5 1.5 0 0 1 6.5 11ZM12 15v2",
  jammed: "M12 9v4.5M12 17v.01M10.3 4.2 2.7 17.3A2 2 0 0 0 4.4 20.3h15.2a2 2 0 0 0 1.7-3L13.7 4.2a2 2 0 0 0-3.4 0Z",
  moving: "M20.5 12a8.5 8.5 0 0 1-15 5.5M3.5 12a8.5 8.5 0 0 1 15-5.5M18.5 2.5v4h-4M5.5 21.5v-4h4",
  unknown: "M9 9a3 3 0 1 1 4.5 2.6c-1 .6-1.5 1.2-1.5 2.4M12 17.5v.01M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  open: "M4 21h16M6 21V4.5L14 3v18M14 5h3.5v16M11 12v1",
  closed: "M4 21h16M6.5 21V4.5A1.5 1.5 0 0 1 8 3h8a1.5 1.5 0 0 1 1.5 1.5V21M14 12v1",
  on: "M9.5 18h5M10.5 21h3M12 3a6 6 0 0 0-3.5 10.9c.7.5 1 1.2 1 2.1h5c0-.9.3-1.6 1-2.1A6 6 0 0 0 12 3Z",
  off: "M9.5 18h5M10.5 21h3M12 3a6 6 0 0 0-3.5 10.9c.7.5 1 1.2 1 2.1h5c0-.9.3-1.6 1-2.1A6 6 0 0 0 12 3Z",
  power: "M12 3v8M17.7 6.8a8 8 0 1 1-11.4 0",
  good: "M5 12.5 10 17.5 19.5 7",
  bad: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  fair: "M12 7v6.5M12 17v.01",
  none: "M6 12h12",
  cloud: "M7 19a4.5 4.5 0 0 1-.6-9A6 6 0 0 1 18 8.8 5 5 0 0 1 17.5 19Z",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13ZM15.5 15.5 20 20",
  copy: "M9 9h10.5v11.5H9zM5.5 15H4.5V3.5H15V5",
  back: "M14.5 5.5 8 12l6.5 6.5",
  refresh: "M20 12a8 8 0 1 1-2.3-5.7L20 8.5M20 3.5v5h-5",
  download: "M12 4v11M7 10.5l5 5 5-5M4.5 20h15",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  pencil: "M4 20l1-4.5L16 4.5a2.1 2.1 0 0 1 3 0l.5.500a2.1 2.1 0 0 1 0 3L8.5 19Z",
  bin: "M4.5 7h15M9.5 7V4h5v3M6.5 7l1 13.5h9l1-13.5M10.5 11v5.5M13.5 11v5.5",
  plus: "M12 5v14M5 12h14",
  push: "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 2h-15ZM10 21h4",
  query: "M12 7.5V12l3 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  confirm: "M8 12.5l3 3 5.5-6.5M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z",
  house: "M3.5 11.5 12 4l8.5 7.5M6 9.5V20h12V9.5M10 20v-5.5h4V20",
  bridge: "M3 18.5h18M3 14.5c5-1 6.5-5 9-9 2.5 4 4 8 9 9M12 5.5v13M7.5 12.5v6M16.5 12.5v6",
  battery: "M4.5 8h13A1.5 1.5 0 0 1 19 9.5v5a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 3 14.5v-5A1.5 1.5 0 0 1 4.5 8ZM21.5 11v2",
  away: "M3 4l18 17M8.5 15.5a5 5 0 0 1 5.6-1M5 12a10 10 0 0 1 4-2.3M19 12a10 10 0 0 0-6-2.9M12 19v.01",
  out: "M14 4.5H5.5v15H14M10 12h10.5M17 8.5l3.5 3.5-3.5 3.5",
  link: "M10 5.5H5v13.5h13.5V14M13.5 4.5h6v6M19.5 4.5 11 13",
};

/** Draw an icon. */
export function icon(name, extra = nothing) {
  return html`<svg class="icon" data-icon=${extra} viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name] ?? PATHS.unknown} /></svg>`;
}

/** Draw a battery that is as full as `percent` says. */
export function batteryIcon(percent) {
  const width = percent === null ? 0 : Math.max(1.2, (11.4 * percent) / 100);
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS.battery} /><rect class="charge" x="5.3" y="10.3" width=${width} height="3.4" rx="0.8" /></svg>`;
}
