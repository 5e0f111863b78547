// What the page asks of a training, and what it is told: the worker without its channel, so that it can be tested alone.

import { MapMeasurement } from "./map.js";
import { Training } from "./training.js";
import { TEST_PROMPTS } from "./settings.js";
import { roundedPrompt } from "./prompts.js";
import { answeredPrompt } from "./tests.js";

// A slice of work, after which requests are heard, and the least time between two frames, in milliseconds.
const SLICE = 12;
const BETWEEN_FRAMES = 30;
const BETWEEN_MAPS = 60;
const SPEED_OVER = 500;

/** Serves one page. */
export class Desk {
  /**
   * @param {(message: object) => void} post tells the page
   * @param {(work: () => void) => void} soon runs something after what waits
   * @param {() => number} now milliseconds
   * @param {(work: () => void, delay: number) => void} later runs something after so many milliseconds
   */
  constructor(post, soon, now, later = (work) => soon(work)) {
    Object.assign(this, { post, soon, now, later });
    /** Steps per second at most, while playing; null: as many as there is time for. */
    this.pace = null;
    this.nextStepAt = 0;
    this.training = null;
    this.running = false;
    this.target = null;
    this.ended = null;
    this.map = null;
    this.told = 0;
    this.fresh = true;
    this.owed = false;
    this.awaited = false;
    this.busy = false;
    this.frameAt = -Infinity;
    this.mapAt = -Infinity;
    this.measuredAt = 0;
    this.measuredStep = 0;
    this.speed = 0;
    this.chosen = { in: 0, out: 0 };
  }

  /** Do what the page asks for. */
  handle(request) {
    try {
      this[REQUESTS[request.type]](request);
    } catch (error) {
      this.running = false;
      this.post({ type: "failed", message: String(error?.message ?? error) });
    }
    this.work();
  }

  start({ settings, steps = 0, changes = [] }) {
    this.training = new Training(settings, changes);
    this.map = null;
    this.chosen = Object.fromEntries(
      Object.entries(this.chosen).map(([domain, prompt]) => [domain, this.fits(domain, prompt) ? prompt : 0]),
    );
    this.fresh = true;
    this.told = 0;
    this.run(steps > 0 ? steps : null, steps > 0);
  }

  reset() {
    const { settings, eta } = this.training;
    this.start({ settings: { ...settings, eta } });
  }

  play() {
    this.training.goOn();
    this.run(null, true);
  }

  stepBy({ count }) {
    this.training.goOn();
    this.run(this.training.step + count, true);
  }

  pause() {
    this.run(null, false);
  }

  run(target, running) {
    Object.assign(this, { target, running, ended: null });
    this.measuredAt = this.now();
    this.measuredStep = this.training.step;
    if (!running) this.settle();
  }

  /** The page looks longer at where a training stands: record it, and tell. */
  settle() {
    if (!this.training.isRecorded) this.training.record();
    this.owed = true;
  }

  change({ changed }) {
    this.training.change(changed);
    this.ended = null;
    this.retold();
  }

  setPace({ stepsPerSecond }) {
    this.pace = stepsPerSecond > 0 ? stepsPerSecond : null;
    this.nextStepAt = 0;
  }

  /** Milliseconds until the next step may be taken; on the way to a step that was asked for there is no waiting. */
  untilStep() {
    return this.pace === null || this.target !== null ? 0 : Math.max(0, this.nextStepAt - this.now());
  }

  show({ index }) {
    this.training.show(index);
    this.retold();
  }

  retold() {
    this.fresh = true;
    this.told = 0;
    this.owed = true;
  }

  setPrompt({ domain, prompt }) {
    this.chosen[domain] = this.fits(domain, prompt) ? roundedPrompt(prompt) : 0;
    this.owed = true;
  }

  /** Whether a prompt, or the number of one, can be read with the patterns that there are. */
  fits(domain, prompt) {
    if (typeof prompt === "number") return Number.isInteger(prompt) && prompt >= 0 && prompt < TEST_PROMPTS;
    const { M1, M2 } = this.training.runs[0].dictionaries[domain];
    const isPart = ({ pattern, irrelevant }) => pattern < M1 && irrelevant < M2;
    return prompt.columns.length > 0 && prompt.columns.every(isPart) && isPart(prompt.query) && prompt.task.every((j) => j < M1);
  }

  measureMap({ kind }) {
    const { training } = this;
    this.map = new MapMeasurement(kind, training.runs[training.detailOf], training.step);
  }

  stopMap() {
    this.map = null;
  }

