/** Line charts as SVG, one pixel of the chart being one of the page, so that text keeps its size at every width. */

import { setAttributes, svgElement } from "./dom.js";
import { followedWidth } from "./widths.js";

const PLOT_MARGIN = { top: 10, right: 18, bottom: 34, left: 40 };

/**
 * A map from values to pixels.
 *
 * @param {{min: number, max: number, from: number, to: number, log?: boolean}} range
 * @returns {(value: number) => number}
 */
export function makeScale({ min, max, from, to, log = false }) {
  const place = log ? Math.log : (value) => value;
  const start = place(min);
  const span = place(max) - start || 1;
  return (value) => from + ((place(value) - start) / span) * (to - from);
}

/**
 * Round numbers between two ends: about `count` of them, 1, 2 or 5 times a power of ten apart.
 *
 * @param {number} min
 * @param {number} max
 * @param {number} count
 */
export function roundTicks(min, max, count = 5) {
  if (!(max > min)) return [min];
  const rough = (max - min) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const distance = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const ticks = [];
  for (let k = Math.ceil(min / distance - 1e-9); k * distance <= max + distance * 1e-9; k += 1) {
    ticks.push(Number((k * distance).toPrecision(12)));
  }
  return ticks;
}

/**
 * A chart of lines that can be drawn again and again.
 *
 * @param {HTMLElement} container - takes its width; the chart follows when that changes
 * @param {{height?: number, label?: string, onPoint?: (x: number|null) => void}} options - `onPoint` is told which x the
 *   reader points at, null for none; `pointer` of what is drawn marks one
 */
export function makePlot(container, { height = 170, label = "", onPoint = null } = {}) {
  const svg = svgElement("svg", { class: "plot", role: "img", "aria-label": label, height });
  const layers = Object.fromEntries(
    ["axes", "theory", "pointer", "data"].map((name) => [name, svg.appendChild(svgElement("g", { class: name }))]),
  );
  container.append(svg);
  let drawn = null;
  let axesKey = "";
  const draw = (content) => {
    drawn = content;
    const { width } = room;
    setAttributes(svg, { width, viewBox: `0 0 ${width} ${height}` });
    const scales = plotScales(content, width, height);
    const key = JSON.stringify([width, content.x, content.y]);
    if (key !== axesKey) layers.axes.replaceChildren(...plotAxes(content, scales, width, height));
    axesKey = key;
    keepElements(layers.theory, "g", content.theory ?? [], (group, one) =>
      drawReference(group, one, scales, width, height),
    );
    keepElements(layers.pointer, "path", Number.isFinite(content.pointer) ? [content.pointer] : [], (path, x) =>
      setAttributes(path, {
        class: "pointer-line",
        d: `M${scales.x(x).toFixed(1)} ${PLOT_MARGIN.top}V${height - PLOT_MARGIN.bottom}`,
      }),
    );
    keepElements(layers.data, "path", content.lines ?? [], (path, line) =>
      setAttributes(path, { class: `line ${line.class}`, d: linePath(line.points, scales) }),
    );
  };
  const redraw = () => drawn && draw(drawn);
  if (onPoint) {
    svg.addEventListener("pointermove", (event) => {
      if (!drawn) return;
      const { left, width } = svg.getBoundingClientRect();
      const share = (event.clientX - left - PLOT_MARGIN.left) / (width - PLOT_MARGIN.left - PLOT_MARGIN.right);
      const { min, max } = drawn.x;
      onPoint(share < 0 || share > 1 ? null : min + share * (max - min));
    });
    svg.addEventListener("pointerleave", () => onPoint(null));
  }
  const room = followedWidth(container, redraw);
  return {
    svg,
    draw,
    describe: (text) => setAttributes(svg, { "aria-label": text }),
    stop: room.stop,
  };
}

/** Make a group hold one element for each of `items`, taking those that are there. */
export function keepElements(group, tag, items, update) {
  while (group.childNodes.length > items.length) group.lastChild.remove();
  while (group.childNodes.length < items.length) group.append(svgElement(tag));
  items.forEach((item, index) => update(group.childNodes[index], item));
}

