// A number links to the place, folded away, where it was computed. Unfold it in browsers that do not do so themselves.

(() => {

const unfold = () => {
  const fold = document.getElementById(location.hash.slice(1))?.closest("details.way-down");
  if (!fold || fold.open) return;
  fold.open = true;
  fold.scrollIntoView();
};

addEventListener("hashchange", unfold);
addEventListener("DOMContentLoaded", unfold);
})();
