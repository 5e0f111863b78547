// The whole state of the page as the end of an address, and back. What comes from an address is never trusted.
//
//     v=1&alpha=0.2&tasks=share-2&steps=400&tour=2
//
// Only what differs from the standard is written. A version that is not known, and whatever cannot be read, gives the
// standard and a problem that the page tells in a line.

import { checkedSettings, SETTINGS, STANDARD, TEST_PROMPTS } from "./settings.js";
import { MAPS } from "./map.js";
import { roundedPrompt } from "./prompts.js";

const ADDRESS_VERSION = "1";
const LONGEST_ADDRESS = 20000;
const MOST_LINKED_STEPS = 20000;
const MOST_CHANGES = 50;
const TOUR_STEPS = 6;
const NUMBER = /^-?\d{1,9}(?:\.\d{1,25})?(?:e-\d{1,2})?$/;
const PART_NAME = /^[A-Za-z][\w-]{0,30}$/;

/** @typedef {{code: "version"|"value"|"name"|"long", name: string, value: string, allowed: string}} Problem */

/** What the page shows when nothing is asked of it. */
export const STANDARD_STATE = Object.freeze({
  settings: STANDARD, steps: 0, changes: [], shown: 0, pruned: 0, domain: "in", map: "alpha-length",
  prompts: { in: null, out: null }, language: null, scheme: "auto", tour: 0, hidden: [],
});

const choice = (values, standard) => ({
  write: (value) => (value === standard ? null : String(value)),
  read: (text) => (values.includes(text) ? text : undefined),
  allowed: values.join(", "),
});
const count = (most) => ({
  write: (value) => (value === 0 ? null : String(value)),
  read: (text) => {
    const value = readNumber(text);
    return Number.isInteger(value) && value >= 0 && value <= most ? value : undefined;
  },
  allowed: `a whole number, 0 … ${most}`,
});
const onePrompt = {
  write: (prompt) => (prompt === null || prompt === 0 ? null : writtenPrompt(prompt)),
  read: readPrompt,
  allowed: `a number, 0 … ${TEST_PROMPTS - 1}, or columns`,
};

/** How each part of the state that is no setting is written and read. */
const PARTS = new Map([
  ["steps", count(MOST_LINKED_STEPS)],
  ["changes", {
    write: (changes) => (changes.length ? changes.map(([step, eta]) => `${step}:${eta}`).join(",") : null),
    read: readChanges,
    allowed: `at most ${MOST_CHANGES} of step:η, in order`,
  }],
  ["shown", count(7)],
  ["pruned", count(256)],
  ["domain", choice(["in", "out"], "in")],
  ["map", choice(Object.keys(MAPS), "alpha-length")],
  ["prompt-in", onePrompt],
  ["prompt-out", onePrompt],
  ["language", choice(["en", "zh"], null)],
  ["scheme", choice(["auto", "light", "dark"], "auto")],
  ["tour", count(TOUR_STEPS)],
  ["hidden", {
    write: (hidden) => (hidden.length ? hidden.join(",") : null),
    read: (text) => {
      const names = text.split(",");
      return names.length <= 40 && names.every((name) => PART_NAME.test(name)) ? names : undefined;
    },
    allowed: "names with commas between them",
  }],
]);

/**
 * A state as the end of an address, without "#".
 * @param {object} state
 */
export function addressOf(state) {
  const words = [];
  for (const { name } of SETTINGS) {
    if (state.settings[name] !== STANDARD[name]) words.push([name, String(state.settings[name])]);
  }
  const { prompts, ...rest } = state;
  const flat = { ...rest, "prompt-in": prompts.in, "prompt-out": prompts.out };
  for (const [name, part] of PARTS) {
    const text = flat[name] === null ? null : part.write(flat[name]);
    if (text !== null) words.push([name, text]);
  }
  return words.length ? [["v", ADDRESS_VERSION], ...words].map((word) => word.join("=")).join("&") : "";
}

/**
 * The state that the end of an address describes.
 * @param {string} fragment with or without "#"
 * @returns {{state: object, problems: Problem[]}}
 */
