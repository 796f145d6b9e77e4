// One model: what it is, what it needs and why, how it learned and where it comes from.

import { certificates } from "./certificates.js";
import { learningCurve } from "./curve.js";
import { element, fill } from "./dom.js";
import { figure, percent } from "./format.js";
import { graphView } from "./graph.js";
import { layerBars } from "./layers.js";
import { lineageList } from "./lineage.js";
import { MARKER_WORDS } from "./markers.js";
import { planView } from "./plan.js";

/** The section that shows the selected model. */
export function modelSection(page) {
  const section = element("section", { id: "model", class: "screen-only" });
  page.selected.listen((id) => {
    const model = page.models.find((one) => one.id === id);
    fill(section, model ? modelParts(page, model) : element("p", {}, "No model is chosen."));
  });
  return section;
}

/** Heading, facts and figures of a model. */
export function modelParts(page, model) {
  const detail = page.details[model.id];
  const operator = page.operator;
  const title = element("h2", { tabindex: "-1", class: "model-title" }, `Model ${model.id}`);
  if (!detail) {
    const text =
      "This study is long: only its front and its most accurate models are kept in detail.";
    return [title, facts(model), element("p", { class: "note" }, text)];
  }
  return [
    title,
    facts(model),
    element(
      "div",
      { class: "panels" },
      panel("Memory over time", planView(detail, operator)),
      panel("Layers: weights and bytes", layerBars(detail, operator)),
      panel("Graph", graphView(detail, operator)),
      element(
        "div",
        { class: "stack" },
        panel("Learning curve", learningCurve(model, detail)),
        panel("Lineage", lineageList(page, detail)),
        panel("C export", certificates(page, detail)),
      ),
    ),
  ];
}

function panel(title, ...parts) {
  return element("div", { class: "panel" }, element("h3", {}, title), parts);
}

function facts(model) {
  const pruning = model.pruning ? `pruning: ${model.pruning}` : "not pruned";
  const of = (name) => figure(name, model.figures[name]);
  const entries = [
    ["validation error", of("val_error")],
    ["test error", percent(model.figures.test_error)],
    ["flash", of("flash_bytes")],
    ["arena", of("arena_bytes")],
    ["MACs", of("macs")],
    ["parameters", of("parameters")],
    ["nonzeros", of("nonzeros")],
    ["float error", of("float_val_error")],
  ];
  return [
    element(
      "p",
      { class: "network" },
      `${capital(MARKER_WORDS[model.effort])}; ${pruning}. `,
      `Architecture: ${model.network}.`,
    ),
    element(
      "dl",
      { class: "facts" },
      entries.map(([name, value]) =>
        element("div", {}, element("dt", {}, name), element("dd", {}, value)),
      ),
    ),
  ];
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
