// The lineage of a model: from its first ancestor, one change after another.

import { element } from "./dom.js";
import { bytes, percent } from "./format.js";

/** The list of ancestors, each with what was changed and a link to it. */
export function lineageList(page, detail) {
  const { lineage } = detail;
  return element(
    "ol",
    { class: "lineage" },
    lineage.map(({ candidate, change }, index) => {
      const model = page.models.find(({ id }) => id === candidate);
      const isLast = index === lineage.length - 1;
      const name = model ? `Model ${candidate}` : `Candidate ${candidate}`;
      const subject =
        model && !isLast
          ? element("a", { href: `#model-${candidate}` }, name)
          : element("strong", {}, name);
      return element(
        "li",
        { "aria-current": isLast ? "true" : null },
        element("span", { class: "change" }, change),
        element("span", {}, subject, model ? ` ${figures(model)}` : " not measured"),
      );
    }),
  );
}

function figures(model) {
  const [flash, arena] = ["flash_bytes", "arena_bytes"].map((name) => bytes(model.figures[name]));
  return `${percent(model.figures.val_error)} error, ${flash} flash, ${arena} arena`;
}