export function stateOf(fragment) {
  const text = String(fragment ?? "").replace(/^#/, "");
  const standard = { ...STANDARD_STATE, settings: { ...STANDARD }, prompts: { in: null, out: null } };
  if (text === "") return { state: standard, problems: [] };
  const long = { code: "long", name: "#", value: shortened(text), allowed: String(LONGEST_ADDRESS) };
  if (text.length > LONGEST_ADDRESS) return { state: standard, problems: [long] };
  const words = text.split("&").filter(Boolean).map(readWord);
  const version = words.find(([name]) => name === "v")?.[1];
  if (version !== ADDRESS_VERSION) {
    const value = shortened(version ?? "");
    return { state: standard, problems: [{ code: "version", name: "v", value, allowed: ADDRESS_VERSION }] };
  }
  const given = {};
  const found = {};
  const problems = [];
  for (const [name, value] of words) {
    const setting = SETTINGS.find((one) => one.name === name);
    const part = PARTS.get(name);
    if (setting) given[name] = setting.kind === "choice" ? value : readNumber(value) ?? value;
    else if (part) {
      const read = part.read(value);
      if (read === undefined) problems.push({ code: "value", name, value: shortened(value), allowed: part.allowed });
      else found[name] = read;
    } else if (name !== "v") problems.push({ code: "name", name: shortened(name), value: shortened(value), allowed: "" });
  }
  const checked = checkedSettings(given);
  for (const { name, value, allowed } of checked.problems) {
    problems.push({ code: "value", name, value: shortened(String(value)), allowed });
  }
  const { "prompt-in": inside = null, "prompt-out": outside = null, ...rest } = found;
  const state = { ...standard, ...rest, settings: checked.settings, prompts: { in: inside, out: outside } };
  state.shown = Math.min(state.shown, state.settings.seeds - 1);
  state.pruned = Math.min(state.pruned, state.settings.width);
  for (const [name, most] of [["in", state.settings.M1], ["out", Math.floor(state.settings.M1 / 2)]]) {
    if (fitsPatterns(state.prompts[name], most, state.settings.M2)) continue;
    problems.push({ code: "value", name: `prompt-${name}`, value: "", allowed: onePrompt.allowed });
    state.prompts[name] = null;
  }
  return { state, problems };
}

function readWord(word) {
  const at = word.indexOf("=");
  const [name, value] = at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
  try {
    return [decodeURIComponent(name), decodeURIComponent(value)];
  } catch {
    return [name, value];
  }
}

const shortened = (text) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);

function readNumber(text) {
  return NUMBER.test(text) ? Number(text) : undefined;
}

function readChanges(text) {
  const changes = text.split(",").map((change) => change.split(":").map(readNumber));
  const { least, most } = SETTINGS.find(({ name }) => name === "eta");
  const isChange = ([step, eta, ...more], index) =>
    more.length === 0 && Number.isInteger(step) && step > 0 && step <= MOST_LINKED_STEPS && eta >= least && eta <= most &&
    (index === 0 || step > changes[index - 1][0]);
  return changes.length <= MOST_CHANGES && changes.every(isChange) ? changes : undefined;
}

/** A prompt as "a,b,label,pattern,irrelevant,κ;…", the query first, then its columns as "pattern,irrelevant,κ,label". */
function writtenPrompt(prompt) {
  if (typeof prompt === "number") return String(prompt);
  const { columns, query, label, task } = roundedPrompt(prompt);
  const first = [...task, label, query.pattern, query.irrelevant, query.kappa];
  return [first, ...columns.map((one) => [one.pattern, one.irrelevant, one.kappa, one.label])].map(String).join(";");
}

function readPrompt(text) {
  if (/^\d{1,4}$/.test(text)) return Number(text) < TEST_PROMPTS ? Number(text) : undefined;
  const [first, ...rest] = text.split(";").map((part) => part.split(",").map(readNumber));
  const isIndex = (value) => Number.isInteger(value) && value >= 0;
  const isKappa = (value) => value !== undefined && Math.abs(value) <= 2;
  const isLabel = (value) => value === 1 || value === -1;
  const [a, b, label, pattern, irrelevant, kappa] = first;
  const begins = first.length === 6 && [a, b, pattern, irrelevant].every(isIndex) && isLabel(label) && isKappa(kappa);
  const goesOn = rest.every((one) => one.length === 4 && isIndex(one[0]) && isIndex(one[1]) && isKappa(one[2]) && isLabel(one[3]));
  if (!begins || !goesOn || a === b || rest.length === 0 || rest.length > 200) return undefined;
  const columns = rest.map(([j, k, amount, sign]) => ({ pattern: j, irrelevant: k, kappa: amount, label: sign }));
  return { columns, query: { pattern, irrelevant, kappa }, label, task: [a, b] };
}

function fitsPatterns(prompt, M1, M2) {
  if (prompt === null || typeof prompt === "number") return true;
  const fits = ({ pattern, irrelevant }) => pattern < M1 && irrelevant < M2;
  return prompt.task.every((j) => j < M1) && fits(prompt.query) && prompt.columns.every(fits);
}
