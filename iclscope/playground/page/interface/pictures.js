/** Charts as files: SVG that stands alone, and PNG made from it. */

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

/**
 * A chart as the text of an SVG file: what the page's style sheet says is written into each element.
 *
 * @param {SVGElement} svg - in the page
 */
export function pictureText(svg) {
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
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const [name, value] of Object.entries({
    width: "100%",
    height: "100%",
    fill: getComputedStyle(svg.closest(".panel") ?? document.body).backgroundColor,
  })) {
    ground.setAttribute(name, value);
  }
  copy.prepend(ground);
  return new XMLSerializer().serializeToString(copy);
}

/** Save a chart as a file of the reader's: "svg" or "png". */
export async function savePicture(svg, name, kind) {
  const text = pictureText(svg);
  const blob = kind === "svg" ? new Blob([text], { type: "image/svg+xml" }) : await pngOf(text, svg);
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

async function pngOf(text, svg) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = PNG_SCALE * svg.clientWidth;
  canvas.height = PNG_SCALE * svg.clientHeight;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
