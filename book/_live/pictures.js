// What the live pictures share: the library that draws them, fetched only when the first one is asked for, and their look.

(() => {

// The palette and markers of ecmlib's figures, in the same order (seaborn's "colorblind").
const COLORS = ["#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9"];
const SYMBOLS = ["circle", "square", "diamond", "triangle", "wye", "star", "cross"];
const here = document.currentScript.src.replace(/[^/]*$/, "");

let fetched;
// Resolves once `Plot` is there; its two scripts are classic ones, in this order.
function plotLibrary() {
  fetched ??= ["d3.min.js", "plot.umd.min.js"].reduce(
    (before, name) => before.then(() => script(`${here}vendor/observable-plot/${name}`)),
    Promise.resolve(),
  );
  return fetched;
}

function script(address) {
  return new Promise((resolve, reject) => {
    const added = Object.assign(document.createElement("script"), { src: address, onload: resolve });
    added.onerror = () => reject(new Error(`${address} could not be loaded.`));
    document.head.append(added);
  });
}

// Calls `start` once, when the element comes into view.
function whenSeen(element, start) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    start();
  });
  observer.observe(element);
}

// Capacity over d: lines of a law with their bands, measured points, a chosen one. Every row has d and a series, one of
// `series`, whose place there gives its colour and marker. Points that the law was tested with are hollow.
function capacityOverD({ series, lines, bands = false, points, chosen = [], T, width, label }) {
  const { Plot } = window;
  const rows = [...lines, ...points, ...chosen];
  const shown = series.filter((name) => rows.some((row) => row.series === name));
  const styles = (all) => shown.map((name) => all[series.indexOf(name) % all.length]);
  const dots = (some, fill) =>
    Plot.dot(some, {
      x: "d", y: "C", fill, stroke: "series", symbol: "series", r: 4.5, strokeWidth: 1.5, href: "href", target: "_blank",
      ariaLabel: said,
    });
  const picture = Plot.plot({
    width,
    height: Math.max(260, Math.min(420, width * 0.62)),
    marginLeft: 52,
    marginBottom: 40,
    style: { background: "none", fontSize: "13px", overflow: "visible" },
    ariaLabel: label,
    x: { type: "log", base: 2, label: "d", labelAnchor: "center", labelArrow: "none", ticks: ticks(rows), tickFormat: String },
    y: { label: "C, sequences", domain: [0, 1.05 * T], grid: true },
    color: { domain: shown, range: styles(COLORS) },
    symbol: { domain: shown, range: styles(SYMBOLS) },
    marks: [
      Plot.ruleY([T], { strokeDasharray: "4 3" }),
      bands ? Plot.areaY(lines, { x: "d", y1: "C_low", y2: "C_high", fill: "series", fillOpacity: 0.18 }) : null,
      Plot.line(lines, { x: "d", y: "C", stroke: "series", strokeWidth: 1.8 }),
      dots(points.filter((point) => !point.unfitted), "series"),
      dots(points.filter((point) => point.unfitted), "var(--pst-color-background, Canvas)"),
      Plot.tip(points, Plot.pointer({ x: "d", y: "C", title: said, fill: "var(--pst-color-surface, Canvas)", lineWidth: 24 })),
      Plot.dot(chosen, { x: "d", y: "C", r: 7, stroke: "currentColor", strokeWidth: 2.5, fill: "none" }),
    ],
  });
  // Plot names its groups; a name needs a role.
  picture.querySelectorAll("g[aria-label]").forEach((group) => group.setAttribute("role", "group"));
  const both = element("div");
  both.append(picture.legend("symbol", { fill: "color", style: { fontSize: "13px" } }), picture);
  return both;
}

// A measured point in words; the name of its record in lines that a phone shows whole.
function said(point) {
  return [
    `d = ${point.d}, H = ${point.H}, N = ${point.N}, L = ${point.L}`,
    `C = ${count(point.C)} of ${count(point.T)}`,
    ...point.record.match(/.{1,30}(_|\/|$)/g),
  ].join("\n");
}

function ticks(rows) {
  const d = rows.map((row) => row.d);
  return Array.from({ length: 15 }, (_, power) => 2 ** power).filter((tick) => tick >= Math.min(...d) && tick <= Math.max(...d));
}

// What a law says over d, with the interval of 90 % of runs if it is asked for.
function curve(law, sizes, [from, to], interval) {
  const n = 120;
  const rows = Array.from({ length: n }, (_, i) => {
    const here = { ...sizes, d: from * (to / from) ** (i / (n - 1)) };
    return interval ? law.predict(here) : { ...here, C: law.capacity(law.parameters, here) };
  });
  return interval ? smoothed(rows) : rows;
}

// The ends of intervals jump over d wherever a residual joins or leaves those that they are drawn from: average them.
function smoothed(rows) {
  const end = (name) => (row, i) => {
    const near = rows.slice(Math.max(i - 6, 0), i + 7);
    const factor = near.reduce((sum, one) => sum + Math.log(one[name] / Math.max(one.C, 1)), 0) / near.length;
    return Math.min(Math.max(row.C, 1) * Math.exp(factor), row.T);
  };
  const [low, high] = ["C_low", "C_high"].map((name) => rows.map(end(name)));
  return rows.map((row, i) => ({ ...row, C_low: low[i], C_high: high[i] }));
}

const count = (value) => Math.round(value).toLocaleString("en");

// The JSON that a page carries in a script element, since no script may read a file that lies beside a page on disk.
function carried(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`This page carries no data "${id}".`);
  return JSON.parse(element.textContent);
}

// Why numbers are not to be trusted where the law was found not to hold; "" where it may.
function refuted({ d, T }, most) {
  if (T > most.T) return `The law is not for T above ${count(most.T)}: of such libraries its training learns next to nothing.`;
  return d > most.d ? `The law is not for d above ${most.d}: at its rate such models are hardly trained.` : "";
}

function element(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

Object.assign(window.ecmlib, { plotLibrary, whenSeen, capacityOverD, carried, count, curve, element, refuted });
})();
