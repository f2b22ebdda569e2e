// The live picture of the front page: pick a library, see what was measured of it and what the law says; every point leads
// to its record. Without scripts, and in print, the static figure stands in its place.

(() => {

const PICKED = ["N", "K", "T", "L"];
const { Law, capacityOverD, carried, curve, element, plotLibrary, refuted, whenSeen } = window.ecmlib;

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

function inWords(shown) {
  if (!shown.length) return "Nothing was measured there: the line is the law alone.";
  const hollow = shown.some((point) => point.unfitted) ? "; hollow, not fitted" : "";
  return `${shown.length} configuration${shown.length > 1 ? "s" : ""} measured${hollow}.`;
}

// Numbers of heads in the order in which static figures give them colours and markers: doublings first.
function asDrawn(heads) {
  const doublings = heads.filter((H) => Number.isInteger(Math.log2(H)));
  return [...doublings, ...heads.filter((H) => !doublings.includes(H))];
}

function start(figure) {
  const { law: saved, points, most } = carried("explorer-data");
  const law = new Law(saved);
  const still = figure.querySelector("a.enlarge");
  const live = element("div", "", { className: "live", role: "group", ariaLabel: "Live picture" });
  const picture = element("div");
  const note = element("p", "", { role: "status", className: "live-note" });
  const everyH = asDrawn([...new Set(points.map((point) => point.H))].sort((one, other) => one - other)).map((H) => `H = ${H}`);

  const draw = () => {
    const { H, ...here } = picked();
    const shown = points.filter((point) => PICKED.every((size) => point[size] === here[size]) && (!H || point.H === H));
    const heads = H ? [H] : [...new Set(shown.map((point) => point.H))].sort((one, other) => one - other);
    const d = [...law.region.d, ...shown.map((point) => point.d)];
    const range = [Math.min(...d), Math.max(...d)];
    const bands = heads.length < 2;
    const lines = (heads.length ? heads : [1]).flatMap((H) =>
      curve(law, { ...here, H }, range, bands).map((row) => ({ ...row, series: `H = ${H}` })),
    );
    note.textContent = `${inWords(shown)} ${refuted({ ...here, d: range[1] }, most)}`.trim();
    picture.replaceChildren(capacityOverD({
      series: everyH, lines, bands, T: here.T, width: Math.min(figure.clientWidth, 640),
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
