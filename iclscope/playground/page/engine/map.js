// A map of the risk over two settings of the tests, measured cell by cell at weights that stay what they were.

/** Test prompts per cell. */
export const MAP_PROMPTS = 512;

const LENGTHS = [1, 2, 3, 5, 8, 12, 20, 30, 48, 76, 120];
const shares = Array.from({ length: 12 }, (_, i) => Math.round(1000 * 0.05 * 20 ** (i / 11)) / 1000);
const sums = Array.from({ length: 15 }, (_, i) => Math.round(10 * (-1.4 + 0.2 * i)) / 10);
const evenShares = Array.from({ length: 10 }, (_, i) => (i + 1) / 10);

/** The maps by name: which domain, which two settings, and their values. */
export const MAPS = {
  "alpha-length": { domain: "in", xName: "alpha_test", xs: shares, yName: "length_test", ys: LENGTHS },
  "S1-alpha": { domain: "out", xName: "S1", xs: sums, yName: "alpha_test", ys: evenShares },
};

/** The cells of a map, coarse ones first, so that its picture is seen early. */
export function cellsInOrder(xs, ys) {
  const cells = [];
  for (let i = 0; i < xs.length; i++) for (let j = 0; j < ys.length; j++) cells.push([i, j]);
  const level = ([i, j]) => [4, 2, 1].findIndex((stride) => i % stride === 0 && j % stride === 0);
  return cells.sort((a, b) => level(a) - level(b));
}

/** Measures a map of one run. */
export class MapMeasurement {
  /** @param {string} kind of `MAPS` @param {import("./run.js").Run} run @param {number} step of its weights */
  constructor(kind, run, step) {
    Object.assign(this, { kind, run, step });
    this.shape = MAPS[kind];
    this.model = run.model.copy();
    this.left = cellsInOrder(this.shape.xs, this.shape.ys);
    this.found = [];
  }

  /** Measure the next cell. */
  measureNext() {
    const [i, j] = this.left.shift();
    const { domain, xName, xs, yName, ys } = this.shape;
    const tests = this.run.testSet(domain, MAP_PROMPTS, { [xName]: xs[i], [yName]: ys[j] });
    const { risk, error } = tests.measured(this.model);
    this.found.push({ i, j, risk, error });
  }

  /** What was measured since this was last asked for, as a message. */
  message() {
    const { kind, step, found } = this;
    const { xName, xs, yName, ys } = this.shape;
    this.found = [];
    return { type: "map", kind, xs, ys, xName, yName, step, cells: found, done: this.left.length === 0 };
  }
}
