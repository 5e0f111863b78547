/** Charts as files: SVG that stands alone, and PNG made from it. */

import { svgElement } from "./dom.js";

const PICTURE_PROPERTIES = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linejoin",
  "stroke-linecap",
  "stroke-opacity",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "paint-order",
  "display",
];
const PNG_SCALE = 2;
const PICTURE_EDGE = 12; // pixels
const TITLE_HEIGHT = 30;
const LINE_HEIGHT = 18;
const LETTER_WIDTH = 7;

/**
 * A chart as an SVG that stands alone: what the page's style sheet says is written into each element, and above the
 * chart stand its title and the names of its lines.
 *
 * @param {SVGElement} svg - in the page
 * @returns {SVGElement}
 */
export function standalonePicture(svg) {
  const [width, height] = [svg.clientWidth, svg.clientHeight];
  const chart = styledCopy(svg);
  const place = svg.closest(".chart, .panel");
  const lines = nameLines(place, width);
  const head = TITLE_HEIGHT + lines.length * LINE_HEIGHT;
  const { backgroundColor, color, fontFamily } = getComputedStyle(svg.closest(".panel"));
  for (const [name, value] of Object.entries({ x: 0, y: head, width, height })) chart.setAttribute(name, value);
  const text = (x, y, content, more = {}) =>
    svgElement("text", { x, y, fill: color, "font-family": fontFamily, "font-size": "12px", ...more }, content);
  return svgElement(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height: head + height, viewBox: `0 0 ${width} ${head + height}` },
    svgElement("rect", { width, height: head + height, fill: backgroundColor }),
    text(PICTURE_EDGE, 20, place.querySelector("h2, h3").textContent, { "font-size": "14px", "font-weight": "600" }),
    ...lines.flatMap((line, row) =>
      line.flatMap(({ x, name, colour }) => {
        const y = TITLE_HEIGHT + row * LINE_HEIGHT + 10;
        return [svgElement("rect", { x, y: y - 8, width: 10, height: 8, rx: 2, fill: colour }), text(x + 15, y, name)];
      }),
    ),
    chart,
  );
}

function styledCopy(svg) {
  const copy = svg.cloneNode(true);
  const originals = [svg, ...svg.querySelectorAll("*")];
  [copy, ...copy.querySelectorAll("*")].forEach((target, index) => {
    const style = getComputedStyle(originals[index]);
    for (const name of PICTURE_PROPERTIES) {
      const value = style.getPropertyValue(name);
      if (value) target.setAttribute(name, value);
    }
    for (const name of ["class", "style", "tabindex", "role", "aria-label"]) target.removeAttribute(name);
  });
  return copy;
}

/** The names above a chart with their values, in as many lines as the width asks for. */
function nameLines(place, width) {
  const lines = [];
  let x = Infinity;
  for (const item of place.querySelectorAll(".legend li")) {
    const name = item.textContent.trim();
    const room = 15 + name.length * LETTER_WIDTH + 16;
    if (x + room > width) {
      lines.push([]);
      x = PICTURE_EDGE;
    }
    lines.at(-1).push({ x, name, colour: getComputedStyle(item.querySelector(".swatch")).backgroundColor });
    x += room;
  }
  return lines;
}

/** Save a chart as a file of the reader's: "svg" or "png". */
export async function savePicture(svg, name, kind) {
  const picture = standalonePicture(svg);
  const text = new XMLSerializer().serializeToString(picture);
  const blob = kind === "svg" ? new Blob([text], { type: "image/svg+xml" }) : await pngOf(text, picture);
  saveFile(blob, `iclscope-${name}.${kind}`);
}

/** Hand a file to the browser, which puts it where the reader keeps downloads. */
export function saveFile(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(address), 1000);
}

async function pngOf(text, picture) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = PNG_SCALE * Number(picture.getAttribute("width"));
  canvas.height = PNG_SCALE * Number(picture.getAttribute("height"));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
