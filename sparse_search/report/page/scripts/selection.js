// Which model is shown: the one that the address names, else the first choice.

import { nearestMisfit } from "./slice.js";

const PREFIX = "#model-";

/** Follows the address; returns `select(id, byKeyboard)`, which changes it. Escape goes back. */
export function selectByAddress(page) {
  let origin = null;
  const follow = () => {
    const before = page.selected.get();
    const id = Number(location.hash.slice(PREFIX.length));
    const isNamed =
      location.hash.startsWith(PREFIX) && page.models.some((model) => model.id === id);
    page.selected.set(isNamed ? id : (firstChoice(page)?.id ?? null));
    return isNamed && page.selected.get() !== before;
  };
  const select = (id, byKeyboard) => {
    origin = byKeyboard ? document.activeElement : null;
    location.hash = PREFIX + id;
    // At once: the event that tells of a new address comes later.
    follow();
    reveal(byKeyboard);
  };
  // Without an address, the model that is shown follows the slice.
  page.slice.listen(follow);
  window.addEventListener("hashchange", () => {
    if (follow()) {
      reveal(false);
    }
  });
  window.addEventListener("keydown", (event) => {
    // In a form, Escape belongs to the control.
    if (event.key === "Escape" && !event.target.closest("form")) {
      page.tooltip.hide();
      page.hovered.set(null);
      history.replaceState(null, "", location.pathname + location.search);
      follow();
      origin?.focus();
      origin = null;
    }
  });
  return select;
}

/** The most accurate model that fits, else the one that misses the limits by least. */
function firstChoice(page) {
  const slice = page.slice.get();
  return slice.front[0] ?? nearestMisfit(page.models, page.objectives, slice)?.model;
}

/** Brings the model into view, and for the keyboard moves the focus to it. */
function reveal(takesFocus) {
  const title = document.querySelector("#model .model-title");
  title?.scrollIntoView({ block: "nearest" });
  if (takesFocus) {
    title?.focus({ preventScroll: true });
  }
}
