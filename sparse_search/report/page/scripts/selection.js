// Which model is shown: the one that the address names, else the most accurate one that fits.

const PREFIX = "#model-";

/** Follows the address; returns `select(id, byKeyboard)`, which changes it. Escape goes back. */
export function selectByAddress(page) {
  let origin = null;
  const follow = () => {
    const id = Number(location.hash.slice(PREFIX.length));
    const isNamed =
      location.hash.startsWith(PREFIX) && page.models.some((model) => model.id === id);
    page.selected.set(isNamed ? id : ((page.slice.get().front[0] ?? page.models[0])?.id ?? null));
    return isNamed;
  };
  const select = (id, byKeyboard) => {
    origin = byKeyboard ? document.activeElement : null;
    if (location.hash === PREFIX + id) {
      reveal(byKeyboard);
    } else {
      location.hash = PREFIX + id;
    }
  };
  follow();
  window.addEventListener("hashchange", () => {
    if (follow()) {
      reveal(origin !== null);
    }
  });
  window.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
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

/** Brings the model into view, and for the keyboard moves the focus to it. */
function reveal(takesFocus) {
  const title = document.querySelector("#model .model-title");
  title?.scrollIntoView({ block: "nearest" });
  if (takesFocus) {
    title?.focus({ preventScroll: true });
  }
}
