/** A map of the error over two settings of the test, which fills in as it is measured. */

import { theoryLines } from "../theory/lines.js";
import { element, setAttributes, svgElement } from "./dom.js";
import { choiceButtons, panel } from "./panel.js";
import { fixedText, numberText, shareText } from "./words.js";
import { followedWidth } from "./widths.js";

// Light where the model is right, dark where it guesses: the steps of ColorBrewer's YlGnBu.
const MAP_STOPS = [
  [255, 255, 217],
  [199, 233, 180],
  [127, 205, 187],
  [65, 182, 196],
  [29, 145, 192],
  [34, 94, 168],
  [12, 44, 132],
];
const MAP_MARGIN = { left: 48, right: 12, top: 22, bottom: 40 };
const MAP_HEIGHT = 270;
const EMPTY_HEIGHT = 90;
const MEASURES = { error: 0.5, risk: 1 };

/**
 * The panel with the map.
 *
 * @param {object} session
 * @param {object} words
 */
export function mapPanel(session, words) {
  let measure = "error";
  const svg = svgElement("svg", {
    class: "plot map",
    role: "img",
    height: MAP_HEIGHT,
    "aria-label": words.text("panel.map.title"),
  });
  const layers = Object.fromEntries(
    ["cells", "axes", "theory", "hover"].map((name) => [name, svg.appendChild(svgElement("g", { class: name }))]),
  );
  const room = element("div", { class: "plot-room" }, svg);
  const kinds = choiceButtons(
    words.text("map.kind"),
    ["alpha-length", "S1-alpha"].map((value) => ({ value, name: words.text(`map.${value}`) })),
    () => session.state.map,
    (value) => session.view({ map: value }),
  );
  const measures = choiceButtons(
    words.text("map.measure"),
    Object.keys(MEASURES).map((value) => ({ value, name: words.text(`map.${value}`) })),
    () => measure,
    (value) => {
      measure = value;
      measures.show();
      redraw();
    },
  );
  const start = element("button", {
    type: "button",
    class: "primary",
    id: "button-map",
    onclick: () => (session.map.running ? session.stopMap() : session.measureMap()),
  });
  const status = element("p", { class: "map-status quiet small", role: "status" });
  const cellText = element("p", { class: "finding", text: "" });
  const scale = mapScale(words);
  const node = panel(
    words,
    "map",
    { picture: () => svg },
    element("div", { class: "row" }, start, kinds.node, measures.node),
    room,
    scale.node,
    cellText,
    status,
    element("p", { class: "theory-note quiet small", id: "map-theory" }),
  );
  let drawnKey = "";
  let drawnCells = new Set();

  const draw = () => {
    const map = session.map;
    const { width } = followed;
    kinds.show();
    setAttributes(start, { text: words.text(map.running ? "map.stop" : "map.start") });
    setAttributes(svg, {
      width,
      height: map.xs ? MAP_HEIGHT : EMPTY_HEIGHT,
      viewBox: `0 0 ${width} ${map.xs ? MAP_HEIGHT : EMPTY_HEIGHT}`,
    });
    const key = [map.kind, measure, width, map.step, map.xs?.length, words.language].join(" ");
    if (key !== drawnKey || map.cells.size < drawnCells.size) {
      drawnKey = key;
      drawnCells = new Set();
      layers.cells.replaceChildren();
      layers.axes.replaceChildren(...(map.xs ? mapAxes(map, width, words) : [emptyMapText(words, width)]));
      layers.theory.replaceChildren(...(map.xs ? mapTheory(map, session, width) : []));
      setAttributes(node.querySelector("#map-theory"), { text: words.text(`map.theory.${map.kind}`) });
      scale.show(measure);
    }
    const place = map.xs ? cellPlaces(map, width) : null;
    for (const [id, cell] of map.cells) {
      if (drawnCells.has(id)) continue;
      drawnCells.add(id);
      layers.cells.append(
        svgElement("rect", {
          ...place(cell.i, cell.j),
          fill: mapColour(cell[measure] / MEASURES[measure]),
          "data-cell": id,
        }),
      );
    }
    const all = map.xs ? map.xs.length * map.ys.length : 0;
    setAttributes(status, {
      text:
        map.cells.size === 0
          ? ""
          : map.running
            ? words.text("map.running")
            : words.text("map.done", { cells: all, step: map.step ?? 0 }),
    });
  };
  const redraw = () => {
    drawnKey = "";
    draw();
  };
  svg.addEventListener("pointermove", (event) => {
    const id = event.target.getAttribute?.("data-cell");
    const cell = id && session.map.cells.get(id);
    if (!cell) return;
    const { xs, ys, kind } = session.map;
    setAttributes(cellText, {
      text: words.text(`map.cell.${kind}`, {
        x: numberText(xs[cell.i]),
        y: numberText(ys[cell.j]),
        error: shareText(cell.error),
        risk: fixedText(cell.risk, 3),
      }),
    });
  });
  const followed = followedWidth(room, redraw);
  return { node, draw, stop: followed.stop };
}

