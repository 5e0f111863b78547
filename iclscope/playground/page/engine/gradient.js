// The hinge loss of a batch, its gradients by hand, and one step of SGD: iclscope/models/pattern_engine/steps.py.

import { attend, attendBackward } from "./attention.js";
import { product, productLeft, productRight } from "./model.js";
import { PromptBatch } from "./prompts.js";

/** Takes steps of SGD on one model; keeps the room that they need. */
export class Trainer {
  /**
   * @param {import("./model.js").Model} model changed in place by every step
   * @param {import("./patterns.js").Patterns} patterns
   * @param {import("./prompts.js").PromptSource} source of training prompts, in domain
   * @param {number} batch prompts per step
   * @param {import("./streams.js").RandomStream} stream of training prompts
   */
  constructor(model, patterns, source, batch, stream) {
    const { n } = patterns;
    Object.assign(this, { model, patterns, source, stream });
    this.prompts = new PromptBatch(batch, source.length);
    this.weight = new Float64Array(batch * source.length);
    this.amounts = new Float64Array(batch * n);
    this.hidden = new Float64Array(model.width);
    this.g = new Float64Array(n);
    this.u = new Float64Array(n);
    this.d = new Float64Array(n);
    this.queries = new Float64Array(model.inputs * n);
    this.keys = new Float64Array(model.inputs * n);
    this.values = new Float64Array(model.m_b * n);
    this.scores = new Float64Array(n * n);
    this.neurons = new Float64Array(model.width * n);
    this.dT = new Float64Array(n * n);
    this.dH = new Float64Array(model.width * n);
    this.slopes = model.trained.map((matrix) => new Float64Array(matrix.length));
    /** The smallest distance from a kink so far: of 1 − z·F and of what enters a ReLU. For tests. */
    this.nearestKink = Infinity;
  }

  /**
   * The mean loss on a step's batch; the gradients are left in `slopes`.
   * @param {number} step from 0
   * @param {boolean} watchKinks whether to keep `nearestKink`
   */
  lossAndSlopes(step, watchKinks = false) {
    const { model, patterns, prompts, weight, amounts, hidden, g, u, d, dT, dH, neurons } = this;
    const { a, width } = model;
    const { n, M1 } = patterns;
    prompts.draw(this.source, this.stream.at(step));
    this.map();
    dT.fill(0);
    dH.fill(0);
    let loss = 0;
    for (let i = 0; i < prompts.count; i++) {
      attend(this.scores, prompts, i, M1, n, g, weight, amounts);
      const output = answer(neurons, amounts, i, n, a, width, hidden);
      const label = prompts.label[i];
      const short = 1 - label * output;
      if (watchKinks) this.watch(short);
      if (short <= 0) continue;
      loss += short;
      const slope = -label / prompts.count;
      u.fill(0);
      const from = i * n;
      for (let j = 0; j < width; j++) {
        if (hidden[j] <= 0) continue;
        const factor = slope * a[j];
        const row = j * n;
        for (let r = 0; r < n; r++) {
          u[r] += factor * neurons[row + r];
          dH[row + r] += factor * amounts[from + r];
        }
      }
      attendBackward(u, prompts, i, M1, n, weight, amounts, d, dT);
    }
    this.turnBack();
    return loss / prompts.count;
  }

  /**
   * One step of SGD.
   * @param {number} step from 0
   * @param {number} eta step size η
   * @returns {number} the loss before it; if that is no number, nothing was changed
   */
  step(step, eta, watchKinks = false) {
    const loss = this.lossAndSlopes(step, watchKinks);
    if (!Number.isFinite(loss)) return loss;
    this.model.trained.forEach((matrix, which) => {
      const slope = this.slopes[which];
      for (let i = 0; i < matrix.length; i++) matrix[i] -= eta * slope[i];
    });
    return loss;
  }

  /** What the weights make of the patterns. In these coordinates the dictionary is diagonal. */
  map() {
    const { model, patterns, queries, keys, values } = this;
    const { n, scales } = patterns;
    scaleColumns(model.W_Q, scales, n, queries);
    scaleColumns(model.W_K, scales, n, keys);
    scaleColumns(model.W_V, scales, n, values);
    productLeft(queries, keys, model.inputs, n, n, this.scores);
    product(model.W_O, values, model.width, model.m_b, n, this.neurons);
  }

  /** From ∂loss/∂T and ∂loss/∂H to the gradients of the weights. */
  turnBack() {
    const { model, patterns, queries, keys, values, dT, dH } = this;
    const { n, scales } = patterns;
    const [dW_Q, dW_K, dW_V, dW_O] = this.slopes;
    productRight(keys, dT, model.inputs, n, n, dW_Q);
    product(queries, dT, model.inputs, n, n, dW_K);
    productLeft(model.W_O, dH, model.width, model.m_b, n, dW_V);
    productRight(dH, values, model.width, n, model.m_b, dW_O);
    for (const slope of [dW_Q, dW_K, dW_V]) scaleColumns(slope, scales, n, slope);
  }

  watch(short) {
    let nearest = Math.min(this.nearestKink, Math.abs(short));
    for (const entered of this.hidden) nearest = Math.min(nearest, Math.abs(entered));
    this.nearestKink = nearest;
  }
}

/**
 * F = a · ReLU(H c) of one prompt.
 * @param {Float64Array} neurons H, [m, n]
 * @param {Float64Array} amounts c of all prompts, [count, n]
 * @param {number} number which prompt
 * @param {number} n
 * @param {Float64Array} a output signs
 * @param {number} width
 * @param {Float64Array} hidden written: what enters each ReLU, [m]
 */
export function answer(neurons, amounts, number, n, a, width, hidden) {
  const from = number * n;
  let output = 0;
  for (let j = 0; j < width; j++) {
    const row = j * n;
    // Four sums at once: a processor waits for one sum longer than it takes for four.
    let first = 0, second = 0, third = 0, fourth = 0;
    let r = 0;
    for (; r + 3 < n; r += 4) {
      first += neurons[row + r] * amounts[from + r];
      second += neurons[row + r + 1] * amounts[from + r + 1];
      third += neurons[row + r + 2] * amounts[from + r + 2];
      fourth += neurons[row + r + 3] * amounts[from + r + 3];
    }
    for (; r < n; r++) first += neurons[row + r] * amounts[from + r];
    const entered = first + second + (third + fourth);
    hidden[j] = entered;
    // NaN stays NaN.
    if (!(entered <= 0)) output += entered * a[j];
  }
  return output;
}

function scaleColumns(matrix, scales, columns, out) {
  for (let i = 0; i < matrix.length; i += columns) {
    for (let j = 0; j < columns; j++) out[i + j] = matrix[i + j] * scales[j];
  }
}
