// The calculator's two forms: sizes to capacity, and a wanted capacity to the smallest architectures.

import { Law } from "./law.mjs";

const SHOWN = 8; // candidates in the table
const root = document.getElementById("calculator");

const whole = (value) => Math.round(value).toLocaleString("en");
const interval = ({ C_low, C_high }) => `${whole(C_low)} to ${whole(C_high)}`;
const upTo = (n) => Array.from({ length: n }, (_, index) => index + 1);

function element(name, text = "", properties = {}) {
  return Object.assign(document.createElement(name), { textContent: text }, properties);
}

// The numbers typed into a form; throws a sentence that names the first one that cannot be.
function typed(form) {
  const inputs = [...form.elements].filter((field) => field.name);
  return Object.fromEntries(
    inputs.map((field) => {
      field.removeAttribute("aria-invalid");
      if (!field.checkValidity()) {
        field.setAttribute("aria-invalid", "true");
        const kind = field.step === "1" ? "a whole number" : "a number";
        throw new Error(`${field.labels[0].firstChild.textContent.trim()} must be ${kind} from ${field.min} to ${field.max}.`);
      }
      return [field.name, field.valueAsNumber];
    }),
  );
}

function warning(law, outside) {
  const parts = outside.map((size) => `${size} (fitted on ${law.region[size].join(" to ").replace(/^(\S+) to \1$/, "$1")})`);
  return element("p", `Outside the fitted region: ${parts.join(", ")}. Treat the numbers as a guess.`, { className: "calculator-warning" });
}

function showCapacity(law, form) {
  const sizes = typed(form);
  if (sizes.T > sizes.K ** (sizes.N - 1)) throw new Error(`There are only ${sizes.K ** (sizes.N - 1)} different sequences: T is too large.`);
  const said = law.predict(sizes);
  const facts = element("dl");
  for (const [term, value] of [
    ["capacity C", `${whole(said.C)} sequences`],
    ["90 % of runs", interval(said)],
    ["parameters P", whole(said.P)],
    ["memory per parameter MPP", `${said.MPP.toPrecision(3)} tokens`],
  ]) {
    facts.append(element("dt", term), element("dd", value));
  }
  return said.outside.length ? [facts, warning(law, said.outside)] : [facts];
}

function showCandidates(law, form) {
  const { capacity, N, K, T, H, L } = typed(form);
  const candidates = law.smallestArchitectures(capacity, { N, K, T }, { H: upTo(H), L: upTo(L) }).slice(0, SHOWN);
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const name of ["d", "H", "L", "P", "C", "90 % interval", "probability", "MPP", "fitted?"]) {
    head.append(element("th", name, { scope: "col" }));
  }
  const body = table.createTBody();
  for (const row of candidates) {
    const cells = [row.d, row.H, row.L, whole(row.P), whole(row.C), interval(row), row.probability.toFixed(3), row.MPP.toPrecision(3)];
    body.insertRow().append(...[...cells, row.outside.length ? `outside: ${row.outside.join(", ")}` : "yes"].map((cell) => element("td", cell)));
  }
  const scrolled = element("div", "", { className: "calculator-table", tabIndex: 0, role: "region", ariaLabel: "Smallest architectures" });
  scrolled.append(table);
  return [scrolled];
}

function connect(law, form, show) {
  const output = form.querySelector("output");
  const update = () => {
    try {
      output.replaceChildren(...show(law, form));
    } catch (error) {
      output.replaceChildren(element("p", error.message, { className: "calculator-warning" }));
    }
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", (event) => event.preventDefault());
  update();
}

async function start() {
  const [capacity, target] = root.querySelectorAll("form");
  try {
    const answer = await fetch(root.dataset.law);
    if (!answer.ok) throw new Error(`The law could not be loaded (${answer.status}).`);
    const law = new Law(await answer.json());
    connect(law, capacity, showCapacity);
    connect(law, target, showCandidates);
  } catch (error) {
    root.prepend(element("p", error.message, { className: "calculator-warning" }));
  }
}

start();
