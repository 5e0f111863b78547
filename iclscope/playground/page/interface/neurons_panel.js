/** Every neuron in the plane: its angle to q or μ̄, its norm, and which of three kinds it is. */

import { element, setAttributes, svgElement } from "./dom.js";
import { choiceButtons, legend, panel } from "./panel.js";
import { keepElements, makeScale, roundTicks } from "./plot.js";
import { followedWidth } from "./widths.js";

const NEURONS_HEIGHT = 230;
const NEURONS_MARGIN = { left: 40, right: 16, top: 10, bottom: 38 };
const NORM_ENDS = [0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2, 3, 5, 10, 20, 50, 100];
const KIND_CLASSES = ["small", "plus", "minus"];
const NEAR = 22.5; // degrees, π/8: what the claims of Proposition 4.2 call aligned

/**
 * The panel of neurons.
 *
 * @param {object} session
 * @param {object} words
 */
export function neuronsPanel(session, words) {
  let part = "label";
  const choice = choiceButtons(
    words.text("neurons.against"),
    ["label", "feature"].map((value) => ({ value, name: words.text(`neurons.${value}`) })),
    () => part,
    (value) => {
      part = value;
      choice.show();
      draw();
    },
  );
  const names = legend(
    [1, 2, 0].map((kind) => ({
      class: `neuron-${KIND_CLASSES[kind]}`,
      name: words.text(`neurons.${KIND_CLASSES[kind]}`),
    })),
  );
  const svg = svgElement("svg", {
    class: "plot neurons",
    role: "img",
    height: NEURONS_HEIGHT,
    "aria-label": words.text("panel.neurons.title"),
  });
  const [ground, dots] = ["axes", "dots"].map((name) => svg.appendChild(svgElement("g", { class: name })));
  const room = element("div", { class: "plot-room" }, svg);
  const note = element("p", { class: "theory-note quiet small" });
  const node = panel(words, "neurons", { picture: () => svg }, choice.node, names.node, room, note);
  let groundKey = "";

  const draw = () => {
    const neurons = session.frame?.neurons;
    if (!neurons) return;
    const { width } = followed;
    const place = neuronPlaces(neurons, part, width);
    setAttributes(svg, { width, viewBox: `0 0 ${width} ${NEURONS_HEIGHT}` });
    const key = `${part} ${place.end} ${width}`;
    if (key !== groundKey) ground.replaceChildren(...neuronAxes(place, part, words, width));
    groundKey = key;
    const gone = new Set(
      session.frame.pruning ? Array.from(session.frame.pruning.order).slice(0, session.state.pruned) : [],
    );
    const items = Array.from(neurons.norm, (_, index) => ({
      ...place.of(index),
      kind: KIND_CLASSES[neurons.kind[index]],
      gone: gone.has(index),
    }));
    keepElements(dots, "path", items, (path, item) =>
      setAttributes(path, { class: `neuron ${item.kind}${item.gone ? " gone" : ""}`, d: markPath(item) }),
    );
    const counts = [1, 2, 0].map((kind) => Array.from(neurons.kind).filter((own) => own === kind).length);
    names.show(counts.map(String));
    setAttributes(note, { text: words.text(`neurons.theory.${part}`) });
    if (!session.frame.running) {
      setAttributes(svg, {
        "aria-label": words.text("neurons.describe", { plus: counts[0], minus: counts[1], small: counts[2] }),
      });
    }
  };
  const followed = followedWidth(room, draw);
  return { node, draw, stop: followed.stop };
}

/** Where a neuron lies: from 180° on the left to 0° on the right, its norm upwards. */
function neuronPlaces(neurons, part, width) {
  const [cosines, norms] =
    part === "label" ? [neurons.cosineLabel, neurons.normLabel] : [neurons.cosineFeature, neurons.normFeature];
  const largest = Array.from(norms)
    .filter(Number.isFinite)
    .reduce((most, norm) => Math.max(most, norm), 0);
  const end = NORM_ENDS.find((candidate) => candidate >= largest) ?? largest;
  const x = makeScale({ min: 180, max: 0, from: NEURONS_MARGIN.left + 10, to: width - NEURONS_MARGIN.right - 10 });
  const y = makeScale({ min: 0, max: end, from: NEURONS_HEIGHT - NEURONS_MARGIN.bottom, to: NEURONS_MARGIN.top });
  const of = (index) => ({
    x: x((Math.acos(Math.min(Math.max(cosines[index] || 0, -1), 1)) * 180) / Math.PI),
    y: y(Number.isFinite(norms[index]) ? norms[index] : 0),
  });
  return { end, x, y, of };
}

function neuronAxes({ end, x, y }, part, words, width) {
  const bottom = NEURONS_HEIGHT - NEURONS_MARGIN.bottom;
  const parts = [];
  for (const side of part === "label" ? [180, 0] : [0]) {
    const edge = side === 0 ? NEAR : side - NEAR;
    const left = Math.min(x(side), x(edge));
    parts.push(
      svgElement("rect", {
        class: "theory-band",
        x: left,
        y: NEURONS_MARGIN.top,
        width: Math.abs(x(side) - x(edge)),
        height: bottom - NEURONS_MARGIN.top,
      }),
    );
    parts.push(svgElement("path", { class: "theory-line", d: `M${x(side)} ${NEURONS_MARGIN.top}V${bottom}` }));
  }
  for (const tick of roundTicks(0, end, 4)) {
    parts.push(
      svgElement("line", {
        class: "grid",
        x1: NEURONS_MARGIN.left,
        x2: width - NEURONS_MARGIN.right,
        y1: y(tick),
        y2: y(tick),
      }),
    );
    parts.push(
      svgElement(
        "text",
        { class: "tick", x: NEURONS_MARGIN.left - 6, y: y(tick), dy: "0.32em", "text-anchor": "end" },
        String(tick),
      ),
    );
  }
  parts.push(
    svgElement("line", {
      class: "axis",
      x1: NEURONS_MARGIN.left,
      x2: width - NEURONS_MARGIN.right,
      y1: bottom,
      y2: bottom,
    }),
  );
  const [against, along] = part === "label" ? ["−q", "+q"] : ["−μ̄", "μ̄"];
  for (const [angle, text] of [
    [180, against],
    [90, "90°"],
    [0, along],
  ]) {
    parts.push(
      svgElement(
        "text",
        { class: angle === 90 ? "tick" : "end-label", x: x(angle), y: bottom + 16, "text-anchor": "middle" },
        text,
      ),
    );
  }
  parts.push(
    svgElement(
      "text",
      { class: "axis-label", x: width / 2, y: NEURONS_HEIGHT - 4, "text-anchor": "middle" },
      words.text(`neurons.axis.${part}`),
    ),
  );
  return parts;
}

/** Kinds differ in shape as well as in colour: a disc, a square, a dot. */
function markPath({ x, y, kind }) {
  const r = kind === "small" ? 2.4 : 4;
  const [left, top] = [(x - r).toFixed(1), (y - r).toFixed(1)];
  if (kind === "minus") return `M${left} ${top}h${2 * r}v${2 * r}h${-2 * r}z`;
  return `M${left} ${y.toFixed(1)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}
