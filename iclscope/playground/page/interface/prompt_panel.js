/** Two prompts to look at and to change, with the attention that each example gets and the model's answer. */

import { pairCoefficients } from "../engine/patterns.js";
import { element, setAttributes } from "./dom.js";
import { panel } from "./panel.js";
import { columnEditor } from "./prompt_editor.js";
import { barePrompt, contextLabel, patternBackground, patternLetter, relabelled } from "./prompt_marks.js";
import { followedWidth } from "./widths.js";
import { fixedText, numberText, shareText } from "./words.js";

const LEAST_COLUMN = 27; // pixels
const MOST_AIR = 8; // places that a row has at least
const FULL_BAR = 0.25; // the least attention that the whole height of a bar stands for

/**
 * The panel of prompts.
 *
 * @param {object} session
 * @param {object} words
 * @param {{domains?: string[]}} shown - "in" for an unseen task, "out" for shifted patterns
 */
export function promptPanel(session, words, { domains = ["in", "out"] } = {}) {
  const views = domains.map((domain) => promptView(session, words, domain));
  const node = panel(
    words,
    "prompt",
    {},
    ...views.map((view) => view.node),
    element("p", { class: "quiet small hint", id: "prompt-hint", text: words.text("prompt.hint") }),
  );
  return {
    node,
    live: true,
    draw: () => views.forEach((view) => view.draw()),
    stop: () => views.forEach((view) => view.stop()),
  };
}

function promptView(session, words, domain) {
  let selected = null;
  let at = [0, 0]; // row and column of the button that the tab key reaches
  const columns = element("div", {
    class: "columns",
    role: "group",
    "aria-label": words.text(`prompt.${domain}.label`),
    "aria-describedby": "prompt-hint",
    onkeydown: (event) => moveFocus(event),
  });
  const query = element("button", {
    type: "button",
    class: "pattern query-pattern",
    id: `query-${domain}`,
    onclick: () =>
      edit((prompt) => {
        prompt.query.pattern = (prompt.query.pattern + 1) % patternCount();
      }),
  });
  const answer = element("span", { class: "answer" });
  const verdict = element("p", { class: "verdict-line" });
  const onPattern = element("span", { class: "on-pattern" });
  const answered = () => session.frame?.prompts?.[domain] ?? null;
  const patternCount = () => (domain === "in" ? session.value("M1") : Math.floor(session.value("M1") / 2));

  const edit = (change) => {
    const prompt = answered() && barePrompt(answered());
    if (!prompt) return;
    change(prompt);
    session.setPrompt(domain, relabelled(prompt));
    // Shown before the model has answered, so that two quick edits both count.
    session.frame.prompts[domain] = { ...answered(), ...relabelled(prompt), number: null };
    draw();
  };
  const editor = columnEditor(session, words, { domain, edit, patternCount, close: () => select(null) });
  const select = (index) => {
    selected = index;
    draw();
  };
  const remove = (index) => {
    if (answered().columns.length < 2) return;
    edit((prompt) => prompt.columns.splice(index, 1));
    select(null);
    focusAt(at[0], Math.min(index, answered().columns.length - 1));
  };
  const add = () => {
    edit((prompt) => prompt.columns.push({ ...prompt.columns.at(-1) }));
    select(answered().columns.length - 1);
  };
  const redraw = () => {
    select(null);
    session.setPrompt(domain, (answered()?.number ?? session.state.prompts[domain] ?? 0) + 1);
  };
  const node = element(
    "div",
    { class: `prompt prompt-${domain}`, id: `prompt-${domain}` },
    element(
      "div",
      { class: "prompt-head" },
      element("h3", { text: words.text(`prompt.${domain}.title`) }),
      onPattern,
      element(
        "div",
        { class: "prompt-tools" },
        element("button", {
          type: "button",
          class: "quiet-button add",
          onclick: add,
          text: words.text("prompt.add"),
          "aria-label": words.text("prompt.add.label"),
        }),
        element("button", {
          type: "button",
          class: "quiet-button another",
          onclick: redraw,
          text: words.text("prompt.another"),
          "aria-label": words.text(`prompt.another.${domain}`),
        }),
      ),
    ),
    element(
      "div",
      { class: "prompt-body" },
      columns,
      element(
        "div",
        { class: "query" },
        element("span", { class: "query-title", text: words.text("prompt.query") }),
        query,
        element("span", { class: "arrow", "aria-hidden": "true", text: "→" }),
        answer,
      ),
    ),
    verdict,
    editor.node,
  );

  const focusAt = (row, column) => {
    at = [row, column];
    roving();
    columns.children[column]?.querySelectorAll("button")[row]?.focus();
  };
  const roving = () => {
    [...columns.children].forEach((cell, column) =>
      cell
        .querySelectorAll("button")
        .forEach((button, row) => setAttributes(button, { tabindex: row === at[0] && column === at[1] ? 0 : -1 })),
    );
  };
  const moveFocus = (event) => {
    const [row, column] = at;
    const last = columns.children.length - 1;
    const moves = {
      ArrowRight: [row, Math.min(column + 1, last)],
      ArrowLeft: [row, Math.max(column - 1, 0)],
      ArrowDown: [1, column],
      ArrowUp: [0, column],
      Home: [row, 0],
      End: [row, last],
    };
    if (moves[event.key]) focusAt(...moves[event.key]);
    else if (event.key === "Delete" || event.key === "Backspace") remove(column);
    else return;
    event.preventDefault();
  };
  // Rows of equal length, so that no row holds a last column or two.
  const layOut = () => {
    const count = columns.children.length;
    const rows = Math.ceil((count * LEAST_COLUMN) / followed.width);
    columns.style.setProperty("--per-row", String(Math.max(Math.ceil(count / rows), MOST_AIR)));
  };
  const followed = followedWidth(columns, layOut, LEAST_COLUMN);
  const makeColumn = (index) =>
    element(
      "div",
      { class: "column" },
      element("span", { class: "bar", "aria-hidden": "true" }, element("i")),
      element("button", {
        type: "button",
        class: "pattern",
        onclick: () => {
          at = [0, index];
          if (selected === index)
            edit((prompt) => {
              prompt.columns[index].pattern = (prompt.columns[index].pattern + 1) % patternCount();
            });
          else select(index);
        },
      }),
      element("span", { class: "irrelevant", "aria-hidden": "true" }),
      element("button", {
        type: "button",
        class: "label",
        onclick: () => {
          at = [1, index];
          edit((prompt) => {
            prompt.columns[index].label *= -1;
          });
        },
      }),
    );

  const draw = () => {
    const prompt = answered();
    if (!prompt) return;
    const mixture = pairCoefficients(session.value("S1"));
    while (columns.children.length > prompt.columns.length) columns.lastChild.remove();
    while (columns.children.length < prompt.columns.length) columns.append(makeColumn(columns.children.length));
    at = [at[0], Math.min(at[1], prompt.columns.length - 1)];
    if (selected !== null && selected >= prompt.columns.length) selected = null;
    layOut();
    const full = Math.max(FULL_BAR, ...prompt.attention);
    prompt.columns.forEach((column, index) =>
      drawColumn(columns.children[index], {
        words,
        domain,
        column,
        index,
        mixture,
        full,
        attention: prompt.attention[index] ?? 0,
        same: column.pattern === prompt.query.pattern,
        selected: selected === index,
      }),
    );
    roving();
    setAttributes(query, {
      text: patternLetter(domain, prompt.query.pattern),
      "aria-label": words.text("prompt.query.label", { pattern: patternLetter(domain, prompt.query.pattern) }),
    });
    query.style.background = patternBackground(domain, prompt.query.pattern, mixture);
    drawAnswer({ words, prompt, answer, verdict });
    setAttributes(onPattern, {
      text: words.text("prompt.on", {
        share: shareText(prompt.onPattern),
        pattern: patternLetter(domain, prompt.query.pattern),
      }),
    });
    editor.draw(prompt, selected);
  };
  return { node, draw, stop: followed.stop };
}

