// One seed: its patterns, its model while it trains, its test prompts, and what is recorded of it.

import { drawnPatterns, dictionaryIn, dictionaryOut } from "./patterns.js";
import { bySize, neuronsOf, projections } from "./mechanism.js";
import { imagesOf, Model } from "./model.js";
import { RandomStream } from "./streams.js";
import { allTasks, TEST_PROMPTS, testTasks, trainingTasks } from "./settings.js";
import { TestSet } from "./tests.js";
import { Trainer } from "./gradient.js";

/** @typedef {"in"|"out"} Domain in domain, or out of domain */

/** What test prompts of a domain are drawn by. @param {object} settings @param {Domain} domain */
export function testSource(settings, domain) {
  const { M1, M2, K, alpha_test: alpha, length_test: length } = settings;
  if (domain === "in") return { M1, M2, K, alpha, length, tasks: testTasks(settings.tasks, M1) };
  const pairs = Math.floor(M1 / 2);
  return { M1: pairs, M2, K, alpha, length, tasks: allTasks(pairs) };
}

/** One training. */
export class Run {
  /** @param {object} settings @param {number} seed */
  constructor(settings, seed) {
    this.settings = settings;
    this.seed = seed;
    this.patterns = drawnPatterns(settings, seed);
    this.model = new Model(settings, this.patterns, seed);
    const { M1, M2, K, alpha, length } = settings;
    const source = { M1, M2, K, alpha, length, tasks: trainingTasks(settings.tasks, M1) };
    const stream = RandomStream.of(seed, "training prompts");
    this.trainer = new Trainer(this.model, this.patterns, source, settings.batch, stream);
    this.testing = RandomStream.of(seed, "evaluation prompts");
    /** The loss of the last training batch. */
    this.loss = NaN;
    /** @type {number|null} */
    this.divergedAt = null;
    this.test(settings);
  }

  /** Draw the test prompts of settings that differ from those of before in tests only. */
  test(settings) {
    this.settings = settings;
    this.dictionaries = { in: dictionaryIn(this.patterns), out: dictionaryOut(this.patterns, settings.S1) };
    this.tests = { in: this.testSet("in", TEST_PROMPTS), out: this.testSet("out", TEST_PROMPTS) };
  }

  /** Test prompts of a domain, at the settings or with some changed. */
  testSet(domain, count, changes = {}) {
    const settings = { ...this.settings, ...changes };
    const dictionary = domain === "in" ? this.dictionaries.in : dictionaryOut(this.patterns, settings.S1);
    return new TestSet(dictionary, testSource(settings, domain), this.testing, count);
  }

  /** One step of SGD; a run whose loss is no longer finite is trained no further. */
  step(step, eta) {
    if (this.divergedAt !== null) return;
    this.loss = this.trainer.step(step, eta);
    if (!Number.isFinite(this.loss)) this.divergedAt = step;
  }

  /**
   * All that is recorded after so many steps.
   * @param {number} step
   * @param {number} eta the step size from here on
   * @param {boolean} inDetail whether to say what is left without the small neurons
   */
  record(step, eta, inDetail) {
    const { model, settings, tests } = this;
    const neurons = neuronsOf(model, settings.M1);
    const order = bySize(neurons.norm);
    const [inside, outside] = ["in", "out"].map((domain) => tests[domain].measured(model, inDetail ? order : null));
    const lengths = projections(imagesOf(model, this.dictionaries.in), tests.in.batches[0]);
    const row = {
      seed: this.seed, step, loss: this.loss,
      risk_in: inside.risk, error_in: inside.error, risk_out: outside.risk, error_out: outside.error,
      attention_in: inside.attention, attention_out: outside.attention,
      query_norm: lengths.query, query_relevant: lengths.queryRelevant,
      key_norm: lengths.key, key_relevant: lengths.keyRelevant,
      eta, alpha_test: settings.alpha_test, length_test: settings.length_test, S1: settings.S1,
    };
    const pruning = inDetail && {
      order,
      risk: { in: inside.pruned.risk, out: outside.pruned.risk },
      error: { in: inside.pruned.error, out: outside.pruned.error },
    };
    return { row, neurons, pruning };
  }
}
