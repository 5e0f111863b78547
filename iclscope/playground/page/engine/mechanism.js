// What is seen inside a model: lengths of queries and keys, and what each neuron reads (iclscope/mechanism).

import { D_Y } from "./settings.js";

// Columns whose keys are projected (iclscope/mechanism/projections.py): some thousand are enough for a mean.
const KEY_COLUMNS = 2048;

/**
 * Means over in-domain prompts, and over context columns.
 * @param {import("./model.js").Images} images of the in-domain dictionary
 * @param {import("./prompts.js").PromptBatch} batch
 * @returns {{query: number, queryRelevant: number, key: number, keyRelevant: number}} ‖W_Q p_query‖, its part along the
 *   query's pattern, ‖W_K p_i‖ over context columns, its part along each column's pattern
 */
export function projections(images, batch) {
  const { dictionary, queries, keys } = images;
  const { n, M1 } = dictionary;
  const sums = { query: 0, queryRelevant: 0, key: 0, keyRelevant: 0 };
  for (let i = 0; i < batch.count; i++) {
    const own = batch.queryRelevant[i];
    const [length, along] = lengthOf(queries, n, own, M1 + batch.queryIrrelevant[i], batch.queryKappa[i], 0);
    sums.query += length;
    sums.queryRelevant += along;
  }
  const prompts = Math.min(batch.count, Math.max(1, Math.floor(KEY_COLUMNS / batch.length)));
  const columns = prompts * batch.length;
  for (let s = 0; s < columns; s++) {
    const [length, along] = lengthOf(keys, n, batch.relevant[s], M1 + batch.irrelevant[s], batch.kappa[s], batch.sign[s]);
    sums.key += length;
    sums.keyRelevant += along;
  }
  return {
    query: sums.query / batch.count, queryRelevant: sums.queryRelevant / batch.count,
    key: sums.key / columns, keyRelevant: sums.keyRelevant / columns,
  };
}

/** Norm of the image of a column, and its part along its pattern: these coordinates are along the patterns. */
function lengthOf(images, n, own, irrelevant, kappa, sign) {
  let square = 0;
  let along = 0;
  for (let i = 0, row = 0; row < images.length; i++, row += n) {
    const entry = images[row + own] + kappa * images[row + irrelevant] + sign * images[row + n - 1];
    square += entry * entry;
    if (i === own) along = entry;
  }
  return [Math.sqrt(square), along];
}

/**
 * What each neuron reads: rows of W_O W_V against μ̄, the mean of the relevant patterns, and q.
 * @param {import("./model.js").Model} model
 * @param {number} M1 relevant patterns
 * @returns {object} arrays of one entry per neuron: cosineLabel, normLabel, cosineFeature, normFeature, norm (of the row
 *   of W_O), sign (of a), kind: 0 small, 1 large with a > 0, 2 large with a < 0
 */
export function neuronsOf(model, M1) {
  const { width, n, m_b, inputs } = model;
  const rows = model.neuronRows();
  const found = Object.fromEntries(
    ["cosineLabel", "normLabel", "cosineFeature", "normFeature", "norm", "sign"].map((name) => [name, new Float64Array(width)]),
  );
  for (let i = 0; i < width; i++) {
    const row = model.W_O.subarray(i * m_b, (i + 1) * m_b);
    let square = 0;
    for (const entry of row) square += entry * entry;
    found.norm[i] = Math.sqrt(square);
    let feature = 0;
    let along = 0;
    for (let k = 0; k < inputs; k++) {
      const entry = rows[i * n + k];
      feature += entry * entry;
      if (k < M1) along += entry;
    }
    found.normFeature[i] = Math.sqrt(feature);
    found.cosineFeature[i] = along / Math.sqrt(M1) / found.normFeature[i] || 0; // 0 where there is no direction
    // Across q, W_V stays what it was: δ times the identity.
    let across = 0;
    let alongLabel = 0;
    for (let k = 0; k < D_Y; k++) {
      const entry = row[inputs + k];
      across += entry * entry;
      alongLabel += entry * model.labelUnit[k];
    }
    across = Math.max(0, across - alongLabel * alongLabel) * model.delta * model.delta;
    const onLabel = rows[i * n + n - 1];
    found.normLabel[i] = Math.sqrt(across + onLabel * onLabel);
    found.cosineLabel[i] = onLabel / found.normLabel[i] || 0;
    found.sign[i] = Math.sign(model.a[i]);
  }
  const large = largeNeurons(found.norm);
  const kind = Int8Array.from(large, (isLarge, i) => (isLarge ? (found.sign[i] > 0 ? 1 : 2) : 0));
  return { ...found, kind };
}

/**
 * Split norms into a large and a small group by their order of magnitude: two-means of log ‖·‖, which on a line is the
 * best of all cuts. Where all are equal, all are large; where one is no number, none is.
 * @param {Float64Array} norms
 * @returns {boolean[]}
 */
export function largeNeurons(norms) {
  if (!norms.every(Number.isFinite)) return Array.from(norms, () => false);
  const orders = Array.from(norms).filter((norm) => norm > 0).map(Math.log).sort((a, b) => a - b);
  const count = orders.length;
  if (count < 2 || orders[0] === orders[count - 1]) return Array.from(norms, (norm) => norm > 0);
  const total = orders.reduce((sum, order) => sum + order, 0);
  let below = 0;
  let best = -Infinity;
  let cut = orders[count - 1];
  for (let i = 1; i < count; i++) {
    below += orders[i - 1];
    // What the two means explain of the squares.
    const explained = below ** 2 / i + (total - below) ** 2 / (count - i);
    if (orders[i] > orders[i - 1] && explained > best) {
      best = explained;
      cut = orders[i];
    }
  }
  return Array.from(norms, (norm) => norm > 0 && Math.log(norm) >= cut);
}

/** Neurons by the norm of their row of W_O, the smallest first. */
export function bySize(norms) {
  return Int32Array.from(norms.keys()).sort((a, b) => norms[a] - norms[b]);
}