function drawColumn(node, { words, domain, column, index, mixture, full, attention, same, selected }) {
  const [bar, pattern, irrelevant, label] = node.children;
  const letter = patternLetter(domain, column.pattern);
  const sign = column.label > 0 ? "+" : "−";
  setAttributes(node, {
    class: `column${same ? " same" : ""}${selected ? " selected" : ""}`,
    title: words.text("prompt.attention", { share: shareText(attention) }),
  });
  bar.firstChild.style.transform = `scaleY(${Math.min(attention / full, 1).toFixed(3)})`;
  pattern.style.background = patternBackground(domain, column.pattern, mixture);
  setAttributes(pattern, {
    text: letter,
    "aria-label": words.text("prompt.column.pattern", {
      number: index + 1,
      pattern: letter,
      share: shareText(attention),
    }),
    "aria-pressed": String(selected),
  });
  setAttributes(irrelevant, { text: String(column.irrelevant + 1) });
  setAttributes(label, {
    text: sign,
    class: `label ${column.label > 0 ? "plus" : "minus"}`,
    "aria-label": words.text("prompt.column.label", { number: index + 1, label: sign }),
  });
}

/** Two decimals, and more where those would be zeros. */
const marginText = (value) => (Math.abs(value) < 0.1 ? numberText(value) : fixedText(value, 2));

function drawAnswer({ words, prompt, answer, verdict }) {
  const said = prompt.predicted > 0 ? "+" : prompt.predicted < 0 ? "−" : "?";
  setAttributes(answer, {
    text: said,
    class: `answer ${prompt.predicted > 0 ? "plus" : prompt.predicted < 0 ? "minus" : ""}`,
  });
  const right = contextLabel(prompt);
  const values = {
    said,
    output: marginText(prompt.output),
    margin: marginText(prompt.margin),
    right: right > 0 ? "+" : "−",
  };
  const key = answerKind(prompt, right);
  setAttributes(verdict, { text: words.text(`prompt.answer.${key}`, values), class: `verdict-line ${key}` });
}

/** How an answer is to be told: the end of a text's key. */
export function answerKind({ output, predicted, margin }, right) {
  if (!Number.isFinite(output)) return "none";
  if (right === 0) return "unknown";
  if (predicted === 0) return "undecided";
  if (predicted !== right) return "wrong";
  return margin >= 1 ? "sure" : "unsure";
}
