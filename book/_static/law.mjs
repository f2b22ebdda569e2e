// A law of capacity as ecmlib saves it: predictions, intervals and the search of ecmlib/design.py, in the browser.
// tests/test_calculator.py compares both on drawn inputs.

export const SIZES = ["d", "H", "N", "L", "K", "T"];
const HEAD_DIM = 64; // size of one attention head, in every model measured
const NEIGHBOURS = 30; // residuals that stand for the scatter around one prediction (ecmlib/law.py)
const MAX_D = 1024; // no search goes on beyond (ecmlib/design.py)

// Each law: the names of its parameters, in the order of its saved draws, and its formula.
const LAWS = {
  ecm: {
    parameters: ["a", "b", "c", "d0", "e", "alpha", "beta"],
    capacity([a, b, c, d0, e, alpha, beta], { d, H, N }) {
      const slope = a / Math.max(N ** (b * H + c) + d0, 1e-9) + e;
      return Math.min(slope * d, alpha * H + beta);
    },
  },
};

export class Law {
  // saved: the parsed JSON of a fitted law.
  constructor(saved) {
    if (!(saved.law in LAWS)) throw new Error(`This calculator does not know the law "${saved.law}".`);
    if (!saved.evidence?.draws.length) throw new Error(`The law "${saved.law}" was saved without intervals.`);
    const { parameters, capacity } = LAWS[saved.law];
    this.name = saved.law;
    this.capacity = capacity;
    this.parameters = parameters.map((name) => saved[name]);
    this.draws = saved.evidence.draws;
    this.region = saved.evidence.region;
    this.centres = saved.evidence.calibration.map(([centre]) => centre);
    this.residuals = saved.evidence.calibration.map(([, residual]) => residual);
  }

  // The predicted capacity C and its interval, P, MPP, and the sizes that lie outside the fitted region.
  predict(sizes, level = 0.9) {
    const C = this.capacity(this.parameters, sizes);
    const draws = this.predictiveDraws(sizes).sort();
    const P = parameterCount(sizes);
    return {
      ...sizes,
      C,
      C_low: quantile(draws, (1 - level) / 2),
      C_high: quantile(draws, (1 + level) / 2),
      P,
      MPP: (sizes.N * C) / P,
      outside: SIZES.filter((size) => sizes[size] < this.region[size][0] || sizes[size] > this.region[size][1]),
    };
  }

  // Capacities that one training run may have.
  predictiveDraws(sizes) {
    const scatter = this.scatterAround(this.capacity(this.parameters, sizes));
    return Float64Array.from(this.draws, (parameters, draw) => this.drawn(parameters, sizes, scatter, draw));
  }

  drawn(parameters, sizes, scatter, draw) {
    const predicted = Math.max(this.capacity(parameters, sizes), 1);
    return Math.min(predicted * Math.exp(scatter[draw % scatter.length]), sizes.T);
  }

  // Residuals of the measurements whose predictions lie nearest.
  scatterAround(C) {
    const n = this.centres.length;
    const window = Math.min(NEIGHBOURS, n);
    const rounded = Math.round(C * 1e6) / 1e6;
    const position = this.centres.findIndex((centre) => centre >= rounded);
    const middle = (position === -1 ? n : position) - Math.floor(window / 2);
    const first = Math.min(Math.max(middle, 0), n - window);
    return this.residuals.slice(first, first + window);
  }

  // Whether the lower end of the interval is at or above the capacity; most sizes are refused after a few draws.
  reaches(capacity, sizes, level) {
    const scatter = this.scatterAround(this.capacity(this.parameters, sizes));
    const q = (1 - level) / 2;
    let below = 0;
    for (let draw = 0; draw < this.draws.length; draw++) {
      if (this.drawn(this.draws[draw], sizes, scatter, draw) >= capacity) continue;
      below += 1;
      if (below > Math.floor(q * (this.draws.length - 1)) + 1) return false;
    }
    return quantile(this.predictiveDraws(sizes).sort(), q) >= capacity;
  }

  // For each L and H the smallest d whose whole interval lies at or above the capacity, sorted by P.
  smallestArchitectures(capacity, { N, K, T }, { L = [1, 2], H = [1, 2, 3, 4, 5, 6, 7, 8], level = 0.9 } = {}) {
    if (capacity > K ** (N - 1)) {
      throw new Error(
        `No two sequences may share their first N-1 tokens: N = ${N}, K = ${K} have only ${K ** (N - 1)} such beginnings.`,
      );
    }
    if (capacity > T) throw new Error(`The library has only T = ${T} sequences.`);
    const found = [];
    for (const heads of H) {
      for (const layers of L) {
        for (let d = 1; d <= MAX_D; d++) {
          const sizes = { d, H: heads, N, L: layers, K, T };
          if (!this.reaches(capacity, sizes, level)) continue;
          const draws = this.predictiveDraws(sizes);
          const probability = draws.filter((draw) => draw >= capacity).length / draws.length;
          found.push({ ...this.predict(sizes, level), probability });
          break;
        }
      }
    }
    if (!found.length) {
      throw new Error(
        `The law promises so many sequences to no d up to ${MAX_D}, with H up to ${Math.max(...H)} and L up to ${Math.max(...L)}.`,
      );
    }
    return found.sort((one, other) => one.P - other.P || one.d - other.d);
  }
}

// P, the trainable parameters: attention, feed-forward and norm gains (ecmlib/architecture.py).
export function parameterCount({ d, H, L }) {
  const attention = 4 * d * H * HEAD_DIM + d;
  const feedForward = 8 * d * d + 6 * d;
  return L * (attention + feedForward) + d;
}

// Of sorted values, with linear interpolation, as NumPy does by default.
function quantile(sorted, q) {
  const position = q * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}