function plotScales({ x, y }, width, height) {
  return {
    x: makeScale({ ...x, from: PLOT_MARGIN.left, to: width - PLOT_MARGIN.right }),
    y: makeScale({ ...y, from: height - PLOT_MARGIN.bottom, to: PLOT_MARGIN.top }),
  };
}

function plotAxes({ x, y }, scales, width, height) {
  const bottom = height - PLOT_MARGIN.bottom;
  const right = width - PLOT_MARGIN.right;
  const parts = [];
  for (const tick of y.ticks ?? roundTicks(y.min, y.max, 4)) {
    const at = scales.y(tick).toFixed(1);
    parts.push(svgElement("line", { class: "grid", x1: PLOT_MARGIN.left, x2: right, y1: at, y2: at }));
    parts.push(
      svgElement(
        "text",
        { class: "tick", x: PLOT_MARGIN.left - 6, y: at, dy: "0.32em", "text-anchor": "end" },
        tickText(tick, y),
      ),
    );
  }
  for (const tick of x.ticks ?? roundTicks(x.min, x.max, width < 260 ? 3 : 5)) {
    const at = scales.x(tick).toFixed(1);
    parts.push(svgElement("line", { class: "axis", x1: at, x2: at, y1: bottom, y2: bottom + 4 }));
    parts.push(
      svgElement("text", { class: "tick", x: at, y: bottom + 15, "text-anchor": "middle" }, tickText(tick, x)),
    );
  }
  parts.push(svgElement("line", { class: "axis", x1: PLOT_MARGIN.left, x2: right, y1: bottom, y2: bottom }));
  if (x.label) {
    parts.push(svgElement("text", { class: "axis-label", x: right, y: height - 4, "text-anchor": "end" }, x.label));
  }
  return parts;
}

const tickText = (tick, axis) => (axis.format ? axis.format(tick) : String(tick).replace("-", "−"));

/** A theory's line: at one value of x or y across the chart, or a curve. */
function drawReference(group, reference, scales, width, height) {
  const bottom = height - PLOT_MARGIN.bottom;
  const right = width - PLOT_MARGIN.right;
  const line = svgElement("path", { class: "theory-line" });
  group.replaceChildren(line);
  if (reference.points) {
    setAttributes(line, { d: linePath(reference.points, scales) });
    return;
  }
  const across = reference.axis === "y";
  const at = across ? scales.y(reference.at) : scales.x(reference.at);
  setAttributes(line, { d: across ? `M${PLOT_MARGIN.left} ${at}H${right}` : `M${at} ${PLOT_MARGIN.top}V${bottom}` });
  if (!reference.label) return;
  const atRight = !across && at < width - 90;
  group.append(
    svgElement(
      "text",
      across
        ? { class: "theory-label", x: right, y: at - 4, "text-anchor": "end" }
        : {
            class: "theory-label",
            x: atRight ? at + 5 : at - 5,
            y: PLOT_MARGIN.top + 8 + 13 * (reference.row ?? 0),
            "text-anchor": atRight ? "start" : "end",
          },
      reference.label,
    ),
  );
}

/** The path of a line; where several points fall on one pixel, only their ends and extremes are kept. */
export function linePath(points, scales) {
  const parts = [];
  let pen = "M";
  let lastX = -Infinity;
  const [low, high] = [-1e4, 1e4];
  points.forEach(([x, y], index) => {
    if (!Number.isFinite(y) || !Number.isFinite(x)) {
      pen = "M";
      return;
    }
    const at = scales.x(x);
    if (at - lastX < 0.8 && index < points.length - 1 && pen === "L") return;
    lastX = at;
    parts.push(`${pen}${at.toFixed(1)} ${Math.min(Math.max(scales.y(y), low), high).toFixed(1)}`);
    pen = "L";
  });
  // A single point is drawn as a dot: a line of no length, with round ends.
  return parts.length === 1 ? `${parts[0]}h0` : parts.join("");
}
