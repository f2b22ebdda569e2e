// The calculator: sizes to capacity, and a wanted capacity to the smallest architectures. The address keeps the question.

(() => {

const SHOWN = 8; // candidates in the table
const WANTED = ["N", "K", "T", "C", "p", "most_H", "most_L"]; // what the search for architectures asks for
const { Law, SIZES, capacityOverD, carried, checkLibrary, count, curve, element, plotLibrary, refuted, whenSeen } = window.ecmlib;
const root = document.getElementById("calculator");

const interval = ({ C_low, C_high }) => `${count(C_low)} to ${count(C_high)}`;
const probable = (share) => (Math.floor(100 * share + 1e-9) / 100).toFixed(2); // of few residuals: no more digits
const upTo = (n) => Array.from({ length: n }, (_, index) => index + 1);
const numbersOf = (form) => [...form.elements].filter((field) => field.type === "number");
const message = (text) => element("p", text, { className: "calculator-warning" });

// The numbers typed into some fields; throws a sentence that names the first one that cannot be.
function typed(form, names) {
  return Object.fromEntries(
    names.map((name) => {
      const field = form.elements[name];
      field.removeAttribute("aria-invalid");
      if (!field.disabled && !field.checkValidity()) {
        field.setAttribute("aria-invalid", "true");
        const kind = field.step === "1" ? "a whole number" : "a number";
        throw new Error(`${field.labels[0].firstChild.textContent.trim()} must be ${kind} from ${field.min} to ${field.max}.`);
      }
      return [field.name, field.valueAsNumber];
    }),
  );
}

// A slider below each number; those that span more than a factor of 20 are logarithmic.
function addSlider(field) {
  const [from, to] = field.dataset.slider.split(" ").map(Number);
  const name = field.labels[0].textContent.trim();
  const far = to / from > 20;
  const [forth, back] = far ? [Math.log2, (place) => 2 ** place] : [(value) => value, (place) => place];
  const slider = element("input", "", { type: "range", min: forth(from), max: forth(to), step: far ? 0.01 : field.step === "1" ? 1 : 0.01 });
  slider.setAttribute("aria-label", `slider of ${name}`);
  const follow = () => {
    slider.value = forth(field.valueAsNumber || from);
    slider.setAttribute("aria-valuetext", field.value);
    slider.disabled = field.disabled;
  };
  slider.addEventListener("input", (event) => {
    event.stopPropagation(); // the number says it, once it has changed
    const value = back(slider.valueAsNumber);
    const before = field.valueAsNumber;
    const rounded = field.step === "1" || far ? Math.round(value) : Number(value.toFixed(3));
    // A step of a logarithmic slider may be less than one: go on by one, or an arrow key would never get further.
    const next = rounded === before ? before + Math.sign(value - before) : rounded;
    field.value = Math.min(Math.max(next, from), to);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  field.form.addEventListener("input", follow);
  field.labels[0].after(slider);
  const pair = element("div", "", { className: "calculator-number" });
  field.labels[0].before(pair);
  pair.append(field.labels[0], slider);
  follow();
}

// What is to be said of sizes at which the law was not fitted, or was found not to hold.
function warnings(law, { outside, d, T }, most) {
  const said = [refuted({ d, T }, most), outside.length ? beyond(law, outside) : ""];
  return said.filter((sentence) => sentence).map(message);
}

function beyond(law, outside) {
  const parts = outside.map((size) => `${size} (fitted on ${law.region[size].join(" to ").replace(/^(\S+) to \1$/, "$1")})`);
  return `Outside the fitted region: ${parts.join(", ")}. Treat the numbers as a guess.`;
}

// Whether chance explains the capacity: ecmlib.chance.is_guessing, by a normal distribution.
const isLost = ({ C, K, T }) => C <= 1.645 * Math.sqrt(T / (K - 1));

function capacityFacts(law, sizes, protocol, most) {
  const said = law.predict(sizes);
  const facts = element("dl");
  for (const [term, value] of [
    ["capacity C", `${count(said.C)} sequences`],
    ["90 % of runs", isLost(said) ? "cannot be told from guessing" : interval(said)],
    ["parameters P", count(said.P)],
    ["memory per parameter MPP", `${said.MPP.toPrecision(3)} tokens`],
    ["trained", `${count(protocol.max_steps)} steps by the reference protocol`],
  ]) {
    facts.append(element("dt", term), element("dd", value));
  }
  return [facts, ...warnings(law, said, most)];
}

function picture(law, points, sizes, width) {
  const series = `H = ${sizes.H}`;
  const here = { H: sizes.H, N: sizes.N, L: sizes.L, K: sizes.K, T: sizes.T };
  const range = [law.region.d[0], Math.max(Math.min(2 * sizes.d, 16384), law.region.d[1])]; // below, it says nothing
  const lines = curve(law, here, range, true).map((row) => ({ ...row, series }));
  const measured = points.filter((point) => Object.entries(here).every(([size, value]) => point[size] === value));
  return capacityOverD({
    series: [series], lines, bands: true, points: measured.map((point) => ({ ...point, series })),
    chosen: [law.predict(sizes)], T: sizes.T, width,
    label: "Capacity over d: the law, the interval of 90 % of runs, smoothed, what was measured, and the chosen d in a ring",
  });
}

// What measures the architecture as the models were to which the law was fitted, in Python and from a shell.
function code(sizes, protocol) {
  const { T, ...architecture } = Object.fromEntries(SIZES.map((size) => [size, sizes[size]]));
  const named = Object.entries(architecture).map(([size, value]) => `${size}=${value}`);
  const passed = Object.entries({ ...architecture, T, ...protocol }).map(([name, value]) => `-p ${name} ${value}`);
  return {
    python: [
      "from ecmlib import Architecture, Protocol, measure_mac",
      "",
      `record = measure_mac(Architecture(${named.join(", ")}), Protocol.reference(T=${T}))`,
    ].join("\n"),
    shell: `papermill notebooks/mac.ipynb runs/mac.ipynb ${passed.join(" ")}`,
  };
}

function candidatesTable(law, { C, N, K, T, p, most_H, most_L }, choose) {
  const found = law.smallestArchitectures(C, { N, K, T }, { H: upTo(most_H), L: upTo(most_L), p }).slice(0, SHOWN);
  const names = ["d", "H", "L", "P", "C", "90 % of runs", "probability", "MPP", "fitted?", "picture"];
  const table = element("table");
  table.createCaption().textContent = `The smallest architectures that hold ${count(C)} sequences with a probability of ${p}`;
  table.createTHead().insertRow().append(...names.map((name) => element("th", name, { scope: "col" })));
  const body = table.createTBody();
  for (const row of found) {
    const outside = row.outside.length ? `outside: ${row.outside.join(", ")}` : "yes";
    const cells = [row.d, row.H, row.L, count(row.P), count(row.C), interval(row), probable(row.probability), row.MPP.toPrecision(3), outside];
    const line = body.insertRow();
    line.append(...cells.map((cell) => element("td", cell)));
    const button = element("button", "show", { type: "button", ariaLabel: `show above d = ${row.d}, H = ${row.H}, L = ${row.L}` });
    button.addEventListener("click", () => choose(row));
    line.insertCell().append(button);
    [...line.cells].forEach((cell, place) => (cell.dataset.name = names[place]));
  }
  const scrolled = element("div", "", { className: "calculator-table", tabIndex: 0, role: "region", ariaLabel: "Smallest architectures" });
  scrolled.append(table);
  return [scrolled];
}

// What the address asks, if anything, and back: so a question can be shared, and comes back with the page.
function readAddress(form) {
  const asked = new URLSearchParams(location.search);
  for (const field of form.elements) {
    if (!field.name || !asked.has(field.name)) continue;
    if (field.type === "checkbox") field.checked = true;
    else field.value = asked.get(field.name);
  }
}

function writeAddress(form) {
  const asked = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `?${asked}${location.hash}`);
}

function said(output, parts) {
  try {
    output.replaceChildren(...parts());
    return true;
  } catch (error) {
    output.replaceChildren(message(error.message));
    return false;
  }
}

function start() {
  const form = root.querySelector("form");
  const { law: saved, points, protocol, most } = carried("calculator-data");
  const law = new Law(saved);
  const [capacity, target] = ["capacity", "target"].map((name) => root.querySelector(`#calculator-${name} output`));
  const shown = root.querySelector(".calculator-picture");
  const { C, whole } = form.elements;
  let [right, draw, waiting] = [false, () => {}, undefined];

  const choose = (row) => {
    for (const size of ["d", "H", "L"]) form.elements[size].value = row[size];
    form.elements.d.dispatchEvent(new Event("input", { bubbles: true }));
    root.querySelector("#calculator-capacity").scrollIntoView({ block: "nearest" });
    form.elements.d.focus({ preventScroll: true });
  };
  const search = () => {
    const found = said(target, () => {
      const numbers = typed(form, WANTED);
      return candidatesTable(law, { ...numbers, C: whole.checked ? numbers.T : numbers.C }, choose);
    });
    const T = form.elements.T.valueAsNumber;
    if (!found && whole.checked && T) target.append(message(`Nine tenths of it, which this book calls full, are C = ${Math.ceil(0.9 * T)}.`));
  };
  const update = () => {
    C.disabled = whole.checked;
    right = said(capacity, () => {
      const sizes = typed(form, SIZES);
      checkLibrary(sizes);
      for (const [language, text] of Object.entries(code(sizes, protocol))) {
        root.querySelector(`.calculator-${language}`).textContent = text;
      }
      return capacityFacts(law, sizes, protocol, most);
    });
    draw();
    clearTimeout(waiting); // the search takes a while: not at every step of a slider
    waiting = setTimeout(search, 100);
    writeAddress(form);
  };

  readAddress(form);
  form.hidden = false;
  root.querySelector(".calculator-off").remove();
  form.addEventListener("input", update);
  C.disabled = whole.checked;
  numbersOf(form).forEach(addSlider);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
  whenSeen(shown, () => plotLibrary().then(() => {
    draw = () => shown.replaceChildren(...(right ? [picture(law, points, typed(form, SIZES), shown.clientWidth)] : []));
    draw();
  }, (error) => shown.replaceChildren(message(error.message))));
}

try {
  start();
} catch (error) {
  root.querySelector(".calculator-off")?.replaceChildren(error.message);
}
})();
