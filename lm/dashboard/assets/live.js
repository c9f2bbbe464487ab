"use strict";
// Keeps the curves and samples of an unfinished run up to date; a page that gains a section is loaded again.
(() => {
  const EVERY = 3000, place = document.getElementById("live").dataset.place;
  const source = "/data/" + place.split("/").map(encodeURIComponent).join("/");
  const finished = () => document.querySelector(".state.complete") !== null;
  const update = async () => {
    try {
      const answer = await fetch(source);
      if (answer.ok) {
        const fresh = await answer.json();
        if (fresh.state === "complete" || !window.redraw || !window.redraw(fresh)) return location.reload();
      }
    } catch { /* the dashboard has ended, or restarts: ask again */ }
    setTimeout(update, EVERY);
  };
  if (!finished()) setTimeout(update, EVERY);
})();
