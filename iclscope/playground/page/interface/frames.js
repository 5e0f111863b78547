/** When panels are drawn: a few per frame of the screen, so that drawing never holds up the page or the training. */

const FRAME_BUDGET = 5; // ms of drawing per frame

/**
 * Draw panels when they have something new, each at most once per frame, in turn.
 *
 * @param {() => number} now - milliseconds
 * @param {(callback: () => void) => void} nextFrame - as `requestAnimationFrame`
 */
export function makeDrawing(now, nextFrame) {
  const waiting = new Map();
  let asked = false;
  let stopped = false;
  const drawSome = () => {
    asked = false;
    if (stopped) return;
    const start = now();
    for (const [key, draw] of waiting) {
      waiting.delete(key);
      draw();
      if (now() - start > FRAME_BUDGET) break;
    }
    if (waiting.size > 0) ask();
  };
  const ask = () => {
    if (!asked) nextFrame(drawSome);
    asked = true;
  };
  return {
    /** Draw `draw` soon; asked again before that, it is drawn once. */
    soon(key, draw) {
      if (!waiting.has(key)) waiting.set(key, draw);
      ask();
    },
    stop() {
      stopped = true;
      waiting.clear();
    },
  };
}
