// The conditions of Theorems 3.3 and 3.4 beside what a training has: iclscope/papers/li2024/conditions.py.

import { trainingTasks } from "../engine/settings.js";
import { CONSTANTS, prescribed } from "./formulas.js";

/**
 * @typedef {object} Condition
 * @property {string} id
 * @property {"sufficient"} form what the theorem says of it; conditions that suffice need not be necessary
 * @property {string} symbol of what it is about
 * @property {string} formula what is asked for
 * @property {number|string} value what these settings have
 * @property {number|null} needed what they need; null for the set of tasks
 * @property {">="|"<="|"in"} sense
 * @property {boolean} met
 * @property {number|null} constant c, where the theorem leaves it open and it was taken from a reference; else null
 * @property {string} source
 */

/** Whether every pattern has each label equally often, and all patterns alike (Condition 3.2). */
export function isBalanced(tasks, M1) {
  const count = (place, pattern) => tasks.filter((task) => task[place] === pattern).length;
  const each = tasks.length / M1;
  return Array.from({ length: M1 }, (_, pattern) => pattern).every(
    (pattern) => count(0, pattern) === each && count(1, pattern) === each,
  );
}

/**
 * What the theorems ask of a training, and what it has.
 * @param {object} settings
 * @param {number} steps so far
 * @param {number} eta the step size now
 * @returns {Condition[]}
 */
export function conditions(settings, steps, eta = settings.eta) {
  const now = { ...settings, eta };
  const tasks = trainingTasks(settings.tasks, settings.M1);
  const amounts = prescribed(now);
  const source = "Theorem 3.3";
  const decided = (id, symbol, formula, value, needed, sense, met, from = source) => ({
    id, form: "sufficient", symbol, formula, value, needed, sense, met, constant: null, source: from,
  });
  const open = (id, symbol, formula, value) => ({
    id, form: "sufficient", symbol, formula, value, needed: amounts[id], sense: ">=", met: value >= amounts[id],
    constant: CONSTANTS[id], source,
  });
  const { M1 } = settings;
  return [
    decided(
      "tasks", "", "every pattern has both labels equally often", `${tasks.length} / ${M1 * (M1 - 1)}`, null, "in",
      isBalanced(tasks, M1), "Condition 3.2",
    ),
    decided("eta", "η", "η ≤ 1", eta, 1, "<=", eta <= 1),
    decided("beta", "β", "β ≥ 1", settings.beta, 1, ">=", settings.beta >= 1),
    decided("kappa", "κ", "|κ| ≤ 1/2", settings.K, 0.5, "<=", settings.K <= 0.5),
    decided("delta", "δ", "0 < δ ≤ 0.2", settings.delta, 0.2, "<=", settings.delta > 0 && settings.delta <= 0.2),
    open("steps", "T", "T ≥ c·η⁻¹ M1 (αβ)^(−2/3) √log M1", steps),
    open("length", "l_tr", "l_tr ≥ c·max{log M1/α, 1/(β²α)}", settings.length),
    open("width", "m", "m ≥ c·M1² log M1", settings.width),
    open("batch", "B", "B ≥ c·max{ε⁻², M1} log M1, ε = 0.1", settings.batch),
    open("length_test", "l_ts", "l_ts ≥ c/α'", settings.length_test),
    decided("S1", "S1", "S1 ≥ 1", settings.S1, 1, ">=", settings.S1 >= 1, "Theorem 3.4"),
  ];
}
