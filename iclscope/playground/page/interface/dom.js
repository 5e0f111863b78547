/** Elements of the page, made in one call each. */

const SVG_SPACE = "http://www.w3.org/2000/svg";

/**
 * An HTML element.
 *
 * @param {string} tag
 * @param {Object<string, any>} attributes - `class`, `text`, `math` (a text with indices) and anything else that HTML knows; a function is a
 *   listener (`onclick`), true an attribute without a value, and false, null or undefined none at all.
 * @param {...(Node|string|null)} children
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  return filledElement(document.createElement(tag), attributes, children);
}

/**
 * An SVG element; arguments as in `element`.
 *
 * @param {string} tag
 * @param {Object<string, any>} attributes
 * @param {...(Node|string|null)} children
 * @returns {SVGElement}
 */
export function svgElement(tag, attributes = {}, ...children) {
  return filledElement(document.createElementNS(SVG_SPACE, tag), attributes, children);
}

/** Set what is given, and leave every other attribute as it is. */
export function setAttributes(target, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") {
      // Writing the same text again would make a screen reader say it again.
      if (target.textContent !== value) target.textContent = value;
    } else if (name === "math") {
      if (target.dataset.math !== value) target.replaceChildren(...mathParts(value));
      target.dataset.math = value;
    } else if (typeof value === "function") target.addEventListener(name.replace(/^on/, ""), value);
    else if (value === false || value === null || value === undefined) target.removeAttribute(name);
    else if (target.getAttribute(name) !== String(value)) target.setAttribute(name, value === true ? "" : value);
  }
  return target;
}

/** A text in which `_` lowers what follows (`l_tr`, `W_Q`), as nodes; digits of M1, M2 and S1 are lowered too. */
function mathParts(text) {
  return text
    .replaceAll(/'(?!\p{L})/gu, "′") // α', and not the query's
    .split(/(?<=[A-Za-z])_([A-Za-z]+)|(?<=[MS])([12])/)
    .filter((part) => part !== undefined && part !== "")
    .map((part, index, all) => {
      const before = all[index - 1] ?? "";
      const lowered =
        (/^[12]$/.test(part) && /[MS]$/.test(before)) || (/^(tr|ts|Q|K|V|O)$/.test(part) && /[A-Za-z]$/.test(before));
      return lowered ? element("sub", { text: part }) : document.createTextNode(part);
    });
}

function filledElement(target, attributes, children) {
  setAttributes(target, attributes);
  target.append(...children.filter((child) => child !== null && child !== undefined));
  return target;
}

/**
 * One icon of our own, drawn on a grid of 16.
 *
 * @param {"play"|"pause"|"step"|"ten"|"reset"|"close"|"link"|"met"|"unmet"|"open"} name
 */
export function icon(name) {
  const body = ICON_PATHS[name];
  return svgElement(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    ...body.map(([kind, d]) => svgElement("path", { d, class: kind })),
  );
}

const ICON_PATHS = {
  play: [["solid", "M4 2.5v11l9-5.5z"]],
  pause: [["solid", "M4 2.5h3v11H4zM9 2.5h3v11H9z"]],
  step: [
    ["solid", "M3 2.5v11l7-5.5z"],
    ["solid", "M11 2.5h2v11h-2z"],
  ],
  ten: [
    ["solid", "M1.5 2.5v11l5.5-5.5z"],
    ["solid", "M7 2.5v11l5.5-5.5z"],
    ["solid", "M13 2.5h1.8v11H13z"],
  ],
  reset: [
    ["line", "M3 8a5 5 0 1 0 1.6-3.7"],
    ["line", "M4.6 1.6v2.9h2.9"],
  ],
  close: [["line", "M4 4l8 8M12 4l-8 8"]],
  link: [
    ["line", "M6.5 9.5l3-3"],
    ["line", "M7.5 4.5l1-1a2.8 2.8 0 0 1 4 4l-1 1"],
    ["line", "M8.5 11.5l-1 1a2.8 2.8 0 0 1-4-4l1-1"],
  ],
  met: [["line", "M3.5 8.5l3 3 6-7"]],
  unmet: [["line", "M4.5 4.5l7 7M11.5 4.5l-7 7"]],
  open: [["line", "M3.5 8h9"]],
};
