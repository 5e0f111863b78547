/** Rows of a training as lines of charts: per seed, and the mean of the seeds. */

/** The columns that charts draw. */
export const DRAWN_COLUMNS = [
  "risk_in",
  "risk_out",
  "error_in",
  "error_out",
  "attention_in",
  "attention_out",
  "query_norm",
  "query_relevant",
];

/** Lines that grow with the rows that come in; nothing that was added is looked at again. */
export function makeSeries() {
  let lines = new Map();
  let seeds = [];
  let taken = 0;
  let version = null;
  const pointsOf = (key) => {
    if (!lines.has(key)) lines.set(key, []);
    return lines.get(key);
  };
  return {
    /** Take what `rows` has more than at the last call; rows of another version begin anew. */
    take(rows, seedList, rowsVersion) {
      if (version !== rowsVersion) {
        version = rowsVersion;
        lines = new Map();
        seeds = seedList;
        taken = 0;
      }
      for (; taken < rows.length; taken += 1) {
        const row = rows[taken];
        for (const column of DRAWN_COLUMNS) {
          pointsOf(`${row.seed}/${column}`).push([row.step, row[column]]);
          addToMean(pointsOf, seeds, column, row.step);
        }
      }
    },
    /** Points of one seed. */
    of: (seed, column) => lines.get(`${seed}/${column}`) ?? [],
    /** Points of the mean, where all seeds were measured. */
    mean: (column) => lines.get(`mean/${column}`) ?? [],
    get seeds() {
      return seeds;
    },
  };
}

function addToMean(pointsOf, seeds, column, step) {
  const newest = seeds.map((seed) => pointsOf(`${seed}/${column}`).at(-1));
  if (newest.some((point) => point === undefined || point[0] !== step)) return;
  pointsOf(`mean/${column}`).push([step, newest.reduce((sum, point) => sum + point[1], 0) / seeds.length]);
}
