// Softmax attention over the columns of prompts, and its derivative: iclscope/models/pattern_engine/attention.py.

/**
 * Attend from one prompt's query to its columns.
 * @param {Float64Array} scores T, [n, n]: score of row r (last) for a query that is row p alone
 * @param {import("./prompts.js").PromptBatch} batch
 * @param {number} number which of its prompts
 * @param {number} M1 relevant rows of the dictionary
 * @param {number} n all rows of the dictionary
 * @param {Float64Array} g room, [n]
 * @param {Float64Array} weight written: softmax weights of all columns of the batch, [count · length]
 * @param {Float64Array} amounts written: amounts c of all rows in the mixed column, [count, n]
 */
export function attend(scores, batch, number, M1, n, g, weight, amounts) {
  const { relevant, irrelevant, kappa, sign, length } = batch;
  const own = batch.queryRelevant[number] * n;
  const other = (M1 + batch.queryIrrelevant[number]) * n;
  const queryKappa = batch.queryKappa[number];
  for (let row = 0; row < n; row++) g[row] = scores[own + row] + queryKappa * scores[other + row];
  const begin = number * length;
  const end = begin + length;
  const onLabel = g[n - 1];
  let largest = -Infinity;
  for (let s = begin; s < end; s++) {
    const score = g[relevant[s]] + sign[s] * onLabel + kappa[s] * g[M1 + irrelevant[s]];
    weight[s] = score;
    if (score > largest) largest = score;
  }
  let total = 0;
  for (let s = begin; s < end; s++) {
    const w = Math.exp(weight[s] - largest);
    weight[s] = w;
    total += w;
  }
  const inverse = 1 / total;
  const to = number * n;
  for (let row = 0; row < n; row++) amounts[to + row] = 0;
  let label = 0;
  for (let s = begin; s < end; s++) {
    const w = weight[s] * inverse;
    weight[s] = w;
    amounts[to + relevant[s]] += w;
    amounts[to + M1 + irrelevant[s]] += w * kappa[s];
    label += w * sign[s];
  }
  amounts[to + n - 1] = label;
}

/**
 * Add one prompt's ∂loss/∂T.
 * @param {Float64Array} u ∂loss/∂c, among those of other prompts
 * @param {number} at where in it the prompt's begins
 * @param {import("./prompts.js").PromptBatch} batch
 * @param {number} number which of its prompts
 * @param {number} M1
 * @param {number} n
 * @param {Float64Array} weight as `attend` wrote it
 * @param {Float64Array} amounts likewise
 * @param {Float64Array} d room, [n]
 * @param {Float64Array} dT added to, [n, n]
 */
export function attendBackward(u, at, batch, number, M1, n, weight, amounts, d, dT) {
  const { relevant, irrelevant, kappa, sign, length } = batch;
  const from = number * n;
  let mean = 0;
  for (let row = 0; row < n; row++) mean += u[at + row] * amounts[from + row];
  // With u = ∂loss/∂c the softmax's derivative is ∂loss/∂g = Σ w e eᵀ u − c (cᵀu).
  for (let row = 0; row < n; row++) d[row] = -mean * amounts[from + row];
  const begin = number * length;
  const onLabel = u[at + n - 1];
  for (let s = begin; s < begin + length; s++) {
    const j = relevant[s];
    const k = M1 + irrelevant[s];
    const along = weight[s] * (u[at + j] + kappa[s] * u[at + k] + sign[s] * onLabel);
    d[j] += along;
    d[k] += along * kappa[s];
    d[n - 1] += along * sign[s];
  }
  const own = batch.queryRelevant[number] * n;
  const other = (M1 + batch.queryIrrelevant[number]) * n;
  const queryKappa = batch.queryKappa[number];
  for (let row = 0; row < n; row++) {
    dT[own + row] += d[row];
    dT[other + row] += queryKappa * d[row];
  }
}
