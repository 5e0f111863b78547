/** Widths of elements, known without asking the page to lay itself out anew in the middle of drawing. */

/**
 * The width of an element, kept up to date.
 *
 * @param {HTMLElement} node
 * @param {() => void} changed - called when it has become another
 * @param {number} least - what is told where the element is narrower, or not in the page yet
 * @returns {{readonly width: number, stop: () => void}}
 */
export function followedWidth(node, changed, least = 160) {
  let width = least;
  const observer = new ResizeObserver(([{ contentRect }]) => {
    const measured = Math.max(Math.round(contentRect.width), least);
    if (measured === width) return;
    width = measured;
    changed();
  });
  observer.observe(node);
  return {
    get width() {
      return width;
    },
    stop: () => observer.disconnect(),
  };
}
