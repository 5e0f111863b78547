/** Everything that one example of a prompt is made of, to be changed one by one. */

import { pairCoefficients } from "../engine/patterns.js";
import { element, icon, setAttributes } from "./dom.js";
import { patternBackground, patternLetter } from "./prompt_marks.js";
import { fixedText, shareText } from "./words.js";

/**
 * The row of controls below a prompt, for the example that is chosen.
 *
 * @param {object} session
 * @param {object} words
 * @param {{domain: "in"|"out", edit: (change: (prompt: object) => void) => void, patternCount: () => number,
 *   close: () => void}} prompt
 */
export function columnEditor(session, words, { domain, edit, patternCount, close }) {
  let index = null;
  const column = (change) => edit((prompt) => change(prompt.columns[index]));
  const title = element("b", {});
  const attention = element("span", { class: "quiet" });
  const patterns = element("div", { class: "pick", role: "group", "aria-label": words.text("editor.pattern") });
  const irrelevant = element("select", {
    id: `editor-irrelevant-${domain}`,
    onchange: () =>
      column((one) => {
        one.irrelevant = Number(irrelevant.value);
      }),
  });
  const kappa = element("input", {
    type: "range",
    id: `editor-kappa-${domain}`,
    min: -50,
    max: 50,
    step: 5,
    oninput: () =>
      column((one) => {
        one.kappa = (Number(kappa.value) / 50) * session.value("K");
      }),
  });
  const kappaText = element("output", { for: kappa.id });
  const labels = ["+", "−"].map((sign, place) =>
    element("button", {
      type: "button",
      class: `label ${place === 0 ? "plus" : "minus"}`,
      text: sign,
      "aria-label": words.text("editor.label", { label: sign }),
      onclick: () =>
        column((one) => {
          one.label = 1 - 2 * place;
        }),
    }),
  );
  const remove = element("button", {
    type: "button",
    class: "quiet-button",
    text: words.text("editor.remove"),
    onclick: () => {
      edit((prompt) => prompt.columns.splice(index, 1));
      close();
    },
  });
  const node = element(
    "div",
    { class: "editor", hidden: true, role: "group", "aria-label": words.text("editor.title") },
    element(
      "div",
      { class: "editor-head" },
      title,
      attention,
      element(
        "button",
        { type: "button", class: "quiet-button close", "aria-label": words.text("close"), onclick: close },
        icon("close"),
      ),
    ),
    element(
      "div",
      { class: "editor-field" },
      element("span", { class: "field-name", text: words.text("editor.pattern") }),
      patterns,
    ),
    element(
      "div",
      { class: "editor-field" },
      element("span", { class: "field-name", text: words.text("editor.answer") }),
      element("div", { class: "pick" }, ...labels),
    ),
    element(
      "div",
      { class: "editor-field" },
      element("label", { class: "field-name", for: irrelevant.id, text: words.text("editor.irrelevant") }),
      irrelevant,
    ),
    element(
      "div",
      { class: "editor-field" },
      element("label", { class: "field-name", for: kappa.id, text: words.text("editor.kappa") }),
      kappa,
      kappaText,
    ),
    remove,
  );
  const fill = () => {
    const count = patternCount();
    if (patterns.children.length !== count) {
      patterns.replaceChildren(
        ...Array.from({ length: count }, (_, pattern) =>
          element("button", {
            type: "button",
            class: "pattern",
            text: patternLetter(domain, pattern),
            onclick: () =>
              column((one) => {
                one.pattern = pattern;
              }),
          }),
        ),
      );
    }
    const mixture = pairCoefficients(session.value("S1"));
    [...patterns.children].forEach((button, pattern) => {
      button.style.background = patternBackground(domain, pattern, mixture);
    });
    if (irrelevant.children.length !== session.value("M2")) {
      irrelevant.replaceChildren(
        ...Array.from({ length: session.value("M2") }, (_, k) => element("option", { value: k, text: `ν${k + 1}` })),
      );
    }
  };
  const draw = (prompt, selected) => {
    index = selected;
    node.hidden = selected === null;
    if (node.hidden) return;
    fill();
    const one = prompt.columns[selected];
    setAttributes(title, { text: words.text("editor.example", { number: selected + 1 }) });
    setAttributes(attention, {
      text: words.text("prompt.attention", { share: shareText(prompt.attention[selected]) }),
    });
    [...patterns.children].forEach((button, pattern) =>
      setAttributes(button, { "aria-pressed": String(pattern === one.pattern) }),
    );
    labels.forEach((button, place) => setAttributes(button, { "aria-pressed": String(one.label === 1 - 2 * place) }));
    irrelevant.value = String(one.irrelevant);
    const K = session.value("K");
    if (document.activeElement !== kappa) kappa.value = String(K > 0 ? Math.round((50 * one.kappa) / K) : 0);
    setAttributes(kappaText, { text: fixedText(one.kappa, 2) });
    remove.disabled = prompt.columns.length < 2;
  };
  return { node, draw };
}
