"use strict";
// Fills the table of runs and keeps it up to date.
(() => {
  const EVERY = 3000, find = document.getElementById("find"), state = document.getElementById("state");
  const body = document.getElementById("runs"), compare = document.getElementById("compare"), chosen = new Set();
  let rows = [];

  const cell = (text, kind = "") => Object.assign(document.createElement("td"), { textContent: text, className: kind });
  const size = bytes => bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB`
    : `${Math.ceil(bytes / 1e3)} kB`;
  const ago = seconds => seconds < 90 ? `${Math.round(seconds)} s` : seconds < 5400 ? `${Math.round(seconds / 60)} min`
    : seconds < 129600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} d`;
  const path = place => "/run/" + place.split("/").map(encodeURIComponent).join("/");

  const curve = values => {
    const part = cell("", "text");
    if (!values || values.length < 2) return part;
    const low = Math.min(...values), span = Math.max(...values) - low || 1;
    const points = values.map((value, at) => `${100 * at / (values.length - 1)},${20 - 18 * (value - low) / span}`);
    const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    Object.entries({ viewBox: "0 0 100 22", width: 100, height: 22, "aria-hidden": "true" })
      .forEach(([key, value]) => drawing.setAttribute(key, value));
    drawing.style.background = "none";
    Object.entries({ points: points.join(" "), fill: "none", stroke: "var(--curve-0)", "stroke-width": 1.5 })
      .forEach(([key, value]) => line.setAttribute(key, value));
    drawing.append(line);
    part.append(drawing);
    return part;
  };

  const choice = row => {
    const part = cell(""), box = document.createElement("input");
    box.type = "checkbox";
    box.checked = chosen.has(row.place);
    box.setAttribute("aria-label", `compare ${row.place}`);
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(row.place); else chosen.delete(row.place);
      compare.disabled = chosen.size < 2;
    });
    if (row.step != null) part.append(box);
    return part;
  };

  const line = row => {
    const entry = document.createElement("tr"), name = cell("", "text");
    if (row.state === "queued") name.textContent = row.place;
    else name.append(Object.assign(document.createElement("a"), { href: path(row.place), textContent: row.place }));
    entry.append(choice(row), name, cell(row.state, "text"), cell(row.step ?? ""),
      cell(row.loss == null ? "" : row.loss.toPrecision(4)), curve(row.curve), cell(row.metric, "text"),
      cell(size(row.size)), cell(`${ago(Date.now() / 1000 - row.changed)} ago`));
    return entry;
  };

  const show = () => {
    const words = find.value.toLowerCase().split(/\s+/);
    const shown = rows.filter(row => (!state.value || row.state === state.value)
      && words.every(word => row.place.toLowerCase().includes(word)));
    const focused = document.activeElement?.getAttribute?.("href") || document.activeElement?.getAttribute?.("aria-label");
    body.replaceChildren(...shown.map(line));
    if (focused) [...body.querySelectorAll("a, input")].find(each =>
      each.getAttribute("href") === focused || each.getAttribute("aria-label") === focused)?.focus();
    document.getElementById("count").textContent = `${shown.length} of ${rows.length} runs`;
  };

  const update = async () => {
    try {
      const answer = await fetch("/runs.json");
      if (!answer.ok) throw new Error(await answer.text());
      rows = (await answer.json()).sort((a, b) => b.changed - a.changed);
      show();
    } catch (error) {
      document.getElementById("count").textContent = `the dashboard does not answer (${error.message}); trying again`;
    }
    setTimeout(update, EVERY);
  };

  for (const each of [find, state]) each.addEventListener("input", show);
  compare.addEventListener("click", () => {
    location.href = "/compare?" + [...chosen].map(place => `run=${encodeURIComponent(place)}`).join("&");
  });
  update();
})();
