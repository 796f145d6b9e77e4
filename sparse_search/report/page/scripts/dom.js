// Elements of HTML and SVG. Text always becomes text nodes: no name can become markup.

// Of a container that is not on screen, since it is made for paper: half of a page.
const UNSEEN_WIDTH = 330;
const SVG = "http://www.w3.org/2000/svg";

/** An HTML element with attributes, and children that are nodes, texts or null. */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** A drawing of so many pixels that shrinks with its container; `label` is for screen readers. */
export function drawing(width, height, label, ...children) {
  const attributes = { viewBox: `0 0 ${width} ${height}`, width, height };
  return svg("svg", { ...attributes, role: "img", "aria-label": label }, ...children);
}

/** Replaces what a node holds. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null));
  return node;
}

/** Fills a container by `draw(width)`, again whenever its width changes. */
export function responsive(container, draw) {
  let width = 0;
  const redraw = () => {
    const found = Math.round(container.clientWidth) || UNSEEN_WIDTH;
    if (found !== width) {
      width = found;
      draw(width);
    }
  };
  redraw();
  new ResizeObserver(redraw).observe(container);
  return container;
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      node.addEventListener(name, value);
    } else if (value !== null) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null));
  return node;
}
