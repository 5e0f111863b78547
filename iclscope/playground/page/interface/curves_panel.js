/** Risk, error, attention and the norm of W_Q p over training, with what the theory says drawn into them. */

import { theoryLines } from "../theory/lines.js";
import { element } from "./dom.js";
import { helpOnDemand, legend, panel, saveButtons } from "./panel.js";
import { makePlot } from "./plot.js";
import { makeSeries } from "./series.js";
import { fixedText, numberText, shareText } from "./words.js";

const TIME_ENDS = [100, 200, 400, 800, 1500, 3000, 6000, 12000, 24000, 50000, 100000];

/**
 * The panel of curves.
 *
 * @param {object} session
 * @param {object} words
 * @param {{charts?: string[], domains?: string[]}} shown - which of risk, error, attention, norm, and lines of which
 *   domains
 */
export function curvesPanel(session, words, { charts: shown = CHARTS.map(({ id }) => id), domains = ["in", "out"] } = {}) {
  const series = makeSeries();
  let pointed = null; // the step that the reader points at, in one of the charts
  const point = (step) => {
    pointed = step;
    draw();
  };
  const charts = CHARTS.filter(({ id }) => shown.includes(id)).map((chart) => {
    const columns = chart.columns.filter(([, , key]) => !["in", "out"].includes(key) || domains.includes(key));
    return curveChart(session, words, { ...chart, columns }, series, point);
  });
  const node = panel(words, "curves", {}, element("div", { class: "charts" }, ...charts.map((chart) => chart.node)));
  let theory = { key: "", lines: null };
  const draw = () => {
    if (!session.frame) return;
    series.take(session.rows, session.frame.seeds, session.rowsVersion);
    const key = JSON.stringify(session.state.settings) + session.value("eta");
    if (theory.key !== key) theory = { key, lines: theoryLines(session.state.settings, session.value("eta")) };
    for (const chart of charts) chart.draw(theory.lines, pointed);
  };
  return { node, draw, stop: () => charts.forEach((chart) => chart.stop()) };
}

const DOMAIN_LINES = [
  ["in", "line-in"],
  ["out", "line-out"],
];
const CHARTS = [
  {
    id: "risk",
    columns: DOMAIN_LINES.map(([domain, css]) => [`risk_${domain}`, css, domain]),
    y: { min: 0 },
    ends: [1.2, 2, 3, 5, 10, 20, 50, 100],
    value: (v) => fixedText(v, 3),
  },
  {
    id: "error",
    columns: DOMAIN_LINES.map(([domain, css]) => [`error_${domain}`, css, domain]),
    y: { min: 0, format: (v) => `${Math.round(100 * v)} %` },
    ends: [0.6, 1],
    ticks: [0, 0.25, 0.5, 0.75, 1],
    value: shareText,
  },
  {
    id: "attention",
    columns: DOMAIN_LINES.map(([domain, css]) => [`attention_${domain}`, css, domain]),
    y: { min: 0, format: (v) => `${Math.round(100 * v)} %` },
    ends: [1],
    ticks: [0, 0.5, 1],
    value: shareText,
  },
  {
    id: "norm",
    columns: [
      ["query_norm", "line-norm", "norm"],
      ["query_relevant", "line-relevant", "relevant"],
    ],
    y: { min: 0 },
    ends: [0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 10, 20, 50, 100],
    value: (v) => fixedText(v, 2),
  },
];

