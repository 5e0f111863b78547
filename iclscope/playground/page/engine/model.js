// The one-layer transformer of Li 2024 in the coordinates of the patterns: weights, and what they make of a dictionary.
//
//     F(Ψ; P) = Σ_i a_i ReLU( W_O(i,·) Σ_s W_V p_s attn(Ψ; P, s) ),   attn = softmax_s( (W_K p_s)ᵀ W_Q p_query )
//
// W_Q and W_K move within the patterns on both sides, W_V within them on the right; what lies outside never changes.

import { product, productLeft, productRight } from "./products.js";
import { RandomStream } from "./streams.js";
import { D_Y, XI } from "./settings.js";

/** Weights of one seed. All matrices have their rows one after the other. */
export class Model {
  /**
   * The library's initial values.
   * @param {object} settings
   * @param {import("./patterns.js").Patterns} patterns
   * @param {number} seed
   */
  constructor(settings, patterns, seed) {
    const { n, units, label } = patterns;
    const inputs = n - 1;
    this.n = n;
    this.inputs = inputs;
    this.width = settings.width;
    this.m_b = inputs + D_Y;
    this.delta = settings.delta;
    this.labelUnit = label;
    this.W_Q = new Float64Array(inputs * n);
    this.W_K = new Float64Array(inputs * n);
    this.W_V = new Float64Array(this.m_b * n);
    for (let i = 0; i < inputs; i++) {
      this.W_Q[i * n + i] = settings.delta;
      this.W_K[i * n + i] = settings.delta;
      for (let k = 0; k < inputs; k++) this.W_V[k * n + i] = settings.delta * units[i * inputs + k];
    }
    for (let k = 0; k < D_Y; k++) this.W_V[(inputs + k) * n + inputs] = settings.delta * label[k];
    const stream = RandomStream.of(seed, "initial weights");
    this.W_O = stream.at(0).normal(this.width * this.m_b).map((number) => XI * number);
    // In single precision, as the library takes it whatever the precision of the weights.
    const size = Math.fround(1 / Math.fround(Math.sqrt(this.width)));
    this.a = stream.at(1).uniform(this.width).map((u) => (u < 0.5 ? size : -size));
  }

  /** The four trained matrices, in the library's order. */
  get trained() {
    return [this.W_Q, this.W_K, this.W_V, this.W_O];
  }

  /** Whether all weights are numbers. */
  get isFinite() {
    return this.trained.every((matrix) => matrix.every(Number.isFinite));
  }

  /** W_O W_V, one row per neuron, [m, n]. */
  neuronRows() {
    return product(this.W_O, this.W_V, this.width, this.m_b, this.n);
  }

  /** A copy whose weights stay what they are now. */
  copy() {
    const copied = Object.create(Model.prototype);
    Object.assign(copied, this);
    for (const name of ["W_Q", "W_K", "W_V", "W_O"]) copied[name] = this[name].slice();
    return copied;
  }
}

/**
 * @typedef {object} Images what a model makes of the rows of a dictionary
 * @property {import("./patterns.js").Dictionary} dictionary
 * @property {Float64Array} queries W_Q Dᵀ, [inputs, n]
 * @property {Float64Array} keys W_K Dᵀ, [inputs, n]
 * @property {Float64Array} scores score of row r (last) for a query that is row p alone, [n, n]
 * @property {Float64Array} neurons W_O W_V Dᵀ, [m, n]
 */

/** What a model makes of a dictionary, for answering. @returns {Images} */
export function imagesOf(model, dictionary) {
  const { rows, n, columns } = dictionary;
  const queries = productRight(model.W_Q, rows, model.inputs, columns, n);
  const keys = productRight(model.W_K, rows, model.inputs, columns, n);
  return {
    dictionary, queries, keys,
    scores: productLeft(queries, keys, model.inputs, n, n),
    neurons: productRight(model.neuronRows(), rows, model.width, columns, n),
  };
}
