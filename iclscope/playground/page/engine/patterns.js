// The patterns of one seed, and the dictionaries that prompts are made of, in the coordinates of the in-domain patterns.
//
// The coordinates are those of iclscope/models/pattern_engine/coordinates.py: unit vectors along the relevant patterns,
// the irrelevant ones and q. Out-of-domain patterns of Theorem 3.4 lie in the same span, so nothing else is needed.

import { RandomStream } from "./streams.js";
import { D_Y } from "./settings.js";

/**
 * Random orthonormal rows, uniformly rotated: the QR factor of a normal matrix, signs fixed by a positive diagonal.
 * @param {RandomStream} stream
 * @param {number} count of rows
 * @param {number} dimension at least count
 * @returns {Float64Array} [count, dimension]
 */
export function orthonormalRows(stream, count, dimension) {
  const drawn = stream.normal(dimension * count);
  const rows = new Float64Array(count * dimension);
  for (let i = 0; i < count; i++) {
    const row = rows.subarray(i * dimension, (i + 1) * dimension);
    for (let k = 0; k < dimension; k++) row[k] = drawn[k * count + i];
    // Twice: what rounding left of the earlier rows after the first time is gone after the second.
    for (let time = 0; time < 2; time++) {
      for (let j = 0; j < i; j++) {
        const earlier = rows.subarray(j * dimension, (j + 1) * dimension);
        let along = 0;
        for (let k = 0; k < dimension; k++) along += row[k] * earlier[k];
        for (let k = 0; k < dimension; k++) row[k] -= along * earlier[k];
      }
    }
    let square = 0;
    for (let k = 0; k < dimension; k++) square += row[k] * row[k];
    const norm = Math.sqrt(square);
    for (let k = 0; k < dimension; k++) row[k] /= norm;
  }
  return rows;
}

/**
 * @typedef {object} Patterns
 * @property {number} M1 relevant patterns
 * @property {number} M2 irrelevant patterns
 * @property {number} n M1 + M2 + 1, how many rows a dictionary has in domain
 * @property {Float64Array} units unit vectors along all patterns, [M1 + M2, d_X]; d_X = M1 + M2
 * @property {Float64Array} label the unit vector along q, [d_Y]
 * @property {Float64Array} scales norm of each row of the in-domain dictionary, [n]
 * @property {Float64Array} rotation of the irrelevant patterns out of domain, [M2, M2]
 */

/**
 * Draw the patterns of a seed.
 * @param {object} settings
 * @param {number} seed
 * @returns {Patterns}
 */
export function drawnPatterns(settings, seed) {
  const { M1, M2 } = settings;
  const count = M1 + M2;
  const stream = RandomStream.of(seed, "patterns");
  const scales = new Float64Array(count + 1).fill(settings.beta);
  scales[count] = settings.q_norm;
  return {
    M1, M2, n: count + 1, scales,
    units: orthonormalRows(stream.at(0), count, count),
    label: orthonormalRows(stream.at(1), 1, D_Y),
    rotation: orthonormalRows(stream.at(2), M2, M2),
  };
}

/**
 * @typedef {object} Dictionary
 * @property {number} M1 how many of its rows are relevant
 * @property {number} M2 how many are irrelevant
 * @property {number} n M1 + M2 + 1; the last row is q
 * @property {Float64Array} rows in the coordinates of the in-domain patterns, [n, columns]
 * @property {number} columns the number of coordinates
 */

/** The in-domain patterns as a dictionary. @param {Patterns} patterns @returns {Dictionary} */
export function dictionaryIn(patterns) {
  const { n, scales } = patterns;
  const rows = new Float64Array(n * n);
  for (let i = 0; i < n; i++) rows[i * n + i] = scales[i];
  return { M1: patterns.M1, M2: patterns.M2, n, columns: n, rows };
}

/**
 * The out-of-domain patterns: relevant ones (S1 ± √(2 − S1²))/2 of two neighbours each, irrelevant ones rotated.
 * @param {Patterns} patterns
 * @param {number} S1 coefficient sum, |S1| ≤ √2
 * @returns {Dictionary}
 */
export function dictionaryOut(patterns, S1) {
  const { M1, M2, n, scales, rotation } = patterns;
  const pairs = Math.floor(M1 / 2);
  const rowCount = pairs + M2 + 1;
  const rows = new Float64Array(rowCount * n);
  const [first, second] = pairCoefficients(S1);
  for (let pair = 0; pair < pairs; pair++) {
    rows[pair * n + 2 * pair] = first * scales[0];
    rows[pair * n + 2 * pair + 1] = second * scales[0];
  }
  for (let i = 0; i < M2; i++) {
    for (let k = 0; k < M2; k++) rows[(pairs + i) * n + M1 + k] = rotation[i * M2 + k] * scales[M1 + k];
  }
  rows[(pairs + M2) * n + n - 1] = scales[n - 1];
  return { M1: pairs, M2, n: rowCount, columns: n, rows };
}

/**
 * The two coefficients of an out-of-domain pattern: their sum is S1, their norm 1.
 * @param {number} S1 |S1| ≤ √2
 * @returns {[number, number]}
 */
export function pairCoefficients(S1) {
  const root = Math.sqrt(Math.max(0, 2 - S1 * S1));
  return [(S1 + root) / 2, (S1 - root) / 2];
}