function curveChart(session, words, chart, series, point) {
  const names = legend(chart.columns.map(([, css, key]) => ({ class: css, name: words.text(`curves.line.${key}`) })));
  const theoryName = element("p", { class: "theory-note quiet small" });
  const room = element("div", { class: "plot-room" });
  const plot = makePlot(room, { height: 168, label: words.text(`curves.${chart.id}.title`), onPoint: point });
  const help = helpOnDemand(words, {
    id: `chart-${chart.id}-help`,
    name: words.text(`panel.${chart.id}.title`),
    text: words.text(`curves.${chart.id}.help`),
  });
  const node = element(
    "figure",
    { class: "chart", id: `chart-${chart.id}` },
    element(
      "figcaption",
      {},
      element("h3", { math: words.text(`curves.${chart.id}.title`) }),
      help.button,
      saveButtons(words, chart.id, () => plot.svg),
    ),
    help.node,
    names.node,
    room,
    theoryName,
  );
  const draw = (theory, pointed) => {
    const lines = [];
    for (const [column, css] of chart.columns) {
      const several = series.seeds.length > 1;
      if (several)
        for (const seed of series.seeds) lines.push({ points: series.of(seed, column), class: `${css} thin` });
      lines.push({ points: several ? series.mean(column) : series.of(series.seeds[0], column), class: css });
    }
    const measured = chart.columns.map(([column]) =>
      series.seeds.length > 1 ? series.mean(column) : series.of(series.seeds[0], column),
    );
    const row = pointedRow(measured[0], pointed);
    const latest = measured.map((points) => points.at(row)?.[1]);
    const step = session.frame.step;
    const end = TIME_ENDS.find((candidate) => candidate >= step) ?? step;
    const reference = chartTheory(chart.id, theory, end, words, session);
    const max = axisEnd(lines, chart.ends);
    const y = { ...chart.y, max, ticks: chart.ticks?.filter((tick) => tick <= max) };
    plot.draw({
      x: { min: 0, max: end, label: words.text("curves.step") },
      y,
      lines,
      theory: reference.lines,
      pointer: pointed === null ? null : measured[0].at(row)?.[0],
    });
    names.show(latest.map(chart.value));
    if (theoryName.textContent !== reference.note) theoryName.textContent = reference.note;
    if (!session.frame.running) {
      plot.describe(
        words.text("curves.describe", {
          title: words.text(`curves.${chart.id}.title`),
          step,
          values: chart.columns
            .map(([, , key], index) => `${words.text(`curves.line.${key}`)} ${chart.value(latest[index])}`)
            .join(", "),
        }),
      );
    }
  };
  return { node, draw, stop: plot.stop };
}

/** Which of the measured points is nearest to a step; the newest, if none is pointed at. */
export function pointedRow(points, step) {
  if (step === null || points.length === 0) return -1;
  const after = points.findIndex(([own]) => own >= step);
  if (after < 0) return points.length - 1;
  return after > 0 && step - points[after - 1][0] < points[after][0] - step ? after - 1 : after;
}

/** The first of these ends that holds all lines: an axis that grew with every value would dance. */
function axisEnd(lines, ends) {
  const largest = lines.reduce(
    (most, { points }) => points.reduce((own, [, value]) => (value > own ? value : own), most),
    0,
  );
  return ends.find((end) => end >= largest) ?? ends.at(-1);
}

/** What the theory adds to a chart: lines within it, and a note on what lies outside. */
function chartTheory(id, theory, end, words, session) {
  if (!theory) return { lines: [], note: "" };
  if (id === "error") return { lines: [{ axis: "y", at: theory.error }], note: words.text("curves.theory.error") };
  if (id === "risk") {
    const lines = [{ axis: "y", at: theory.risk, label: `ε = ${theory.risk}` }];
    const T = theory.steps;
    if (!Number.isFinite(T)) return { lines, note: "" };
    if (T <= end) lines.push({ axis: "x", at: T, label: words.text("curves.theory.steps.label") });
    return {
      lines,
      note: words.text(T <= end ? "curves.theory.steps" : "curves.theory.steps.beyond", { steps: numberText(T) }),
    };
  }
  if (id === "attention") {
    const start = untrainedAttention(session);
    const lines = [{ axis: "y", at: start, label: words.text("curves.theory.start.label") }];
    if (theory.attention !== null) lines.push({ axis: "y", at: theory.attention, label: "1 − η" });
    const key = theory.attention === null ? "curves.theory.attention.none" : "curves.theory.attention";
    return { lines, note: words.text(key, { share: shareText(start), bound: shareText(theory.attention) }) };
  }
  const bound = theory.queryAtLeast;
  return {
    lines: [{ axis: "y", at: bound, label: "2·δβ" }],
    note: words.text("curves.theory.norm", { start: numberText(bound / 2), bound: numberText(bound) }),
  };
}

/**
 * Attention on the query's pattern before training, where prompts are long: a share α'/2 of columns has the score
 * (δβ)², all others 0.
 */
function untrainedAttention(session) {
  const share = session.value("alpha_test") / 2;
  const weight = share * Math.exp((session.value("delta") * session.value("beta")) ** 2);
  return weight / (weight + 1 - share);
}