/** The colour of a share between right (0) and guessing (1). */
export function mapColour(share) {
  if (!Number.isFinite(share)) return "#888888";
  const at = Math.min(Math.max(share, 0), 1) * (MAP_STOPS.length - 1);
  const index = Math.min(Math.floor(at), MAP_STOPS.length - 2);
  const mixed = MAP_STOPS[index].map((low, channel) =>
    Math.round(low + (at - index) * (MAP_STOPS[index + 1][channel] - low)),
  );
  return `#${mixed.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}

function mapSize({ xs, ys }, width) {
  return {
    w: (width - MAP_MARGIN.left - MAP_MARGIN.right) / xs.length,
    h: (MAP_HEIGHT - MAP_MARGIN.top - MAP_MARGIN.bottom) / ys.length,
  };
}

function cellPlaces(map, width) {
  const { w, h } = mapSize(map, width);
  return (i, j) => ({
    x: (MAP_MARGIN.left + i * w).toFixed(2),
    y: (MAP_HEIGHT - MAP_MARGIN.bottom - (j + 1) * h).toFixed(2),
    width: (w + 0.4).toFixed(2),
    height: (h + 0.4).toFixed(2),
  });
}

/** Where a value lies among the values of an axis, cells being equally wide whatever the distance of their values. */
export function placeAmong(values, value) {
  const last = values.length - 1;
  if (value <= values[0]) return value < values[0] ? -Infinity : 0;
  if (value >= values[last]) return value > values[last] ? Infinity : last;
  const index = values.findIndex((own) => own > value) - 1;
  return index + (value - values[index]) / (values[index + 1] - values[index]);
}

function mapAxes(map, width, words) {
  const { w, h } = mapSize(map, width);
  const bottom = MAP_HEIGHT - MAP_MARGIN.bottom;
  const parts = [
    svgElement("rect", {
      class: "frame",
      x: MAP_MARGIN.left,
      y: MAP_MARGIN.top,
      width: width - MAP_MARGIN.left - MAP_MARGIN.right,
      height: bottom - MAP_MARGIN.top,
    }),
  ];
  const every = (values, room) => Math.max(1, Math.ceil((values.length * 26) / room));
  map.xs.forEach((value, i) => {
    if (i % every(map.xs, width * 0.8) === 0)
      parts.push(
        svgElement(
          "text",
          { class: "tick", x: MAP_MARGIN.left + (i + 0.5) * w, y: bottom + 15, "text-anchor": "middle" },
          numberText(value),
        ),
      );
  });
  map.ys.forEach((value, j) => {
    if (j % every(map.ys, 320) === 0)
      parts.push(
        svgElement(
          "text",
          {
            class: "tick",
            x: MAP_MARGIN.left - 6,
            y: bottom - (j + 0.5) * h,
            dy: "0.32em",
            "text-anchor": "end",
          },
          numberText(value),
        ),
      );
  });
  parts.push(
    svgElement(
      "text",
      { class: "axis-label", x: width - MAP_MARGIN.right, y: MAP_HEIGHT - 6, "text-anchor": "end" },
      words.text(`map.${map.kind}.x`),
    ),
  );
  parts.push(
    svgElement(
      "text",
      { class: "axis-label", x: MAP_MARGIN.left - 6, y: 12, "text-anchor": "end" },
      words.text(`map.${map.kind}.y`),
    ),
  );
  return parts;
}

function emptyMapText(words, width) {
  return svgElement(
    "text",
    { class: "empty", x: width / 2, y: EMPTY_HEIGHT / 2, "text-anchor": "middle" },
    words.text("map.empty"),
  );
}

/** The theory's border: l = c/α' in one map, S1 = 1 in the other. */
function mapTheory(map, session, width) {
  const { w, h } = mapSize(map, width);
  const bottom = MAP_HEIGHT - MAP_MARGIN.bottom;
  const theory = theoryLines(session.state.settings);
  const point = (i, j) => `${(MAP_MARGIN.left + (i + 0.5) * w).toFixed(1)} ${(bottom - (j + 0.5) * h).toFixed(1)}`;
  let d = "";
  if (map.kind === "S1-alpha") {
    const i = placeAmong(map.xs, theory.S1);
    if (Number.isFinite(i)) d = `M${point(i, -0.5)}L${point(i, map.ys.length - 0.5)}`;
  } else {
    map.xs.forEach((alpha, i) => {
      const j = placeAmong(map.ys, theory.lengthTest(alpha));
      if (Number.isFinite(j)) d += `${d ? "L" : "M"}${point(i, j)}`;
    });
  }
  return [svgElement("path", { class: "theory-halo", d }), svgElement("path", { class: "theory-line", d })];
}

function mapScale(words) {
  const colours = Array.from({ length: 12 }, (_, k) => mapColour(k / 11)).join(",");
  const [low, high] = [element("span"), element("span")];
  const node = element(
    "div",
    { class: "map-scale small quiet" },
    low,
    element("span", {
      class: "map-ramp",
      style: `background:linear-gradient(to right,${colours})`,
      "aria-hidden": "true",
    }),
    high,
  );
  return {
    node,
    show: (measure) => {
      setAttributes(low, { text: words.text(`map.${measure}.low`) });
      setAttributes(high, { text: words.text(`map.${measure}.high`) });
    },
  };
}
