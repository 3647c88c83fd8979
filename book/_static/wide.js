// A box that scrolls sideways must be reachable by keyboard, and one that does not should not be.
(() => {
  const settle = () => {
    for (const box of document.querySelectorAll("figure.result > .wide")) {
      if (box.scrollWidth > box.clientWidth) {
        box.tabIndex = 0;
        box.setAttribute("role", "group");
        box.setAttribute("aria-label", "Figure, scrolls sideways");
      } else {
        for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
      }
    }
  };
  settle();
  window.addEventListener("resize", settle);
})();
