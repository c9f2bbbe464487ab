"use strict";
// Draws the charts and the samples of a page from its island of data. The library is uPlot.
(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  const color = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colors = () => [...Array(8).keys()].map(each => color(`--curve-${each}`));
  const control = name => document.getElementById(name);
  const settings = () => ({
    smooth: Number(control("smoothing")?.value ?? 0) / 100,
    logY: control("log-y")?.checked ?? false,
    logX: control("log-x")?.checked ?? false,
    tokens: control("axis")?.value === "tokens",
  });

  const short = value => {
    if (value == null) return "";
    const size = Math.abs(value);
    for (const [unit, factor] of [["G", 1e9], ["M", 1e6], ["k", 1e3]])
      if (size >= factor) return `${+(value / factor).toPrecision(3)} ${unit}`;
    return size !== 0 && size < 1e-3 ? value.toExponential(1) : `${+value.toPrecision(4)}`;
  };

  // An exponential moving average that starts without a bias to 0
  const smoothed = (values, weight) => {
    let sum = 0, total = 0;
    return values.map(value => {
      sum = weight * sum + (1 - weight) * value;
      total = weight * total + (1 - weight);
      return sum / total;
    });
  };

  const faded = name => `color-mix(in srgb, ${name} 30%, transparent)`;

  // One column of steps for all curves of a chart, and null where a curve has no point
  const table = (chart, set) => {
    const scale = set.tokens && data.tokens_per_step && !chart.axis ? data.tokens_per_step : 1;
    const columns = [], series = [{ label: chart.axis ?? (set.tokens ? "tokens" : "step"), value: (_, value) => short(value) }];
    const bands = [], edges = new Map();
    chart.curves.forEach((curve, number) => {
      const steps = curve.steps.map(step => step * scale), stroke = curve.reference ? color("--quiet") : colors()[number % 8];
      const noisy = chart.noisy && set.smooth > 0 && curve.values.length > 20 && !curve.low;
      const push = (values, options) => { columns.push([steps, values]); series.push(options); };
      const points = curve.dots ? { show: true, size: 8 } : { show: curve.values.length < 2 || undefined };
      if (curve.low) {
        edges.set(series.length + 2, [series.length, series.length + 1]);
        const hidden = { stroke: "transparent", points: { show: false }, value: (_, value) => short(value) };
        push(curve.high, { ...hidden, label: `${curve.label}, high` });
        push(curve.low, { ...hidden, label: `${curve.label}, low` });
        bands.push({ series: [series.length - 2, series.length - 1], fill: faded(stroke) });
      }
      if (noisy) push(curve.values, { label: `${curve.label}, raw`, stroke: faded(stroke), width: 1, spanGaps: true,
        points: { show: false }, value: (_, value) => short(value) });
      push(noisy ? smoothed(curve.values, set.smooth) : curve.values, { label: curve.label, stroke, width: 2,
        spanGaps: true, points, dash: number >= 8 || curve.reference ? [6, 4] : undefined, paths: curve.dots ? () => null : undefined, value: (_, value) => short(value) });
    });
    const joined = uPlot.join(columns.map(([steps, values]) => [steps, values]));
    return { joined, series, bands, edges };
  };

  const plots = window.charts = [];
  const draw = (chart, place) => {
    const set = settings(), { joined, series, bands, edges } = table(chart, set);
    if (chart.curves.length > 8) series.slice(1).forEach(each => { each.show = !each.label.includes(","); });
    const positive = chart.curves.every(curve => curve.values.every(value => value > 0));
    const logX = chart.axis ? chart.log_x ?? 0 : set.logX ? 10 : 0, logY = chart.log_y || set.logY && positive;
    const axis = { stroke: color("--quiet"), grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line") }, values: (_, splits) => splits.map(short) };
    // Of a logarithmic axis 1, 2 and 5 of each decade are labelled, or 1 alone where there are many
    const filter = (plot, splits) => splits.map(split => {
      const leading = Math.round(split / 10 ** Math.floor(Math.log10(split) + 1e-9));
      return leading === 1 || ([2, 5].includes(leading) && plot.scales.x.max < 1e3 * plot.scales.x.min) ? split : null;
    });
    const range = (_, low, high) => low < high ? [low, high] : logX ? [low / 2, high * 2] : [low - 1, high + 1];
    const own = chart.axis ? { label: chart.axis, labelSize: 20, ...(logX === 10 ? { filter } : {}) } : {};
    const plot = new uPlot({
      width: Math.max(280, place.clientWidth), height: 240, series, bands,
      scales: { x: { time: false, distr: logX ? 3 : 1, log: logX || 10, ...(chart.axis ? { range } : {}) }, y: { distr: logY ? 3 : 1 } },
      axes: [{ ...axis, ...own }, { ...axis, size: 62 }],
      hooks: { setSeries: [(plot, at, { show }) => {
        if (show != null) edges.get(at)?.forEach(edge => plot.setSeries(edge, { show }));
      }] },
      cursor: { sync: chart.axis ? undefined : { key: "charts" }, drag: { x: true, y: false } },
    }, logX ? joined.map(column => column.slice(joined[0][0] > 0 ? 0 : 1)) : joined, place);
    plots.push(plot);
    // The edges of a band have no names of their own: they go with its curve
    const rows = place.querySelectorAll(".u-legend .u-series");
    edges.forEach(pair => pair.forEach(edge => { rows[edge].style.display = "none"; }));
    // The names in the legend hide and show their curves: by keyboard too
    place.querySelectorAll(".u-legend .u-series:not(:first-child) th").forEach(name => {
      name.tabIndex = 0;
      name.addEventListener("keydown", event => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        name.click();
      });
    });
  };

  const range = plot => [plot.scales.x.min, plot.scales.x.max];
  const zoom = (plot, factor, shift) => {
    const [low, high] = range(plot), middle = (low + high) / 2 + shift * (high - low), half = (high - low) / 2 * factor;
    const all = plot.data[0];
    plot.setScale("x", { min: Math.max(all[0], middle - half), max: Math.min(all.at(-1), middle + half) });
  };
  const KEYS = { "+": [.5, 0], "=": [.5, 0], "-": [2, 0], ArrowLeft: [1, -.25], ArrowRight: [1, .25] };

  const drawAll = () => {
    plots.splice(0).forEach(plot => plot.destroy());
    document.querySelectorAll("[data-chart]").forEach(place => draw(data.charts[Number(place.dataset.chart)], place));
  };
  document.querySelectorAll("[data-chart]").forEach((place, number) => place.addEventListener("keydown", event => {
    const plot = plots[number];
    if (event.key === "Escape" || event.key === "0") plot.setScale("x", { min: plot.data[0][0], max: plot.data[0].at(-1) });
    else if (KEYS[event.key]) zoom(plot, ...KEYS[event.key]);
    else return;
    event.preventDefault();
  }));

  const slider = control("sample-step");
  const showSamples = () => {
    const [step, texts] = data.samples[Number(slider.value)];
    control("sample-label").textContent = `step ${step}`;
    slider.setAttribute("aria-valuetext", `step ${step}`);
    control("sample-texts").replaceChildren(...texts.map(text => {
      const part = document.createElement("pre");
      part.className = "wrapped";
      part.textContent = text;
      return part;
    }));
  };
  slider?.addEventListener("input", showSamples);

  // Draws fresh data of the same run; false where the page has no place for them
  window.redraw = fresh => {
    const places = document.querySelectorAll("[data-chart]").length;
    if (fresh.charts.length !== places || (fresh.samples.length > 1) !== Boolean(slider)) return false;
    const last = slider && Number(slider.value) === data.samples.length - 1;
    const zoomed = plots.map(plot => [range(plot), [plot.data[0][0], plot.data[0].at(-1)]]);
    Object.assign(data, fresh);
    if (places) drawAll();
    zoomed.forEach(([[min, max], [first, end]], at) => {
      if (min > first || max < end) plots[at].setScale("x", { min, max });
    });
    if (slider) {
      slider.max = data.samples.length - 1;
      if (last) slider.value = slider.max;
      showSamples();
    }
    return true;
  };

  if (data.charts.length) {
    for (const name of ["smoothing", "log-y", "log-x", "axis"]) control(name)?.addEventListener("input", drawAll);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
    let pending;
    addEventListener("resize", () => { clearTimeout(pending); pending = setTimeout(drawAll, 150); });
    drawAll();
  }
})();
