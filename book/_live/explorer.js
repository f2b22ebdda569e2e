// The live picture of the front page: pick a library, see what was measured of it and what the law says; every point leads
// to its record. Without scripts, and in print, the static figure stands in its place.

(() => {

const PICKED = ["N", "K", "T", "L"];
const { COLORS, Law, capacityOverD, carried, element, plotLibrary, spaced, whenSeen } = window.ecmlib;

// A select for each size, with the values that were measured.
function choices(points, first, changed) {
  const row = element("div", "", { className: "live-choices" });
  const selects = PICKED.map((size) => {
    const values = [...new Set(points.map((point) => point[size]))].sort((one, other) => one - other);
    const select = element("select", "", { name: size });
    select.append(...values.map((value) => element("option", value, { value, selected: value === first[size] })));
    select.addEventListener("change", changed);
    const label = element("label", `${size} = `);
    label.append(select);
    row.append(label);
    return select;
  });
  const heads = [...new Set(points.map((point) => point.H))].sort((one, other) => one - other);
  const select = element("select", "", { name: "H" });
  select.append(element("option", "all", { value: "" }), ...heads.map((value) => element("option", value, { value })));
  select.addEventListener("change", changed);
  const label = element("label", "H = ");
  label.append(select);
  row.append(label);
  const picked = () => ({
    ...Object.fromEntries(selects.map((one) => [one.name, Number(one.value)])),
    ...(select.value ? { H: Number(select.value) } : {}),
  });
  return [row, picked];
}

function lines(law, here, heads, range) {
  return heads.flatMap((H) =>
    spaced(...range, 40).map((d) => ({ ...law.predict({ ...here, H, d }), series: `H = ${H}` })),
  );
}

function legend(series) {
  const row = element("p", "", { className: "live-legend" });
  row.append(...series.map((name, place) => {
    const entry = element("span", name);
    entry.style.setProperty("--line", COLORS[place % COLORS.length]);
    return entry;
  }));
  return row;
}

function start(figure) {
  const { law: saved, points } = carried("explorer-data");
  const law = new Law(saved);
  const still = figure.querySelector("img");
  const live = element("div", "", { className: "live", role: "group", ariaLabel: "Live picture" });
  const picture = element("div");
  const note = element("p", "", { role: "status", className: "live-note" });
  const everyH = [...new Set(points.map((point) => point.H))].sort((one, other) => one - other).map((H) => `H = ${H}`);

  const draw = () => {
    const { H, ...here } = picked();
    const shown = points.filter((point) => PICKED.every((size) => point[size] === here[size]) && (!H || point.H === H));
    const heads = H ? [H] : [...new Set(shown.map((point) => point.H))].sort((one, other) => one - other);
    const sizes = shown.length ? shown.map((point) => point.d) : law.region.d;
    const drawn = lines(law, here, heads.length ? heads : [1], [Math.min(...sizes), Math.max(...sizes)]);
    note.textContent = shown.length
      ? `${shown.length} configurations measured.`
      : "Nothing was measured there: the line is the law alone.";
    picture.replaceChildren(legend(everyH), capacityOverD({
      series: everyH, lines: drawn, bands: heads.length < 2, T: here.T, width: Math.min(figure.clientWidth, 640),
      points: shown.map((point) => ({ ...point, series: `H = ${point.H}` })),
      label: "Capacity over d, measured as points, by the law as lines; each point is a link to its record",
    }));
  };
  const [row, picked] = choices(points, { N: 16, K: 128, T: points[0].T, L: 1 }, draw);
  live.append(row, picture, note);
  still.before(live);
  still.classList.add("without-scripts");
  draw();
}

const marked = document.getElementById("explorer-data");
const figure = document.getElementById(marked?.dataset.figure);
if (figure) whenSeen(figure, () => plotLibrary().then(() => start(figure)));
})();
