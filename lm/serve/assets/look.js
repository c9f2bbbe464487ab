// How the page looks: its side panels, its theme and the colours of surprise.

import { el, find } from "./dom.js";
import { LEVELS } from "./scores.js";
import * as settings from "./settings.js";

const WIDE = { chats: 1000, settings: 1200 }; // pixels from which a side panel is open at first
const closers = {};

/** Close the chats where they cover the page. */
export const closeChats = () => { if (innerWidth < WIDE.chats) closers.chats(); };

/** A side panel with its button; one that covers the page is closed by Escape. */
function panel(name) {
  const aside = find(name), toggle = find(`show-${name}`);
  const put = shown => {
    aside.hidden = !shown;
    toggle.setAttribute("aria-expanded", String(shown));
  };
  const wide = matchMedia(`(min-width: ${WIDE[name]}px)`), fit = () => put(settings.setting(name) !== false && wide.matches);
  fit();
  wide.addEventListener("change", fit);
  toggle.addEventListener("click", () => {
    put(aside.hidden);
    if (wide.matches) settings.set(name, !aside.hidden);
    else if (!aside.hidden) aside.querySelector("button, input")?.focus();
  });
  aside.addEventListener("keydown", event => {
    if (event.key !== "Escape" || wide.matches) return;
    put(false);
    toggle.focus();
  });
  closers[name] = () => put(false);
}

function colours(on) {
  find("surprise").checked = on;
  document.body.classList.toggle("coloured", on);
  find("scale").hidden = !on;
}

function theme(name) {
  find("theme").value = name;
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
}

/** A swatch for each level: the bound of probability below which a token has it. */
const swatches = ["≥75", ...LEVELS.map(bound => `<${100 * bound}`)].map((text, at) =>
  el("span", { className: `swatch level-${at}` }, text));

export function prepare() {
  panel("chats");
  panel("settings");
  find("scale").append("probability in %: ", ...swatches);
  theme(settings.setting("theme") ?? "");
  colours(settings.setting("colours") ?? false);
  find("theme").addEventListener("change", () => { theme(find("theme").value); settings.set("theme", find("theme").value); });
  find("surprise").addEventListener("change", () => {
    colours(find("surprise").checked);
    settings.set("colours", find("surprise").checked);
  });
}
