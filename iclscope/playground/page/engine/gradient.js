// The hinge loss of a batch, its gradients by hand, and one step of SGD: iclscope/models/pattern_engine/steps.py.

import { attend, attendBackward } from "./attention.js";
import { addProductLeft, product, productLeft, productRight } from "./products.js";
import { PromptBatch } from "./prompts.js";

/** Prompts at a time, so that a product finds its factors in the cache. */
export const AT_A_TIME = 64;

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
    this.hidden = new Float64Array(AT_A_TIME * model.width);
    this.g = new Float64Array(n);
    // Of the prompts with loss, as many as are looked at together: which, ∂loss/∂hidden, c, and ∂loss/∂c.
    this.withLoss = new Int32Array(AT_A_TIME);
    this.hiddenSlopes = new Float64Array(AT_A_TIME * model.width);
    this.kept = new Float64Array(AT_A_TIME * n);
    this.u = new Float64Array(AT_A_TIME * n);
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
    const { model, patterns, prompts, weight, amounts, hidden, g, u, d, dT, dH } = this;
    const { n, M1 } = patterns;
    const { width } = model;
    prompts.draw(this.source, this.stream.at(step));
    this.map();
    dT.fill(0);
    dH.fill(0);
    let loss = 0;
    for (let begin = 0; begin < prompts.count; begin += AT_A_TIME) {
      const size = Math.min(AT_A_TIME, prompts.count - begin);
      for (let i = begin; i < begin + size; i++) attend(this.scores, prompts, i, M1, n, g, weight, amounts);
      productRight(amounts, this.neurons, size, n, width, hidden, begin * n);
      if (watchKinks) this.watch(begin, size);
      const { count, sum } = this.findLosses(begin, size);
      if (count === 0) continue;
      loss += sum;
      product(this.hiddenSlopes, this.neurons, count, width, n, u);
      addProductLeft(this.hiddenSlopes, this.kept, count, width, n, dH);
      for (let at = 0; at < count; at++) {
        attendBackward(u, at * n, prompts, this.withLoss[at], M1, n, weight, amounts, d, dT);
      }
    }
    this.turnBack();
    return loss / prompts.count;
  }

  /** The losses of some prompts; those that have any are noted, with ∂loss/∂hidden. */
  findLosses(begin, size) {
    const { prompts, hidden, hiddenSlopes, kept, amounts, withLoss } = this;
    const { a, width } = this.model;
    const { n } = this.patterns;
    let count = 0;
    let sum = 0;
    for (let i = 0; i < size; i++) {
      const label = prompts.label[begin + i];
      const from = i * width;
      const short = 1 - label * outputOf(hidden, from, a, width);
      if (short <= 0) continue;
      sum += short;
      const slope = -label / prompts.count;
      const to = count * width;
      for (let j = 0; j < width; j++) hiddenSlopes[to + j] = hidden[from + j] <= 0 ? 0 : slope * a[j];
      for (let r = 0; r < n; r++) kept[count * n + r] = amounts[(begin + i) * n + r];
      withLoss[count++] = begin + i;
    }
    return { count, sum };
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

  watch(begin, size) {
    const { model, hidden, prompts } = this;
    let nearest = this.nearestKink;
    for (let i = 0; i < size; i++) {
      const output = outputOf(hidden, i * model.width, model.a, model.width);
      nearest = Math.min(nearest, Math.abs(1 - prompts.label[begin + i] * output));
    }
    for (let j = 0; j < size * model.width; j++) nearest = Math.min(nearest, Math.abs(hidden[j]));
    this.nearestKink = nearest;
  }
}

/**
 * F = a · ReLU(hidden) of one prompt.
 * @param {Float64Array} hidden what enters each ReLU, among that of other prompts
 * @param {number} from where in it the prompt's begins
 * @param {Float64Array} a output signs
 * @param {number} width
 */
export function outputOf(hidden, from, a, width) {
  let output = 0;
  for (let j = 0; j < width; j++) {
    const entered = hidden[from + j];
    // NaN stays NaN.
    output += (entered <= 0 ? 0 : entered) * a[j];
  }
  return output;
}

function scaleColumns(matrix, scales, columns, out) {
  for (let i = 0; i < matrix.length; i += columns) {
    for (let j = 0; j < columns; j++) out[i + j] = matrix[i + j] * scales[j];
  }
}
