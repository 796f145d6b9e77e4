// Print: every model of the front is shown, and what is folded is opened.

import { element, fill } from "./dom.js";

/** Expands the page before it is printed, and folds it again; `parts(model)` shows a model. */
export function printAll(page, parts) {
  const models = element("div", { id: "printed-models" });
  document.getElementById("page").append(models);
  const folded = () => document.querySelectorAll("details");
  let open = [];
  window.addEventListener("beforeprint", () => {
    open = [...folded()].map((details) => details.open);
    folded().forEach((details) => (details.open = true));
    const sections = page.slice
      .get()
      .front.map((model) => element("section", { class: "printed" }, parts(model)));
    fill(models, sections);
  });
  window.addEventListener("afterprint", () => {
    folded().forEach((details, index) => (details.open = open[index]));
    fill(models);
  });
}
