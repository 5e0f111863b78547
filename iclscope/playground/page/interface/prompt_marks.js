/** What patterns look like: letters, colours, and mixtures of two where patterns are shifted. */

const PATTERN_COLOURS = [
  "#0b6fad",
  "#b34a00",
  "#0a7a5c",
  "#8e4585",
  "#80620a",
  "#3f58b8",
  "#a32a34",
  "#4d7a1c",
  "#67518f",
  "#85563a",
  "#2c6c7c",
  "#5f6570",
];
const PATTERN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** The letter of a pattern; shifted ones have a prime. */
export function patternLetter(domain, pattern) {
  const letter = PATTERN_LETTERS[pattern % PATTERN_LETTERS.length];
  return domain === "out" ? `${letter}′` : letter;
}

const patternColour = (pattern) => PATTERN_COLOURS[pattern % PATTERN_COLOURS.length];

/**
 * The background of a pattern's chip. A shifted pattern is a mixture of two: each gets the share k² of its norm.
 *
 * @param {"in"|"out"} domain
 * @param {number} pattern
 * @param {readonly [number, number]} mixture - coefficients k1, k2
 */
export function patternBackground(domain, pattern, mixture) {
  if (domain === "in") return patternColour(pattern);
  const [first, second] = [patternColour(2 * pattern), patternColour(2 * pattern + 1)];
  const share = (100 * mixture[0] ** 2) / (mixture[0] ** 2 + mixture[1] ** 2);
  return `linear-gradient(to bottom, ${first} ${share.toFixed(0)}%, ${second} ${share.toFixed(0)}%)`;
}

/** The label that the context gives to the query: that of most columns with its pattern; 0 if they do not say. */
export function contextLabel(prompt) {
  const votes = prompt.columns
    .filter((column) => column.pattern === prompt.query.pattern)
    .map((column) => column.label);
  return Math.sign(votes.reduce((sum, vote) => sum + vote, 0));
}

/** A prompt without the model's answers, to be changed and asked again. */
export function barePrompt({ columns, query, label, task }) {
  return { columns: columns.map((column) => ({ ...column })), query: { ...query }, label, task: [...task] };
}

/** An edited prompt's right answer is what its own context says; where that says nothing, what it was. */
export function relabelled(prompt) {
  return { ...prompt, label: contextLabel(prompt) || prompt.label };
}
