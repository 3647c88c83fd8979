// Saved widgets on a page are drawn by scripts of this site; without this they would ask other
// hosts for whatever they miss. Loaded after require.js and before the widget manager.
(() => {
  const here = new URL(".", document.currentScript.src).href;
  window.requirejs.config({
    paths: {
      // One file defines all these modules; each looks for its fonts beside itself.
      "@jupyter-widgets": `${here}vendor/html-manager`,
      "@jupyter-widgets/html-manager/dist": `${here}vendor/html-manager`,
      anywidget: `${here}vendor/anywidget/index`,
    },
  });

  // Text in widgets is handed to version 2 of MathJax; pages have version 3, if any.
  document.addEventListener("DOMContentLoaded", () => {
    const math = window.MathJax;
    if (!math?.startup || math.Hub) return;
    math.Hub = {
      Queue([, , element]) {
        math.startup.promise.then(() => math.typesetPromise([element]));
      },
    };
  });
})();
