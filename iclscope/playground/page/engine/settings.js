// What can be set, in the library's words, and how settings from outside are checked.

/** Steps between two records of the measures. */
export const EVERY = 10;
/** Test prompts per record and domain, the same at every record. */
export const TEST_PROMPTS = 1024;
/** Standard deviation ξ of the initial entries of W_O; no control of the page. */
export const XI = 0.02;
/** Label dimension; the input dimension is M1 + M2, the least that holds all patterns. */
export const D_Y = 30;
/** A training stops by itself after so many steps, if nothing else stops it. */
export const MOST_STEPS = 100000;

const LARGEST_SEED = 999999;

/**
 * @typedef {object} Setting
 * @property {string} name
 * @property {string} symbol as in the paper
 * @property {"number"|"whole"|"choice"} kind
 * @property {number} [least]
 * @property {number} [most]
 * @property {number} [step] of a control
 * @property {"linear"|"log"|"power2"} [scale] of a control
 * @property {number|string} standard
 * @property {boolean} restart whether training begins anew when it changes
 * @property {"prompt"|"patterns"|"model"|"training"|"test"} group
 */

const number = (name, symbol, standard, least, most, step, group, more = {}) => ({
  name, symbol, kind: "number", least, most, step, scale: "linear", standard, restart: true, group, ...more,
});
const whole = (name, symbol, standard, least, most, group, more = {}) => ({
  ...number(name, symbol, standard, least, most, 1, group, more), kind: "whole",
});

/** @type {Setting[]} */
export const SETTINGS = [
  number("alpha", "α", 0.8, 0, 1, 0.05, "prompt"),
  whole("length", "l_tr", 20, 1, 200, "prompt", { scale: "log" }),
  { name: "tasks", symbol: "", kind: "choice", standard: "cycle", restart: true, group: "prompt" },
  whole("M1", "M1", 6, 6, 12, "patterns"),
  whole("M2", "M2", 24, 1, 48, "patterns"),
  number("beta", "β", 2, 0.25, 4, 0.25, "patterns"),
  number("q_norm", "‖q‖", 0.5, 0.1, 2, 0.1, "patterns"),
  number("K", "K", 0.5, 0, 2, 0.1, "patterns"),
  whole("width", "m", 64, 1, 256, "model", { scale: "log" }),
  number("delta", "δ", 0.175, 0, 0.5, 0.025, "model"),
  number("eta", "η", 1, 0.01, 100, 0.01, "training", { scale: "log", restart: false }),
  whole("batch", "B", 256, 1, 1024, "training", { scale: "power2" }),
  whole("seed", "", 0, 0, LARGEST_SEED, "training"),
  whole("seeds", "", 1, 1, 8, "training"),
  number("alpha_test", "α'", 0.8, 0, 1, 0.05, "test", { restart: false }),
  whole("length_test", "l_ts", 20, 1, 200, "test", { scale: "log", restart: false }),
  number("S1", "S1", 1.3, -1.4, 1.4, 0.1, "test", { restart: false }),
];

/** The standard value of every setting, by name. */
export const STANDARD = Object.freeze(Object.fromEntries(SETTINGS.map((one) => [one.name, one.standard])));

/**
 * The sets of training tasks that there are for a number of patterns.
 * @param {number} M1
 * @returns {string[]} "cycle", "share-2" … "share-(M1−2)", "all", "broken"
 */
export function taskChoices(M1) {
  const shares = Array.from({ length: M1 - 3 }, (_, i) => `share-${i + 2}`);
  return ["cycle", ...shares, "all", "broken"];
}

/**
 * The training tasks (a, b) that a choice names: inputs with pattern a are labelled +1, those with b −1.
 * "broken" covers three of the patterns only, and so breaks Condition 3.2.
 * @param {string} chosen
 * @param {number} M1
 * @returns {[number, number][]} in the library's order
 */
export function trainingTasks(chosen, M1) {
  if (chosen === "broken") return [[0, 1], [1, 2], [2, 0]];
  if (chosen === "all") return allTasks(M1);
  const offsets = chosen === "cycle" ? 1 : Number(chosen.slice("share-".length));
  const tasks = [];
  for (let offset = 1; offset <= offsets; offset++) {
    for (let a = 0; a < M1; a++) tasks.push([a, (a + offset) % M1]);
  }
  return tasks;
}

/** Every ordered pair of different patterns. */
export function allTasks(M1) {
  const tasks = [];
  for (let a = 0; a < M1; a++) {
    for (let b = 0; b < M1; b++) if (a !== b) tasks.push([a, b]);
  }
  return tasks;
}

/** The tasks that are not trained on; all tasks, where none is left. */
export function testTasks(chosen, M1) {
  const seen = new Set(trainingTasks(chosen, M1).map(String));
  const unseen = allTasks(M1).filter((task) => !seen.has(String(task)));
  return unseen.length ? unseen : allTasks(M1);
}

/** Why a value of a setting is not allowed, as what is; null where it is. */
function allowedInstead(setting, value, M1) {
  if (setting.kind === "choice") {
    const choices = taskChoices(M1);
    return choices.includes(value) ? null : choices.join(", ");
  }
  const range = `${setting.least} … ${setting.most}`;
  const fits = typeof value === "number" && value >= setting.least && value <= setting.most;
  if (setting.kind === "whole") return fits && Number.isInteger(value) ? null : `a whole number, ${range}`;
  return fits ? null : range;
}

/**
 * Settings as they can be trained: what is missing or not allowed takes its standard value.
 * @param {object} given by name; from anywhere, an address say
 * @returns {{settings: object, problems: {name: string, value: unknown, allowed: string}[]}}
 */
export function checkedSettings(given) {
  const settings = { ...STANDARD };
  const problems = [];
  // The number of patterns first: which tasks there are depends on it.
  const inOrder = [...SETTINGS].sort((a, b) => Number(a.kind === "choice") - Number(b.kind === "choice"));
  for (const setting of inOrder) {
    if (!Object.hasOwn(given ?? {}, setting.name)) continue;
    const value = given[setting.name];
    const allowed = allowedInstead(setting, value, settings.M1);
    if (allowed === null) settings[setting.name] = value;
    else problems.push({ name: setting.name, value, allowed });
  }
  return { settings, problems };
}
