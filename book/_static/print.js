// Paper is white, and opens nothing: while a page is printed it is light and unfolded.
(() => {
  const root = document.documentElement;
  let theme, folded;
  addEventListener("beforeprint", () => {
    theme = root.dataset.theme;
    folded = [...document.querySelectorAll("details:not([open])")];
    root.dataset.theme = "light";
    folded.forEach((one) => (one.open = true));
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = theme;
    folded.forEach((one) => (one.open = false));
  });
})();
