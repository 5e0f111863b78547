/** The norms of W_O's rows in order, a handle that removes the smallest, and what the model is worth without them. */

import { theoryLines } from "../theory/lines.js";
import { element, setAttributes, svgElement } from "./dom.js";
import { legend, panel } from "./panel.js";
import { keepElements, linePath, makeScale, roundTicks } from "./plot.js";
import { fixedText, shareText } from "./words.js";
import { followedWidth } from "./widths.js";

const BARS_HEIGHT = 150;
const COST_HEIGHT = 96;
const PRUNING_MARGIN = { left: 40, right: 12, top: 14, bottom: 8 };

/**
 * The panel of pruning.
 *
 * @param {object} session
 * @param {object} words
 */
export function pruningPanel(session, words) {
  const height = BARS_HEIGHT + COST_HEIGHT;
  const svg = svgElement("svg", {
    class: "plot pruning",
    role: "img",
    height,
    "aria-label": words.text("panel.pruning.title"),
  });
  const layers = Object.fromEntries(
    ["axes", "bars", "theory", "data", "hold"].map((name) => [name, svg.appendChild(svgElement("g", { class: name }))]),
  );
  const room = element("div", { class: "plot-room pruning-room" }, svg);
  const slider = element("input", {
    type: "range",
    id: "pruned",
    min: 0,
    max: 1,
    step: 1,
    class: "pruned-slider",
    oninput: () => session.view({ pruned: Number(slider.value) }),
  });
  const removed = element("output", { for: "pruned", class: "setting-value" });
  const names = legend([
    { class: "line-in", name: words.text("curves.line.in") },
    { class: "line-out", name: words.text("curves.line.out") },
  ]);
  const cost = element("p", { class: "finding" });
  const note = element("p", { class: "theory-note quiet small" });
  const node = panel(
    words,
    "pruning",
    { picture: () => svg },
    element(
      "div",
      { class: "setting-head" },
      element("label", { for: "pruned", text: words.text("pruning.handle") }),
      removed,
    ),
    room,
    slider,
    names.node,
    cost,
    note,
  );
  const drag = (event) => {
    if (event.buttons !== 1 && event.type !== "pointerdown") return;
    const m = session.frame?.pruning?.order.length ?? 0;
    const box = svg.getBoundingClientRect();
    const share =
      (event.clientX - box.left - PRUNING_MARGIN.left) / (box.width - PRUNING_MARGIN.left - PRUNING_MARGIN.right);
    session.view({ pruned: Math.min(Math.max(Math.round(share * m), 0), m) });
    event.preventDefault();
  };
  svg.addEventListener("pointerdown", drag);
  svg.addEventListener("pointermove", drag);

  const draw = () => {
    const { pruning, neurons } = session.frame ?? {};
    if (!pruning || !neurons) return;
    const m = pruning.order.length;
    const pruned = Math.min(session.state.pruned, m);
    const { width } = followed;
    setAttributes(svg, { width, viewBox: `0 0 ${width} ${height}` });
    setAttributes(slider, { max: m, "aria-valuetext": words.text("pruning.removed", { count: pruned, all: m }) });
    if (Number(slider.value) !== pruned) slider.value = String(pruned);
    slider.style.setProperty("--filled", `${(100 * pruned) / m}%`);
    setAttributes(removed, { text: words.text("pruning.removed", { count: pruned, all: m }) });
    const theory = theoryLines(session.state.settings);
    drawBars(layers, { session, words, width, m, pruned, theory });
    drawCost(layers, { pruning, width, m, words });
    names.show([shareText(pruning.error.in[pruned]), shareText(pruning.error.out[pruned])]);
    setAttributes(cost, {
      text: words.text("pruning.cost", {
        count: pruned,
        before: fixedText(pruning.risk.out[0], 3),
        after: fixedText(pruning.risk.out[pruned], 3),
        errorBefore: shareText(pruning.error.out[0]),
        errorAfter: shareText(pruning.error.out[pruned]),
      }),
    });
    setAttributes(note, {
      text: words.text("pruning.theory", {
        small: fixedText(theory.smallNorm, 2),
        cost: fixedText(theory.costOfSmall, 2),
      }),
    });
    if (!session.frame.running)
      setAttributes(svg, { "aria-label": `${words.text("panel.pruning.title")}. ${cost.textContent}` });
  };
  const followed = followedWidth(room, draw);
  return { node, draw, stop: followed.stop };
}

const placeOf = (k, m, width) => PRUNING_MARGIN.left + (k / m) * (width - PRUNING_MARGIN.left - PRUNING_MARGIN.right);

