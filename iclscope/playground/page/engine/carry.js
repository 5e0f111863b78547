// A state to take away: as Python, as a file for `iclscope sweep`, as JSON; rows as CSV. All give the same numbers.

import { D_Y, TEST_PROMPTS, trainingTasks, XI } from "./settings.js";

/** The settings in the library's words, and the tests, as plain values. */
function inLibraryWords(state) {
  const { settings, steps } = state;
  const d_X = settings.M1 + settings.M2;
  const { tasks, M1 } = settings;
  const isShare = tasks.startsWith("share-");
  const chosen = isShare ? Number(tasks.slice("share-".length)) / (M1 - 1) : tasks;
  const broken = tasks === "broken" ? { training_tasks: trainingTasks(tasks, M1), check_condition: false } : null;
  const test = { alpha: settings.alpha_test, length: settings.length_test };
  return {
    task: {
      M1, M2: settings.M2, d_X, d_Y: D_Y, beta: settings.beta, q_norm: settings.q_norm, K: settings.K,
      alpha: settings.alpha, length: settings.length, ...(broken ?? { training_tasks: chosen }),
    },
    model: { d_X, d_Y: D_Y, width: settings.width, delta: settings.delta, xi: XI },
    training: { steps, batch_size: settings.batch, learning_rate: settings.eta },
    seeds: Array.from({ length: settings.seeds }, (_, index) => settings.seed + index),
    tests: {
      in: { tasks: tasks === "all" ? "all" : "unseen", ...test },
      out: { ...test, shift: { S1: settings.S1 } },
    },
  };
}

/** A line on what a file cannot say, where η was changed on the way. */
function remarkOnChanges(state) {
  if (state.changes.length === 0) return "";
  const told = state.changes.map(([step, eta]) => `${eta} from step ${step} on`).join(", ");
  return `# The page changed the step size on the way (${told}); here it stays at ${state.settings.eta}, so numbers differ.\n`;
}

const asPython = (value) => {
  if (Array.isArray(value)) return `(${value.map(asPython).join(", ")}${value.length === 1 ? "," : ""})`;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object") return Object.entries(value).map(([name, part]) => `${name}=${asPython(part)}`).join(", ");
  return JSON.stringify(value);
};

/**
 * A program for the library: the same training, in double precision, and the same tests.
 * @param {object} state
 */
export function pythonOf(state) {
  const { task, model, training, seeds, tests } = inLibraryWords(state);
  const { shift, ...outside } = tests.out;
  return textOfLines(
    remarkOnChanges(state) + "import torch",
    "",
    "import iclscope as icl",
    "",
    `task = icl.tasks.PatternClassification(${asPython(task)})`,
    `model = icl.models.SoftmaxReLUTransformer(${asPython(model)}, seeds=[${seeds.join(", ")}], dtype=torch.float64)`,
    `trained = icl.train(model, task, ${asPython(training)}).model`,
    "tests = {",
    `    "in": task.replace(${asPython(tests.in)}),`,
    `    "out": task.replace(${asPython(outside)}, shift=icl.tasks.PatternShift(${asPython(shift)})),`,
    "}",
    "for name, test in tests.items():",
    `    risks = icl.evaluate(trained, test, prompts=${TEST_PROMPTS})`,
    "    print(name, risks.hinge_risk.tolist(), risks.classification_error.tolist())",
  );
}

const textOfLines = (...each) => `${each.join("\n")}\n`;

/** One setting a line, values in YAML's flow style. */
function yamlBlock(values) {
  return Object.entries(values).map(([name, value]) => `    ${name}: ${yamlFlow(value)}`);
}

function yamlFlow(value) {
  if (Array.isArray(value)) return `[${value.map(yamlFlow).join(", ")}]`;
  if (typeof value !== "object") return typeof value === "string" ? value : JSON.stringify(value);
  return `{${Object.entries(value).map(([name, part]) => `${name}: ${yamlFlow(part)}`).join(", ")}}`;
}

/**
 * A file for `iclscope sweep`: the same training, in double precision, and the same tests.
 * @param {object} state
 */
export function sweepOf(state) {
  const { task, model, training, seeds, tests } = inLibraryWords(state);
  return textOfLines(
    remarkOnChanges(state) + "name: playground",
    "paper: li2024",
    "base:",
    "  task:",
    ...yamlBlock(task),
    "  model:",
    ...yamlBlock(model),
    "  training:",
    ...yamlBlock({ ...training, precision: "double" }),
    `seeds: ${yamlFlow(seeds)}`,
    "tests:",
    `  in-domain: {task: ${yamlFlow(tests.in)}, prompts: ${TEST_PROMPTS}}`,
    `  out-of-domain: {task: ${yamlFlow(tests.out)}, prompts: ${TEST_PROMPTS}}`,
  );
}

/** State and rows as JSON; numbers that are none are null. */
export function jsonOf(state, rows) {
  return `${JSON.stringify({ iclscope: "playground", version: 1, state, rows }, null, 1)}\n`;
}

/** Rows as CSV, with a header; numbers that are none are empty. */
export function csvOf(rows) {
  if (rows.length === 0) return "";
  const names = Object.keys(rows[0]);
  const cell = (value) => (Number.isFinite(value) ? String(value) : "");
  return `${[names.join(","), ...rows.map((row) => names.map((name) => cell(row[name])).join(","))].join("\n")}\n`;
}
