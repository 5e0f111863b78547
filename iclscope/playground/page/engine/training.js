// A training as the page sees it: one run per seed, step by step, what is recorded on the way, and when it may stop.

import { EVERY, MOST_STEPS } from "./settings.js";
import { Run } from "./run.js";
import { prescribed } from "../theory/formulas.js";

// A training has come to rest when nothing that is drawn has moved by more than this, or lengths by this share, …
const REST_TOLERANCE = 0.01;
// … within so many steps.
const REST_STEPS = 300;
// Before the risk has fallen by this much, a training may only be waiting to take off.
const TAKE_OFF = 0.05;
const DRAWN = ["risk_in", "error_in", "risk_out", "error_out", "attention_in", "attention_out", "query_norm"];

/** All runs of one choice of settings. */
export class Training {
  /**
   * @param {object} settings checked ones
   * @param {[number, number][]} changes [step, η]: η is changed before that step
   */
  constructor(settings, changes = []) {
    this.settings = settings;
    this.changes = changes;
    this.step = 0;
    this.runs = Array.from({ length: settings.seeds }, (_, index) => new Run(settings, settings.seed + index));
    /** Everything recorded, in order. */
    this.rows = [];
    /** What the last record says in detail of one of the runs. */
    this.detail = null;
    this.detailOf = 0;
    this.restFrom = 0;
    this.record();
  }

  /** The step size of the next step. */
  get eta() {
    const before = this.changes.filter(([step]) => step <= this.step);
    return before.length ? before[before.length - 1][1] : this.settings.eta;
  }

  /** Take one step of every run. */
  advance() {
    const { eta } = this;
    for (const run of this.runs) run.step(this.step, eta);
    this.step++;
    if (this.step % EVERY === 0) this.record();
  }

  /** Record where all runs are now; a record of the same step is replaced. */
  record() {
    while (this.rows.length && this.rows[this.rows.length - 1].step === this.step) this.rows.pop();
    this.runs.forEach((run, index) => {
      if (run.divergedAt !== null && index !== this.detailOf) return;
      const { row, neurons, pruning } = run.record(this.step, this.eta, index === this.detailOf);
      if (run.divergedAt === null) this.rows.push(row);
      if (index === this.detailOf) this.detail = { step: this.step, neurons, pruning };
    });
  }

  /** Whether the last record is of now, and of the run that is shown. */
  get isRecorded() {
    return this.detail.step === this.step;
  }

  /** Show another of the runs in detail. */
  show(index) {
    const shown = Math.min(Math.max(0, Math.trunc(index) || 0), this.runs.length - 1);
    if (shown === this.detailOf) return;
    this.detailOf = shown;
    this.record();
  }

  /**
   * Change settings that need no new beginning.
   * @param {object} changed some of eta, alpha_test, length_test, S1
   */
  change(changed) {
    const { eta, ...tests } = changed;
    if (eta !== undefined && eta !== this.eta) {
      const earlier = this.changes.filter(([step]) => step < this.step);
      if (this.step === 0) this.settings = { ...this.settings, eta };
      this.changes = this.step === 0 ? [] : [...earlier, [this.step, eta]];
    }
    if (Object.keys(tests).length) {
      this.settings = { ...this.settings, ...tests };
      for (const run of this.runs) run.test(this.settings);
    }
    this.goOn();
    this.record();
  }

  /** Begin to wait for rest anew: somebody wants it to go on. */
  goOn() {
    this.restFrom = this.step;
  }

  /**
   * Why the training ends here by itself, if it does.
   * @returns {null|"diverged"|"still"|"long"}
   */
  get end() {
    if (this.runs.every((run) => run.divergedAt !== null)) return "diverged";
    if (this.step >= MOST_STEPS) return "long";
    return this.step % EVERY === 0 && this.step - this.restFrom >= REST_STEPS && this.isAtRest() ? "still" : null;
  }

  isAtRest() {
    const recent = [];
    for (let i = this.rows.length - 1; i >= 0 && this.rows[i].step >= this.step - REST_STEPS; i--) recent.push(this.rows[i]);
    // Where nothing has happened yet, it is waited for as long as the theory says.
    const isLong = this.step >= prescribed({ ...this.settings, eta: this.eta }).steps;
    return this.runs.every((run) => {
      if (run.divergedAt !== null) return true;
      const own = recent.filter((row) => row.seed === run.seed);
      const moved = Math.max(...DRAWN.map((name) => spread(own.map((row) => row[name]))));
      const first = this.rows.find((row) => row.seed === run.seed);
      const tookOff = first.risk_in - own[0].risk_in > TAKE_OFF;
      return moved <= REST_TOLERANCE && (tookOff || isLong);
    });
  }
}

/** The difference of the largest and the smallest number, as a share of the largest where that is above 1. */
function spread(values) {
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return 0;
  const largest = Math.max(...known);
  return (largest - Math.min(...known)) / Math.max(1, largest);
}
