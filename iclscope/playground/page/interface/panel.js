/** A panel of the page: a heading, a line that says what to look at, room for a chart, buttons to save its picture. */

import { element } from "./dom.js";
import { savePicture } from "./pictures.js";

/**
 * A panel.
 *
 * @param {object} words
 * @param {string} id - of the texts `panel.ID.title` and `panel.ID.lead`, and of the element
 * @param {{picture?: () => SVGElement}} options - `picture`: the chart that can be saved
 * @param {...(Node|null)} children
 */
export function panel(words, id, { picture = null, note = true } = {}, ...children) {
  const heading = element("h2", { id: `title-${id}`, text: words.text(`panel.${id}.title`) });
  return element(
    "section",
    { class: `panel panel-${id}`, id: `panel-${id}`, "aria-labelledby": `title-${id}` },
    element("div", { class: "panel-head" }, heading, picture && saveButtons(words, id, picture)),
    note ? element("p", { class: "lead", text: words.text(`panel.${id}.lead`) }) : null,
    ...children,
  );
}

/**
 * A "?" and the line of help that it shows and hides.
 *
 * @param {object} words
 * @param {{id: string, name: string, text: string}} help - `name`: of what is explained
 * @returns {{button: HTMLElement, node: HTMLElement}}
 */
export function helpOnDemand(words, { id, name, text }) {
  const node = element("p", { class: "help", id, hidden: true, text });
  const button = element("button", {
    type: "button",
    class: "help-button",
    text: "?",
    "aria-label": words.text("setting.help", { name }),
    "aria-expanded": "false",
    "aria-controls": id,
    onclick: () => {
      node.hidden = !node.hidden;
      button.setAttribute("aria-expanded", String(!node.hidden));
    },
  });
  return { button, node };
}

/** "SVG" and "PNG" of one chart. */
export function saveButtons(words, name, picture) {
  const button = (kind) =>
    element("button", {
      type: "button",
      class: "quiet-button",
      text: kind.toUpperCase(),
      "aria-label": words.text("save.picture", {
        kind: kind.toUpperCase(),
        name: words.text(`panel.${name}.title`),
      }),
      onclick: () => savePicture(picture(), name, kind),
    });
  return element("div", { class: "save" }, button("svg"), button("png"));
}

/**
 * The names of lines above a chart, each with its newest value.
 *
 * @param {{class: string, name: string}[]} entries
 */
export function legend(entries) {
  const values = entries.map(() => element("b", { class: "legend-value" }));
  const node = element(
    "ul",
    { class: "legend" },
    ...entries.map((entry, index) =>
      element(
        "li",
        { class: entry.class },
        element("span", { class: "swatch", "aria-hidden": "true" }),
        `${entry.name} `,
        values[index],
      ),
    ),
  );
  return {
    node,
    show: (texts) =>
      texts.forEach((text, index) => {
        if (values[index].textContent !== text) values[index].textContent = text;
      }),
  };
}

/**
 * A choice of a few, as buttons of which one is pressed.
 *
 * @param {string} label - what a screen reader says of the group
 * @param {{value: string, name: string}[]} choices
 * @param {() => string} current
 * @param {(value: string) => void} choose
 */
export function choiceButtons(label, choices, current, choose) {
  const buttons = choices.map(({ value, name }) =>
    element("button", { type: "button", text: name, "aria-pressed": "false", onclick: () => choose(value) }),
  );
  const show = () =>
    choices.forEach(({ value }, index) => buttons[index].setAttribute("aria-pressed", String(value === current())));
  show();
  return { node: element("div", { class: "choices", role: "group", "aria-label": label }, ...buttons), show };
}
