// The tooltip: what a hovered or focused model is, beside its point.

import { element, fill } from "./dom.js";

/** A tooltip for the page; hidden from screen readers, which read the label of the point. */
export function createTooltip() {
  const box = element("div", { class: "tooltip", "aria-hidden": "true", hidden: "" });
  document.body.append(box);
  return {
    /** Shows lines of text, the first one strong, beside an element. */
    show: (lines, anchor) => {
      const [first, ...rest] = lines;
      fill(
        box,
        element("strong", {}, first),
        rest.map((line) => element("div", {}, line)),
      );
      box.hidden = false;
      place(box, anchor.getBoundingClientRect());
    },
    hide: () => {
      box.hidden = true;
    },
  };
}

function place(box, point) {
  const { width, height } = box.getBoundingClientRect();
  const room = document.documentElement.clientWidth;
  const right = point.right + 10;
  const left = right + width > room - 4 ? point.left - 10 - width : right;
  const above = point.top - height - 8;
  box.style.left = `${Math.max(4, Math.min(left, room - width - 4))}px`;
  box.style.top = `${above < 4 ? point.bottom + 8 : above}px`;
}
