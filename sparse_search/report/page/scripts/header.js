// The head of a run's page, and what became of its candidates at its foot.

import { element } from "./dom.js";

/** Name, summary, what is missing and what to do, and the settings. */
export function pageHeader(contents) {
  return element(
    "header",
    {},
    element("p", { class: "kind" }, `sparse-search report · ${contents.folder}`),
    element("h1", {}, contents.name),
    element("p", { class: "summary" }, contents.summary),
    contents.advice.map((text) => element("p", { class: "advice", role: "note" }, text)),
    element(
      "details",
      {},
      element("summary", {}, "Settings"),
      element(
        "dl",
        { class: "facts" },
        contents.facts.map(([name, text]) =>
          element("div", {}, element("dt", {}, name), element("dd", {}, text)),
        ),
      ),
    ),
  );
}

/** What became of the candidates. */
export function outcomeList(contents) {
  return element(
    "section",
    { id: "outcomes" },
    element(
      "details",
      {},
      element("summary", {}, "What became of the candidates"),
      element(
        "ul",
        {},
        contents.outcomes.map((line) => element("li", {}, line.trim())),
      ),
    ),
  );
}
