// Where the C of a model is, and what its verification found on each core.

import { element } from "./dom.js";
import { count } from "./format.js";

/** The folder of the export, and a block for each certificate. */
export function certificates(page, detail) {
  if (detail.export === "") {
    return element(
      "p",
      { class: "note" },
      "Not exported. A run exports its front when it ends; sparse-search export writes any model.",
    );
  }
  const folder = element(
    "p",
    {},
    "Folder: ",
    element("a", { href: `${page.base}${detail.export}/` }, detail.export),
  );
  if (detail.certificates.length === 0) {
    const text = "No certificate that this version reads; sparse-search verify makes one.";
    return [folder, element("p", { class: "note" }, text)];
  }
  return [folder, detail.certificates.map(certificate)].flat();
}

function certificate({ core, passed, summary, failures, figures }) {
  return element(
    "div",
    { class: `certificate ${passed ? "good" : "warning"}` },
    element("p", {}, element("strong", {}, `${passed ? "✓" : "✕"} ${core}`), ` ${summary}`),
    failures.length > 0
      ? element(
          "ul",
          {},
          failures.map((text) => element("li", {}, text)),
        )
      : null,
    figures.length > 0
      ? element("p", { class: "small" }, figures.map(figureText).join("; "))
      : null,
  );
}

function figureText({ name, unit, predicted, measured }) {
  const value = measured === null ? "not measured" : `${count(measured)} ${unit}`.trim();
  const differs = predicted !== null && predicted !== measured;
  return `${name} ${value}${differs ? ` (predicted ${count(predicted)})` : ""}`;
}
