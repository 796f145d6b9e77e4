// Health cards: what the figures of a run say about the run.

import { element } from "./dom.js";

const SIGNS = { good: "✓", notice: "!", warning: "✕" };

/** One card for each finding. */
export function healthCards(cards) {
  return element(
    "ul",
    { class: "health" },
    cards.map(({ level, title, sentence }) =>
      element(
        "li",
        { class: level },
        element("span", { class: "sign", "aria-hidden": "true" }, SIGNS[level]),
        element("div", {}, element("strong", {}, `${title}: ${level}. `), sentence),
      ),
    ),
  );
}