  rows({ id }) {
    this.post({ type: "rows", id, rows: this.training.rows });
  }

  drawn() {
    this.awaited = false;
  }

  /** Work for a slice of time, tell what is new, and go on if something is left to do. */
  work() {
    if (this.busy || this.training === null) return;
    const until = this.now() + SLICE;
    while (this.running && this.now() < until && this.untilStep() === 0) {
      if (this.pace !== null) this.nextStepAt = this.now() + 1000 / this.pace;
      this.training.advance();
      this.look();
    }
    if (this.map !== null) {
      do this.map.measureNext(); while (this.map.left.length && this.now() < until);
      this.tellMap();
    }
    this.tell();
    if (this.running || this.map !== null) {
      this.busy = true;
      const goOn = () => {
        this.busy = false;
        this.work();
      };
      const wait = this.map === null ? this.untilStep() : 0;
      if (wait > 0) this.later(goOn, wait);
      else this.soon(goOn);
    }
  }

  /** See after a step whether it was the last. */
  look() {
    const { training } = this;
    const elapsed = this.now() - this.measuredAt;
    if (elapsed >= SPEED_OVER) {
      this.speed = ((training.step - this.measuredStep) * 1000) / elapsed;
      this.measuredAt += elapsed;
      this.measuredStep = training.step;
    }
    const isTarget = this.target !== null && training.step >= this.target;
    // On the way to a step that was asked for, a pause in between is no reason to stop.
    const reason = isTarget ? "target" : training.end;
    if (reason === null || (reason === "still" && this.target !== null)) return;
    this.running = false;
    this.target = null;
    this.ended = { reason, step: training.step };
    this.settle();
  }

  tellMap() {
    const isDone = this.map.left.length === 0;
    if (!isDone && this.now() - this.mapAt < BETWEEN_MAPS) return;
    this.mapAt = this.now();
    this.post(this.map.message());
    if (isDone) this.map = null;
  }

  /** Send a frame, if the page has drawn the last one and it is time for another. */
  tell() {
    if (this.awaited || !(this.owed || this.running)) return;
    if (!this.owed && this.now() - this.frameAt < BETWEEN_FRAMES) return;
    this.post(this.frame());
    this.frameAt = this.now();
    this.awaited = true;
    this.owed = false;
  }

  frame() {
    const { training } = this;
    const { runs, rows, detail, detailOf } = training;
    const rewritten = this.told > rows.length;
    if (rewritten) this.fresh = true;
    const since = this.fresh ? 0 : this.told;
    const frame = {
      type: "frame", step: training.step, running: this.running, target: this.target, ended: this.ended,
      stepsPerSecond: this.running ? this.speed : 0, settings: training.settings, changes: training.changes,
      seeds: runs.map((run) => run.seed),
      runs: runs.map(({ seed, loss, divergedAt }) => ({ seed, loss, divergedAt })),
      rows: rows.slice(since), fresh: this.fresh, shown: detailOf,
      neurons: detail.neurons, pruning: detail.pruning,
      prompts: { in: this.answered("in"), out: this.answered("out") },
    };
    this.fresh = false;
    this.told = rows.length;
    return frame;
  }

  answered(domain) {
    const run = this.training.runs[this.training.detailOf];
    const chosen = this.chosen[domain];
    const isDrawn = typeof chosen === "number";
    const prompt = isDrawn ? run.tests[domain].prompt(chosen) : chosen;
    return { ...answeredPrompt(run.model, run.dictionaries[domain], prompt), number: isDrawn ? chosen : null };
  }
}

/** Requests by the names under which they are sent. */
const REQUESTS = {
  start: "start", reset: "reset", play: "play", pause: "pause", step: "stepBy", change: "change", show: "show",
  prompt: "setPrompt", pace: "setPace", map: "measureMap", stopMap: "stopMap", rows: "rows", drawn: "drawn",
};

/**
 * Serve a page from within a worker.
 * @param {DedicatedWorkerGlobalScope} scope
 */
export function serve(scope) {
  // A message to oneself comes after those that wait, and at once: timers of workers are slowed down.
  const channel = new MessageChannel();
  const waiting = [];
  channel.port1.onmessage = () => waiting.shift()();
  const soon = (work) => {
    waiting.push(work);
    channel.port2.postMessage(null);
  };
  const desk = new Desk((message) => scope.postMessage(message), soon, () => performance.now(), (work, delay) =>
    scope.setTimeout(work, delay),
  );
  scope.onmessage = (event) => desk.handle(event.data);
}
