// Drawing prompts: iclscope/models/pattern_engine/drawing.py, number by number, for columns drawn independently.
//
// A column is an index of a relevant pattern, one of an irrelevant pattern, κ and a label; nothing else is kept of it.

/**
 * @typedef {object} PromptSource what prompts are drawn by
 * @property {number} M1 relevant patterns of the dictionary
 * @property {number} M2 irrelevant patterns of the dictionary
 * @property {number} alpha share of columns with the task's patterns
 * @property {number} K range of κ
 * @property {number} length columns of a prompt
 * @property {[number, number][]} tasks pairs (a, b)
 */

/** Prompts of one length, each number in an array of its own. */
export class PromptBatch {
  /** @param {number} count prompts @param {number} length columns of each */
  constructor(count, length) {
    this.count = count;
    this.length = length;
    this.relevant = new Int32Array(count * length);
    this.irrelevant = new Int32Array(count * length);
    this.kappa = new Float64Array(count * length);
    this.sign = new Float64Array(count * length);
    this.queryRelevant = new Int32Array(count);
    this.queryIrrelevant = new Int32Array(count);
    this.queryKappa = new Float64Array(count);
    this.label = new Float64Array(count);
    this.taskPlus = new Int32Array(count);
    this.taskMinus = new Int32Array(count);
    this.numbers = new Float64Array(count * (3 + 2 * length));
  }

  /**
   * Draw all prompts anew.
   * @param {PromptSource} source
   * @param {import("./streams.js").RandomStream} stream of one purpose and step
   */
  draw(source, stream) {
    const { M1, M2, alpha, K, tasks } = source;
    const { length, numbers } = this;
    stream.uniformInto(numbers);
    const rest = Math.max(1 - alpha, 1e-300);
    const others = Math.max(M1 - 2, 1);
    const below1 = 1 - 2 ** -53;
    const half = alpha / 2;
    let next = 0;
    for (let i = 0; i < this.count; i++) {
      const forTask = numbers[next] * tasks.length;
      const pair = Math.floor(forTask);
      const isPlus = forTask - pair < 0.5;
      const [a, b] = tasks[pair];
      const forQuery = numbers[next + 2] * M2;
      const queryIrrelevant = Math.floor(forQuery);
      this.taskPlus[i] = a;
      this.taskMinus[i] = b;
      this.label[i] = isPlus ? 1 : -1;
      this.queryRelevant[i] = isPlus ? a : b;
      this.queryIrrelevant[i] = queryIrrelevant;
      this.queryKappa[i] = (2 * (forQuery - queryIrrelevant) - 1) * K;
      next += 3;
      const low = Math.min(a, b);
      const high = Math.max(a, b);
      const begin = i * length;
      for (let s = 0; s < length; s++) {
        const u = numbers[next + s];
        const forIrrelevant = numbers[next + length + s] * M2;
        const k = Math.floor(forIrrelevant);
        this.irrelevant[begin + s] = k;
        this.kappa[begin + s] = (2 * (forIrrelevant - k) - 1) * K;
        if (u < half) {
          this.relevant[begin + s] = a;
          this.sign[begin + s] = 1;
        } else if (u < alpha) {
          this.relevant[begin + s] = b;
          this.sign[begin + s] = -1;
        } else {
          const scaled = Math.min(Math.max((u - alpha) / rest, 0), below1) * others;
          let j = Math.floor(scaled);
          this.sign[begin + s] = scaled - j < 0.5 ? 1 : -1;
          // Counted around the task's two: skip the smaller, then the larger.
          if (j >= low) j++;
          if (j >= high) j++;
          this.relevant[begin + s] = j;
        }
      }
      next += 2 * length;
    }
  }

  /** One of the prompts as an object that can be edited. */
  prompt(number) {
    const columns = Array.from({ length: this.length }, (_, s) => {
      const at = number * this.length + s;
      return {
        pattern: this.relevant[at], irrelevant: this.irrelevant[at], kappa: this.kappa[at], label: this.sign[at],
      };
    });
    return {
      columns,
      query: {
        pattern: this.queryRelevant[number], irrelevant: this.queryIrrelevant[number], kappa: this.queryKappa[number],
      },
      label: this.label[number],
      task: [this.taskPlus[number], this.taskMinus[number]],
    };
  }

  /** A batch of one prompt that is given, not drawn. */
  static of(prompt) {
    const batch = new PromptBatch(1, prompt.columns.length);
    prompt.columns.forEach((column, s) => {
      batch.relevant[s] = column.pattern;
      batch.irrelevant[s] = column.irrelevant;
      batch.kappa[s] = column.kappa;
      batch.sign[s] = column.label;
    });
    batch.queryRelevant[0] = prompt.query.pattern;
    batch.queryIrrelevant[0] = prompt.query.irrelevant;
    batch.queryKappa[0] = prompt.query.kappa;
    batch.label[0] = prompt.label;
    [batch.taskPlus[0], batch.taskMinus[0]] = prompt.task;
    return batch;
  }
}

/**
 * An edited prompt with κ as an address can hold it, so that a link asks the very same; the number of a drawn one as it is.
 * @param {object|number} prompt
 */
export function roundedPrompt(prompt) {
  if (typeof prompt === "number") return prompt;
  const rounded = (part) => ({ ...part, kappa: Math.round(part.kappa * 1000) / 1000 });
  const { columns, query, label, task } = prompt;
  return { columns: columns.map(rounded), query: rounded(query), label, task };
}
