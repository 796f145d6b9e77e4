// The board selector: other limits for the same models, and what keeps the nearest one out.

import { element, fill } from "./dom.js";
import { bytes, parseSize, shortBytes } from "./format.js";
import { bottleneckSentence, fittingSentence } from "./sentences.js";
import { nearestMisfit, sliceFront } from "./slice.js";

const RUN = "run";
const OWN = "own";
const CMSIS_BY_CORE = "cmsis";

/** The section that chooses limits; sets `page.slice`. */
export function boardSelector(page) {
  const controls = makeControls(page);
  const found = element("p", { class: "fits", role: "status", id: "fits" });
  const near = element("p", { class: "near", id: "nearest" });
  listen(page, controls);
  page.slice.listen((slice) => {
    const nearest = nearestMisfit(page.models, page.objectives, slice);
    fill(found, fittingSentence(page, slice));
    fill(near, bottleneckSentence(nearest), " ", nearest ? linkTo(nearest.model) : null);
  });
  return element(
    "section",
    { id: "board" },
    element("h2", {}, "Which board?"),
    element(
      "form",
      { class: "controls no-print", submit: (event) => event.preventDefault() },
      labelled("Core", controls.core),
      labelled("Board", controls.board),
      labelled("RAM for the arena", controls.ram),
      labelled("Flash for the model", controls.flash),
      labelled("Kernels", controls.kernels),
    ),
    controls.problem,
    found,
    near,
  );
}

function listen(page, controls) {
  const apply = () => {
    const limits = readLimits(page, controls);
    if (limits) {
      const library = kernels(page, controls);
      const slice = sliceFront(page.models, page.objectives, limits, library);
      page.slice.set({ ...slice, emulated: boardOf(page, controls)?.emulated });
    }
  };
  controls.board.addEventListener("change", () => {
    takeBoard(page, controls);
    apply();
  });
  controls.core.addEventListener("change", () => {
    listBoards(page, controls);
    apply();
  });
  for (const input of [controls.ram, controls.flash]) {
    input.addEventListener("input", () => {
      controls.board.value = OWN;
      apply();
    });
  }
  controls.kernels.addEventListener("change", apply);
}

function linkTo({ id }) {
  return element("a", { class: "no-print", href: `#model-${id}` }, `Show model ${id}`);
}

function makeControls(page) {
  const cores = [...new Set(page.boards.map((board) => board.core))];
  const size = { type: "text", size: 8, autocomplete: "off", placeholder: "no limit" };
  const controls = {
    core: element(
      "select",
      { id: "choose-core" },
      option("", "any"),
      cores.map((c) => option(c, c)),
    ),
    board: element("select", { id: "choose-board" }),
    ram: element("input", { ...size, id: "choose-ram", "aria-describedby": "size-problem" }),
    flash: element("input", { ...size, id: "choose-flash", "aria-describedby": "size-problem" }),
    kernels: element("select", { id: "choose-kernels" }),
    problem: element("p", { class: "problem", id: "size-problem", role: "alert" }),
  };
  listBoards(page, controls);
  return controls;
}

/** Boards of the chosen core; what was chosen stays if it is among them. */
function listBoards(page, controls) {
  const before = controls.board.value || RUN;
  const core = controls.core.value;
  const boards = page.boards.filter((board) => core === "" || board.core === core);
  fill(
    controls.board,
    option(RUN, "limits of the run"),
    option(OWN, "own entry"),
    boards.map((board) => option(board.name, boardText(board))),
  );
  const stays = before === RUN || before === OWN || boards.some(({ name }) => name === before);
  controls.board.value = stays ? before : RUN;
  takeBoard(page, controls);
}

function boardText({ name, mcu, arena_bytes, flash_bytes, note }) {
  const sizes = `${shortBytes(arena_bytes)} RAM, ${shortBytes(flash_bytes)} flash`;
  return `${name} (${mcu}): ${sizes}${note ? ` (${note})` : ""}`;
}

/** Writes the limits of the chosen board into the fields, and offers the kernels of its core. */
function takeBoard(page, controls) {
  const choice = controls.board.value;
  const board = page.boards.find(({ name }) => name === choice);
  const limits = board ?? page.limits;
  if (choice !== OWN) {
    controls.ram.value = limits.arena_bytes === undefined ? "" : bytes(limits.arena_bytes);
    controls.flash.value = limits.flash_bytes === undefined ? "" : bytes(limits.flash_bytes);
  }
  const library = libraryOf(page, controls);
  const before = controls.kernels.value;
  fill(
    controls.kernels,
    option("runtime", "exported C"),
    library === "" ? null : option(CMSIS_BY_CORE, library),
  );
  controls.kernels.value = before === CMSIS_BY_CORE && library !== "" ? before : "runtime";
}

/** The CMSIS-NN variant of the chosen board or core; empty without one. */
function libraryOf(page, controls) {
  return boardOf(page, controls)?.cmsis_kernels ?? "";
}

/** The chosen board, or any one of the chosen core; undefined if neither is chosen. */
function boardOf(page, controls) {
  return (
    page.boards.find(({ name }) => name === controls.board.value) ??
    page.boards.find(({ core }) => core === controls.core.value)
  );
}

function kernels(page, controls) {
  return controls.kernels.value === CMSIS_BY_CORE ? libraryOf(page, controls) : "runtime";
}

/** Limits by figure; null, with a message, if a field holds no size. An empty field is no limit. */
function readLimits(page, controls) {
  const limits = controls.board.value === RUN ? { ...page.limits } : {};
  let readable = true;
  for (const [name, input] of [
    ["arena_bytes", controls.ram],
    ["flash_bytes", controls.flash],
  ]) {
    const size = input.value.trim() === "" ? undefined : parseSize(input.value);
    input.setAttribute("aria-invalid", String(size === null));
    if (size === null) {
      readable = false;
    } else if (size !== undefined) {
      limits[name] = size;
    }
  }
  const expected =
    "Expected a size such as 2048, 2 KB or 1.5 KB (of 1024 B), or nothing for no limit.";
  controls.problem.textContent = readable ? "" : expected;
  return readable ? limits : null;
}

function labelled(text, control) {
  return element("label", {}, element("span", {}, text), control);
}

function option(value, text) {
  return element("option", { value }, text);
}
