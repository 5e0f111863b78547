// What a model answers to test prompts: risks, errors, where it attends, and what is left of it without its small neurons.

import { attend } from "./attention.js";
import { AT_A_TIME, outputOf } from "./gradient.js";
import { imagesOf } from "./model.js";
import { productRight } from "./products.js";
import { PromptBatch } from "./prompts.js";

// Columns that the library reads at a time (iclscope/evaluation/answers.py), so that test prompts are the same.
const COLUMNS_AT_ONCE = 400000;

/** A batch of test prompts of one domain, drawn once, and the room to answer them. */
export class TestSet {
  /**
   * @param {import("./patterns.js").Dictionary} dictionary
   * @param {import("./prompts.js").PromptSource} source
   * @param {import("./streams.js").RandomStream} stream of test prompts, without a step
   * @param {number} count prompts
   */
  constructor(dictionary, source, stream, count) {
    this.dictionary = dictionary;
    this.batches = [];
    const part = Math.max(1, Math.floor(COLUMNS_AT_ONCE / (Math.max(1, source.length) * 16)));
    for (let done = 0; done < count; done += part) {
      const batch = new PromptBatch(Math.min(part, count - done), source.length);
      batch.draw(source, stream.at(done));
      batch.numbers = null; // larger than all that was made of them, and never needed again
      this.batches.push(batch);
    }
    // Written anew at every measurement, ten times a second or more: fresh room each time would be garbage each time.
    this.rooms = this.batches.map((batch) => ({
      g: new Float64Array(dictionary.n),
      weight: new Float64Array(batch.count * batch.length),
      amounts: new Float64Array(batch.count * dictionary.n),
    }));
    this.count = count;
  }

  /** Test prompt `number` as an object that can be edited. */
  prompt(number) {
    const size = this.batches[0].count;
    return this.batches[Math.floor(number / size)].prompt(number % size);
  }

  /**
   * Answer all prompts.
   * @param {import("./model.js").Model} model
   * @param {Int32Array|null} order neurons in the order in which they are removed; null: remove none
   * @returns {{risk: number, error: number, attention: number, pruned: null|{risk: Float64Array, error: Float64Array}}}
   *   mean hinge risk, share of wrong signs, attention on the query's pattern; entry k of `pruned` is without the first k
   */
  measured(model, order = null) {
    const images = imagesOf(model, this.dictionary);
    const sums = { risk: 0, error: 0, attention: 0, attending: 0 };
    const steps = order === null ? 0 : order.length + 1;
    const pruned = order === null ? null : { risk: new Float64Array(steps), error: new Float64Array(steps) };
    this.batches.forEach((batch, index) => addMeasures(model, images, batch, this.rooms[index], sums, order, pruned));
    if (pruned !== null) {
      for (let k = 0; k < steps; k++) {
        pruned.risk[k] /= this.count;
        pruned.error[k] /= this.count;
      }
    }
    return {
      risk: sums.risk / this.count, error: sums.error / this.count, attention: sums.attention / sums.attending, pruned,
    };
  }
}

/** How wrong an output is: 0 right, 1 wrong, and 1/2 for no answer, as a coin would be. */
function wrongness(margin) {
  return Number.isNaN(margin) ? NaN : 0.5 * (1 - Math.sign(margin));
}

function addMeasures(model, images, batch, room, sums, order, pruned) {
  const { dictionary, scores, neurons } = images;
  const { n, M1 } = dictionary;
  const { g, weight, amounts } = room;
  const { a, width } = model;
  const hidden = new Float64Array(AT_A_TIME * width);
  for (let begin = 0; begin < batch.count; begin += AT_A_TIME) {
    const size = Math.min(AT_A_TIME, batch.count - begin);
    for (let i = begin; i < begin + size; i++) attend(scores, batch, i, M1, n, g, weight, amounts);
    productRight(amounts, neurons, size, n, width, hidden, begin * n);
    for (let i = 0; i < size; i++) addPrompt(batch, begin + i, outputOf(hidden, i * width, a, width), amounts, n, sums);
    if (order === null) continue;
    for (let i = 0; i < size; i++) addPruned(batch.label[begin + i], hidden, i * width, a, order, pruned);
  }
}

function addPrompt(batch, number, output, amounts, n, sums) {
  const margin = batch.label[number] * output;
  sums.risk += Math.max(0, 1 - margin);
  sums.error += wrongness(margin);
  const own = batch.queryRelevant[number];
  // Prompts without the query's pattern have nowhere to attend to.
  if (!hasPattern(batch, number, own)) return;
  sums.attending++;
  sums.attention += amounts[number * n + own];
}

function hasPattern(batch, number, pattern) {
  const begin = number * batch.length;
  for (let s = begin; s < begin + batch.length; s++) if (batch.relevant[s] === pattern) return true;
  return false;
}

/** Add one prompt's loss without the first k neurons, for every k: from none left to all. */
function addPruned(label, hidden, from, a, order, pruned) {
  let output = 0;
  for (let k = order.length; k >= 0; k--) {
    if (k < order.length) {
      const entered = hidden[from + order[k]];
      if (!(entered <= 0)) output += entered * a[order[k]];
    }
    pruned.risk[k] += Math.max(0, 1 - label * output);
    pruned.error[k] += wrongness(label * output);
  }
}

/**
 * A model's answer to one prompt, and where it attended.
 * @param {import("./model.js").Model} model
 * @param {import("./patterns.js").Dictionary} dictionary
 * @param {object} prompt as `PromptBatch.prompt` gives it
 */
export function answeredPrompt(model, dictionary, prompt) {
  const { n, M1 } = dictionary;
  const images = imagesOf(model, dictionary);
  const batch = PromptBatch.of(prompt);
  const attention = new Float64Array(batch.length);
  const amounts = new Float64Array(n);
  attend(images.scores, batch, 0, M1, n, new Float64Array(n), attention, amounts);
  const hidden = productRight(amounts, images.neurons, 1, n, model.width);
  const output = outputOf(hidden, 0, model.a, model.width);
  return {
    ...prompt, attention, output,
    onPattern: amounts[prompt.query.pattern],
    margin: prompt.label * output,
    predicted: Math.sign(output),
  };
}