function drawBars(layers, { session, words, width, m, pruned, theory }) {
  const { pruning, neurons } = session.frame;
  const norms = Array.from(pruning.order, (index) => neurons.norm[index]);
  const finite = norms.filter(Number.isFinite);
  const top = Math.max(0.3, theory.smallNorm * 1.15, ...finite);
  const end = Math.ceil(top / 0.1) * 0.1;
  const y = makeScale({ min: 0, max: end, from: BARS_HEIGHT - 14, to: PRUNING_MARGIN.top });
  const right = width - PRUNING_MARGIN.right;
  const axes = [];
  for (const tick of roundTicks(0, end, 3)) {
    axes.push(svgElement("line", { class: "grid", x1: PRUNING_MARGIN.left, x2: right, y1: y(tick), y2: y(tick) }));
    axes.push(
      svgElement(
        "text",
        { class: "tick", x: PRUNING_MARGIN.left - 6, y: y(tick), dy: "0.32em", "text-anchor": "end" },
        String(tick),
      ),
    );
  }
  axes.push(
    svgElement("text", { class: "axis-label", x: right, y: 9, "text-anchor": "end" }, words.text("pruning.axis")),
  );
  layers.axes.replaceChildren(...axes);
  const step = (right - PRUNING_MARGIN.left) / m;
  keepElements(layers.bars, "rect", norms, (rect, norm) => setAttributes(rect, { height: 0, "data-norm": norm }));
  norms.forEach((norm, k) => {
    const size = Number.isFinite(norm) ? norm : 0;
    setAttributes(layers.bars.childNodes[k], {
      class: `bar ${["small", "plus", "minus"][neurons.kind[pruning.order[k]]]}${k < pruned ? " gone" : ""}`,
      x: (placeOf(k, m, width) + step * 0.1).toFixed(2),
      width: (step * 0.8).toFixed(2),
      y: y(size).toFixed(2),
      height: (y(0) - y(size)).toFixed(2),
      "data-norm": null,
    });
  });
  const small = y(theory.smallNorm).toFixed(1);
  layers.theory.replaceChildren(
    svgElement("path", { class: "theory-line", d: `M${PRUNING_MARGIN.left} ${small}H${right}` }),
    svgElement("text", { class: "theory-label", x: PRUNING_MARGIN.left + 4, y: small - 4 }, "1/√M₂"),
  );
  const at = placeOf(pruned, m, width);
  layers.hold.replaceChildren(
    svgElement("line", {
      class: "handle-line",
      x1: at,
      x2: at,
      y1: PRUNING_MARGIN.top - 4,
      y2: BARS_HEIGHT + COST_HEIGHT - PRUNING_MARGIN.bottom,
    }),
    svgElement("rect", { class: "handle", x: at - 5, y: BARS_HEIGHT - 12, width: 10, height: 22, rx: 4 }),
  );
}

/** The hinge risk after removing the k smallest, for every k: both domains. */
function drawCost(layers, { pruning, width, m, words }) {
  const top = BARS_HEIGHT + 18;
  const bottom = BARS_HEIGHT + COST_HEIGHT - PRUNING_MARGIN.bottom;
  const largest = Math.max(1, ...[...pruning.risk.in, ...pruning.risk.out].filter(Number.isFinite));
  const end = [1, 2, 5, 10, 20, 50].find((candidate) => candidate >= largest) ?? largest;
  const y = makeScale({ min: 0, max: end, from: bottom, to: top });
  const scales = { x: (k) => placeOf(k, m, width), y };
  for (const tick of [0, end / 2, end]) {
    layers.axes.append(
      svgElement("line", {
        class: "grid",
        x1: PRUNING_MARGIN.left,
        x2: width - PRUNING_MARGIN.right,
        y1: y(tick),
        y2: y(tick),
      }),
    );
    layers.axes.append(
      svgElement(
        "text",
        { class: "tick", x: PRUNING_MARGIN.left - 6, y: y(tick), dy: "0.32em", "text-anchor": "end" },
        String(tick),
      ),
    );
  }
  layers.axes.append(
    svgElement(
      "text",
      { class: "axis-label", x: width - PRUNING_MARGIN.right, y: top - 6, "text-anchor": "end" },
      words.text("pruning.risk"),
    ),
  );
  keepElements(layers.data, "path", ["in", "out"], (path, domain) =>
    setAttributes(path, {
      class: `line line-${domain}`,
      d: linePath(
        Array.from(pruning.risk[domain], (risk, k) => [k, risk]),
        scales,
      ),
    }),
  );
}
