// A law of capacity as ecmlib saves it: predictions, intervals and the search of ecmlib/laws/design.py, in the browser.
// tests/test_calculator.py compares both on drawn inputs. A classic script, since browsers block modules on pages opened
// from disk; everything that others use is in `window.ecmlib`.

(() => {

const SIZES = ["d", "H", "N", "L", "K", "T"];
const HEAD_DIM = 64; // size of one attention head, in every model measured
const NARROWEST = 7; // runs, to either side of a prediction, that stand for its scatter at least
const ENOUGH = 1 - 1e-9; // of a target: rounding makes ties of what is equal
const GUESSING = 1.645; // deviations of guessing below which a capacity says nothing (ecmlib/laws/design.py)
const LESS_THAN_EVEN = 0.499; // the largest probability below one half, of three digits
const MAX_D = 1024; // no search goes on beyond (ecmlib/laws/design.py)

// Each law: the names of its parameters, in the order of its saved draws, and its formula, explained in ecmlib.
const LAWS = {
  // ecmlib/laws/ecm.py
  ecm: {
    nearness: 0.5,
    parameters: ["a", "b", "c", "d0", "e", "alpha", "beta"],
    capacity([a, b, c, d0, e, alpha, beta], { d, H, N }) {
      const slope = a / Math.max(N ** (b * H + c) + d0, 1e-9) + e;
      return Math.min(slope * d, alpha * H + beta);
    },
  },
  // ecmlib/laws/signal.py
  signal: {
    nearness: 0.1,
    parameters: ["bits_ff", "bits_att", "lam", "uneven", "lacking", "bits_emb"],
    fullness([bits_ff, bits_att, lam, , lacking], { d, H, N, L, K, T }) {
      const [goingIn, goingOut] = [Math.min(d - 1, K + N - 2), Math.min(d - 1, K - 1)];
      const matching = Math.min(goingIn, HEAD_DIM);
      const moving = Math.min(goingIn, goingOut, HEAD_DIM);
      const free = H * (matching * (2 * goingIn - matching) + moving * (goingIn + goingOut - moving));
      const weights = 4 * d * (goingIn + goingOut);
      const stored = (bits_ff * weights + bits_att * free) * L ** lam * Math.max(1 - lacking / Math.sqrt((N - 1) / 7), 0); // 10,000 steps
      return stored / knowableBits(N, K, T);
    },
    capacity(parameters, sizes) {
      return sizes.T * detected(LAWS.signal.fullness(parameters, sizes), sizes.K, parameters[3]);
    },
  },
};

class Law {
  // saved: the parsed JSON of a fitted law.
  constructor(saved) {
    if (!(saved.law in LAWS)) throw new Error(`This calculator does not know the law "${saved.law}".`);
    if (!saved.evidence?.draws.length) throw new Error(`The law "${saved.law}" was saved without intervals.`);
    const { parameters, nearness, capacity, fullness } = LAWS[saved.law];
    this.nearness = nearness;
    this.capacity = capacity;
    this.fullness = fullness ?? ((values, sizes) => Math.max(capacity(values, sizes), 1) / sizes.T);
    this.parameters = parameters.map((name) => saved[name]);
    this.draws = saved.evidence.draws;
    this.region = saved.evidence.region;
    this.centres = saved.evidence.calibration.map(([centre]) => centre);
    this.residuals = saved.evidence.calibration.map(([, residual]) => residual);
    this.neighbours = Math.round(this.residuals.length ** 0.8); // that stand for the scatter of a prediction (ecmlib/laws/evidence.py)
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

  // Capacities that one training run may have; each residual is drawn as often as any other.
  predictiveDraws(sizes) {
    const scatter = this.scatterAround(sizes);
    const predicted = this.draws.map((parameters) => Math.max(this.capacity(parameters, sizes), 1));
    const n = Math.ceil(predicted.length / scatter.length) * scatter.length;
    return Float64Array.from({ length: n }, (_, draw) =>
      Math.min(predicted[draw % predicted.length] * Math.exp(scatter[draw % scatter.length]), sizes.T),
    );
  }

  // Residuals of the measurements whose libraries were about as full: sorted, the means of neighbours, and both ends; in
  // the deviations that the law and counting make one expect here.
  scatterAround(sizes) {
    const { K, T } = sizes;
    const C = Math.max(this.capacity(this.parameters, sizes), 1);
    const raw = C * (1 - 1 / K) + T / K;
    const counted = Math.sqrt(Math.max(raw * (1 - raw / T), 0)) / (1 - 1 / K) / C;
    const deviation = Math.hypot(this.nearness, counted);
    const n = this.centres.length;
    const window = this.neighbours;
    const rounded = Math.round(this.fullness(this.parameters, sizes) * 1e6) / 1e6;
    const position = this.centres.findIndex((centre) => centre >= rounded);
    const before = position === -1 ? n : position;
    const widest = Math.max(Math.floor(window / 2), 1);
    const reach = Math.min(Math.max(n - before, Math.min(NARROWEST, widest)), widest);
    const place = (i) => Math.max(before - reach, 0) + Math.floor((i * reach) / widest);
    const reflected = (at) => (at < n ? at : 2 * n - 1 - at);
    const nearest = Array.from({ length: window }, (_, i) => this.residuals[reflected(place(i))]).sort((one, other) => one - other);
    const pair = (i) => (deviation * (nearest[Math.max(i - 1, 0)] + nearest[Math.min(i, window - 1)])) / 2;
    return Array.from({ length: window + 1 }, (_, i) => pair(i));
  }

  // The largest probability that the residuals around a prediction can promise.
  get surest() {
    return this.neighbours / (this.neighbours + 1);
  }

  // C without which no architecture is promised the capacity with the probability p (ecmlib/laws/design.py).
  leastPredicted(capacity, { K, T }, p) {
    return p >= 0.5 ? capacity : Math.min(capacity, GUESSING * Math.sqrt(T / (K - 1)));
  }

  // Whether one training run reaches the capacity with the probability p.
  reaches(sizes, capacity, p) {
    const C = this.capacity(this.parameters, sizes);
    if (C < ENOUGH * this.leastPredicted(capacity, sizes, p)) return false;
    return quantile(this.predictiveDraws(sizes).sort(), 1 - p) >= ENOUGH * capacity;
  }

  // The largest capacity that is promised with the probability p, and the largest probability, rounded down, with which
  // the capacity asked for is.
  promised(sizes, capacity, p) {
    const C = this.capacity(this.parameters, sizes);
    const draws = this.predictiveDraws(sizes).sort();
    const end = quantile(draws, 1 - p);
    const reached = draws.filter((draw) => draw >= ENOUGH * capacity).length;
    const enough = (probability) => C >= ENOUGH * this.leastPredicted(capacity, sizes, probability);
    const most = enough(0.5) ? this.surest : enough(0) ? LESS_THAN_EVEN : 0;
    return {
      most: p < 0.5 ? end : Math.min(end, C),
      likeliest: threeDigits(Math.min(Math.max(reached - 1, 0) / (draws.length - 1), most)),
    };
  }

  // For each L and H the smallest d that reaches the capacity with the probability p, sorted by P. Refusals are worded
  // as in Python.
  smallestArchitectures(capacity, { N, K, T }, { L = [1, 2], H = [1, 2, 3, 4, 5, 6, 7, 8], p = 0.95 } = {}) {
    checkLibrary({ N, K, T });
    if (capacity > T) throw new Error(`capacity = ${general(capacity)}: the library has only T = ${T} sequences`);
    if (p > this.surest) {
      throw new Error(
        `probability = ${general(p)}: the ${this.neighbours} residuals around a prediction of this law promise ` +
          `${general(threeDigits(this.surest))} at most`,
      );
    }
    const found = [];
    const widest = H.flatMap((heads) => L.map((layers) => ({ d: MAX_D, H: heads, N, L: layers, K, T })));
    for (const wide of widest.filter((sizes) => this.reaches(sizes, capacity, p))) {
      let d = 1;
      while (!this.reaches({ ...wide, d }, capacity, p)) d++;
      const draws = this.predictiveDraws({ ...wide, d });
      const share = draws.filter((draw) => draw >= ENOUGH * capacity).length / draws.length;
      found.push({ ...this.predict({ ...wide, d }), probability: Math.min(share, this.surest) });
    }
    if (!found.length) {
      const promised = widest.map((sizes) => this.promised(sizes, capacity, p));
      const [most, likeliest] = ["most", "likeliest"].map((name) => Math.max(...promised.map((one) => one[name])));
      throw new Error(
        `capacity = ${general(capacity)}: with probability ${general(p)} this law promises at most ${Math.floor(most)} ` +
          `sequences to N = ${N}, K = ${K}, T = ${T}, with d up to ${MAX_D}, H up to ${Math.max(...H)} and L up to ` +
          `${Math.max(...L)}; ${general(capacity)} with probability ${general(likeliest)} at most`,
      );
    }
    return found.sort((one, other) => one.P - other.P || one.d - other.d);
  }
}

// Throws if no two of T sequences can differ in their first N-1 tokens (ecmlib/library.py).
function checkLibrary({ N, K, T }) {
  if (T > K ** (N - 1)) {
    throw new Error(
      `T = ${T}: at most K^(N-1) = ${K}^${N - 1} = ${K ** (N - 1)} sequences can differ in their first N-1 tokens ` +
        `(N = ${N}, K = ${K})`,
    );
  }
}

// A probability, rounded down.
function threeDigits(probability) {
  return Math.floor(1000 * probability) / 1000;
}

// As Python's format "g" writes it: six significant digits, no trailing zeros.
function general(value) {
  const rounded = Number(value.toPrecision(6));
  if (rounded < 1e6) return String(rounded);
  const [digits, exponent] = rounded.toExponential().split("e+");
  return `${digits}e+${exponent.padStart(2, "0")}`;
}

// P, the trainable parameters: attention, feed-forward and norm gains (Architecture.n_params).
function parameterCount({ d, H, L }) {
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

// Keeps the last results of a function of a few numbers: intervals ask for the same library a thousand times.
function remembered(f, most = 1000) {
  const known = new Map();
  return (...numbers) => {
    const key = numbers.join();
    if (known.size >= most) known.clear();
    if (!known.has(key)) known.set(key, f(...numbers));
    return known.get(key);
  };
}

// Bits of a random library that can be known from the tokens before (ecmlib/laws/demand.py).
const knowableBits = remembered((N, K, T) => T * ((N - 1) * Math.log2(K) - logSharing(N, K, T)));

// E log2(1 + X), X others that share their first token with a sequence: binomial, or Poisson where there are many ways
// to go on. Summed from the likeliest number outwards.
function logSharing(N, K, T) {
  const ways = Math.round(Math.exp(Math.min((N - 2) * Math.log(K), Math.log(1e6))));
  const few = ways < 1e6;
  const chance = Math.min((T - 1) / Math.max(K * ways - 1, 1), 1);
  const mean = few ? (ways - 1) * chance : (T - 1) / K;
  if (few && chance === 1) return Math.log2(ways);
  const reach = 12 * Math.sqrt(mean) + 12;
  // The weight of count + 1 over that of count.
  const ratio = (count) => (few ? ((ways - 1 - count) / (count + 1)) * (chance / (1 - chance)) : mean / (count + 1));
  const mode = Math.floor(few ? ways * chance : mean);
  let [sum, total] = [Math.log2(1 + mode), 1];
  for (let [count, weight] = [mode, 1]; count - mean <= reach && weight > 0; count++) {
    weight *= ratio(count);
    sum += weight * Math.log2(2 + count);
    total += weight;
  }
  for (let [count, weight] = [mode, 1]; count > 0 && mean - count <= reach; count--) {
    weight /= ratio(count - 1);
    sum += weight * Math.log2(count);
    total += weight;
  }
  return sum / total;
}

// Share of last tokens known beyond guessing, when a share of the library's bits is stored (ecmlib/laws/detection.py).
function detected(share, K, uneven) {
  if (share >= 1) return 1;
  const stored = Math.min(Math.max(share, 1e-12), 1 - 1e-12);
  const square = (-2 * Math.log(K) * Math.log1p(-stored)) / (1 + uneven ** 2);
  const [signal, noise, allBelow] = [Math.sqrt(square), Math.sqrt(1 + uneven ** 2 * square), chanceOfAllBelow(K)];
  let sum = 0;
  for (let node = -50; node <= 50; node++) sum += WEIGHTS[node + 50] * allBelow(signal + noise * 0.16 * node);
  return (sum - 1 / K) / (1 - 1 / K);
}

const WEIGHTS = Array.from({ length: 101 }, (_, i) => (0.16 * Math.exp(-((0.16 * (i - 50)) ** 2) / 2)) / Math.sqrt(2 * Math.PI));

// Phi(x)^(K-1), the chance that K - 1 Gaussian numbers lie below x, read from a table with cubic interpolation: an
// interval asks for it a hundred thousand times.
const chanceOfAllBelow = remembered((K) => {
  const [least, most, step] = [-9, 9, 1 / 1024];
  const table = Float64Array.from(
    { length: (most - least) / step + 4 },
    (_, i) => normalDistribution(least + (i - 1) * step) ** (K - 1),
  );
  return (x) => {
    if (x <= least || x >= most) return x <= least ? 0 : 1;
    const place = (x - least) / step;
    const i = Math.floor(place);
    const t = place - i;
    return (
      (-t * (t - 1) * (t - 2) * table[i]) / 6 +
      ((t + 1) * (t - 1) * (t - 2) * table[i + 1]) / 2 -
      ((t + 1) * t * (t - 2) * table[i + 2]) / 2 +
      ((t + 1) * t * (t - 1) * table[i + 3]) / 6
    );
  };
}, 8);

// Phi(x), by its Taylor series (Marsaglia, Journal of Statistical Software 11(4), 2004).
function normalDistribution(x) {
  if (x < -8 || x > 8.5) return x < 0 ? 0 : 1;
  let [sum, before, term] = [x, 0, x];
  for (let i = 3; sum !== before; i += 2) {
    before = sum;
    term *= (x * x) / i;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

window.ecmlib = { Law, SIZES, checkLibrary, parameterCount };
})();
