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

// Capacity over d: lines of a law with their bands, measured points, a chosen one. Every row has d and a series.
function capacityOverD({ series, lines = [], bands = false, points = [], chosen = [], T, width, label }) {
  const { Plot } = window;
  const tip = (row) =>
    [`d = ${row.d}, H = ${row.H}, N = ${row.N}, L = ${row.L}`, `C = ${count(row.C)} of ${count(row.T)}`, row.record].filter(Boolean).join("\n");
  const picture = Plot.plot({
    width,
    height: Math.max(260, Math.min(420, width * 0.62)),
    marginLeft: 52,
    marginBottom: 40,
    style: { background: "none", fontSize: "13px", overflow: "visible" },
    ariaLabel: label,
    x: { type: "log", base: 2, label: "d", labelAnchor: "center", labelArrow: "none", ticks: ticks(lines, points), tickFormat: String },
    y: { label: "C, sequences", domain: [0, 1.05 * T], grid: true },
    color: { domain: series, range: COLORS },
    symbol: { domain: series, range: SYMBOLS },
    marks: [
      Plot.ruleY([T], { strokeDasharray: "4 3" }),
      bands ? Plot.areaY(lines, { x: "d", y1: "C_low", y2: "C_high", fill: "series", fillOpacity: 0.18 }) : null,
      Plot.line(lines, { x: "d", y: "C", stroke: "series", strokeWidth: 1.8 }),
      Plot.dot(points, {
        x: "d", y: "C", fill: "series", symbol: "series", r: 4.5, stroke: "currentColor", strokeWidth: 0.5,
        href: "href", target: "_blank", ariaLabel: tip, title: tip, tip: { fill: "var(--pst-color-surface, Canvas)" },
      }),
      Plot.dot(chosen, { x: "d", y: "C", r: 7, stroke: "currentColor", strokeWidth: 2.5, fill: "none" }),
    ],
  });
  // Plot names its groups; a name needs a role.
  picture.querySelectorAll("g[aria-label]").forEach((group) => group.setAttribute("role", "group"));
  return picture;
}

function ticks(lines, points) {
  const d = [...lines, ...points].map((row) => row.d);
  return [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].filter((tick) => tick >= Math.min(...d) && tick <= Math.max(...d));
}

const count = (value) => Math.round(value).toLocaleString("en");

// Whole numbers from one to the other, about evenly spaced on a logarithmic axis.
function spaced(from, to, n = 60) {
  const steps = Array.from({ length: n }, (_, i) => Math.round(from * (to / from) ** (i / (n - 1))));
  return [...new Set(steps)];
}

// The JSON that a page carries in a script element, since no script may read a file that lies beside a page on disk.
function carried(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`This page carries no data "${id}".`);
  return JSON.parse(element.textContent);
}

function element(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

Object.assign(window.ecmlib, { COLORS, plotLibrary, whenSeen, capacityOverD, carried, count, element, spaced });
})();
