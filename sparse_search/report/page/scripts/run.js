// The page of a run: puts its sections together and keeps them in step.

import { boardSelector } from "./board.js";
import { element } from "./dom.js";
import { frontViews } from "./front_views.js";
import { healthCards } from "./health.js";
import { pageHeader, outcomeList } from "./header.js";
import { modelParts, modelSection } from "./model.js";
import { observable } from "./observable.js";
import { followPointer } from "./operators.js";
import { sharedPatterns } from "./patterns.js";
import { printAll } from "./printing.js";
import { selectByAddress } from "./selection.js";
import { sliceFront } from "./slice.js";
import { frontTable } from "./table.js";
import { createTooltip } from "./tooltip.js";
import { referenceText, volumeChart } from "./volume.js";

const contents = JSON.parse(document.getElementById("contents").textContent);

const page = {
  ...contents,
  slice: observable(sliceFront(contents.models, contents.objectives, contents.limits, "runtime")),
  hovered: observable(null),
  selected: observable(null),
  operator: observable(null),
  tooltip: createTooltip(),
};

/** Opens a model: its address becomes that of the page, so that it can be linked and left again. */
page.select = selectByAddress(page);

const growth = element(
  "section",
  { id: "volume" },
  element("h2", {}, "How the search went"),
  element(
    "div",
    { class: "panels" },
    element(
      "div",
      { class: "panel" },
      element("h3", {}, "Hypervolume over evaluations"),
      element("p", { class: "small" }, referenceText(contents.volume.reference)),
      volumeChart([contents.volume.curve]),
    ),
    element("div", { class: "panel" }, element("h3", {}, "Health"), healthCards(contents.health)),
    contents.pruning === ""
      ? null
      : element(
          "div",
          { class: "panel" },
          element("h3", {}, "Pruned further"),
          element("p", {}, contents.pruning),
        ),
  ),
);

const hasModels = contents.models.length > 0;
document
  .getElementById("page")
  .append(
    ...[
      sharedPatterns(),
      pageHeader(contents),
      hasModels ? boardSelector(page) : null,
      hasModels ? frontViews(page) : null,
      hasModels ? modelSection(page) : null,
      hasModels ? frontTable(page) : null,
      hasModels ? growth : element("section", { id: "volume" }, healthCards(contents.health)),
      outcomeList(contents),
    ].filter((part) => part !== null),
  );
followPointer(page.operator);
printAll(page, (model) => modelParts(page, model));
