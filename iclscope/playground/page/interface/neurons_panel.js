/** Every neuron as an arrow: its direction against q or μ̄, its length, and which of three kinds it is. */

import { element, setAttributes, svgElement } from "./dom.js";
import { choiceButtons, legend, panel } from "./panel.js";
import { keepElements } from "./plot.js";
import { fixedText } from "./words.js";

const NEURONS_HEIGHT = 250;
const RING_ENDS = [0.2, 0.5, 1, 2, 5, 10, 20, 50, 100];
const KIND_CLASSES = ["small", "plus", "minus"];

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
  const names = legend([1, 2, 0].map((kind) => ({ class: `neuron-${KIND_CLASSES[kind]}`, name: words.text(`neurons.${KIND_CLASSES[kind]}`) })));
  const svg = svgElement("svg", { class: "plot neurons", role: "img", height: NEURONS_HEIGHT, "aria-label": words.text("panel.neurons.title") });
  const [ground, arrows, dots] = ["axes", "arrows", "dots"].map((name) => svg.appendChild(svgElement("g", { class: name })));
  const room = element("div", { class: "plot-room" }, svg);
  const note = element("p", { class: "theory-note quiet small" });
  const node = panel(words, "neurons", { picture: () => svg }, choice.node, names.node, room, note);
  let groundKey = "";

  const draw = () => {
    const neurons = session.frame?.neurons;
    if (!neurons) return;
    const width = Math.max(room.clientWidth, 200);
    const place = halfPlane(neurons, part, width);
    setAttributes(svg, { width, viewBox: `0 0 ${width} ${NEURONS_HEIGHT}` });
    const key = `${part} ${place.end} ${width}`;
    if (key !== groundKey) ground.replaceChildren(...rings(place, part, words, width));
    groundKey = key;
    const gone = new Set(session.frame.pruning ? Array.from(session.frame.pruning.order).slice(0, session.state.pruned) : []);
    const items = Array.from(neurons.norm, (_, index) => ({ ...place.of(index), kind: KIND_CLASSES[neurons.kind[index]], gone: gone.has(index) }));
    keepElements(arrows, "line", items, (line, item) =>
      setAttributes(line, { class: `arrow ${item.kind}${item.gone ? " gone" : ""}`, x1: place.x0, y1: place.y0, x2: item.x.toFixed(1), y2: item.y.toFixed(1) }),
    );
    keepElements(dots, "path", items, (path, item) => setAttributes(path, { class: `neuron ${item.kind}${item.gone ? " gone" : ""}`, d: markPath(item) }));
    const counts = [1, 2, 0].map((kind) => Array.from(neurons.kind).filter((own) => own === kind).length);
    names.show(counts.map(String));
    setAttributes(note, { text: words.text(`neurons.theory.${part}`) });
    if (!session.frame.running) {
      setAttributes(svg, { "aria-label": words.text("neurons.describe", { plus: counts[0], minus: counts[1], small: counts[2] }) });
    }
  };
  const observer = new ResizeObserver(draw);
  observer.observe(room);
  return { node, draw, stop: () => observer.disconnect() };
}

/** Where a neuron lies: its angle is its direction from the origin, its norm the distance. */
function halfPlane(neurons, part, width) {
  const [cosines, norms] = part === "label" ? [neurons.cosineLabel, neurons.normLabel] : [neurons.cosineFeature, neurons.normFeature];
  const finite = Array.from(norms).filter(Number.isFinite);
  const largest = finite.reduce((most, norm) => Math.max(most, norm), 0);
  const end = RING_ENDS.find((candidate) => candidate >= largest) ?? largest;
  const radius = Math.min(width / 2 - 34, NEURONS_HEIGHT - 44);
  const [x0, y0] = [width / 2, NEURONS_HEIGHT - 26];
  const of = (index) => {
    const cosine = Math.min(Math.max(cosines[index] || 0, -1), 1);
    const length = Number.isFinite(norms[index]) ? (norms[index] / end) * radius : 0;
    return { x: x0 + length * cosine, y: y0 - length * Math.sqrt(1 - cosine * cosine) };
  };
  return { end, radius, x0, y0, of };
}

function rings({ end, radius, x0, y0 }, part, words, width) {
  const parts = [];
  for (const share of [0.5, 1]) {
    const r = share * radius;
    parts.push(svgElement("path", { class: "grid ring", d: `M${x0 - r} ${y0}A${r} ${r} 0 0 1 ${x0 + r} ${y0}` }));
    parts.push(svgElement("text", { class: "tick", x: x0 + 4, y: y0 - r - 4 }, fixedText(share * end, end < 1 ? 2 : 1)));
  }
  parts.push(svgElement("line", { class: "grid", x1: x0, x2: x0, y1: y0, y2: y0 - radius }));
  parts.push(svgElement("line", { class: "axis", x1: x0 - radius, x2: x0 + radius, y1: y0, y2: y0 }));
  const ends = part === "label" ? ["−q", "+q"] : ["−μ̄", "μ̄"];
  const rays = part === "label" ? [-1, 1] : [1];
  for (const side of rays) {
    parts.push(svgElement("line", { class: "theory-line", x1: x0, y1: y0, x2: x0 + side * radius, y2: y0 }));
  }
  parts.push(svgElement("text", { class: "end-label", x: Math.max(x0 - radius - 8, 4), y: y0 + 4, "text-anchor": x0 - radius > 30 ? "end" : "start" }, ends[0]));
  parts.push(svgElement("text", { class: "end-label", x: Math.min(x0 + radius + 8, width - 4), y: y0 + 4, "text-anchor": "start" }, ends[1]));
  parts.push(svgElement("text", { class: "tick", x: x0, y: y0 + 18, "text-anchor": "middle" }, words.text("neurons.origin")));
  return parts;
}

/** Kinds differ in shape as well as in colour: a disc, a square, a dot. */
function markPath({ x, y, kind }) {
  const r = kind === "small" ? 2.4 : 4;
  const [left, top] = [(x - r).toFixed(1), (y - r).toFixed(1)];
  if (kind === "minus") return `M${left} ${top}h${2 * r}v${2 * r}h${-2 * r}z`;
  return `M${left} ${y.toFixed(1)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}
