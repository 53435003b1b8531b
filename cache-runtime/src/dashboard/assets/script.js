// Keeps the figures of a page up to date. Everything is made by the server, of which this takes the parts that have changed; without
// this script a page shows what was so when it was asked for.
"use strict";

(() => {
  const address = document.getElementById("main").dataset.events;
  if (!address) return;
  const state = document.getElementById("live-state");
  const button = document.getElementById("live-switch");
  let source = null;
  let paused = false;
  // Streams that ended, one after the other, without bringing anything.
  let lost = 0;

  const say = (text) => {
    if (state.textContent !== text) state.textContent = text;
  };

  const show = (event) => {
    lost = 0;
    say("Live");
    const page = new DOMParser().parseFromString(event.data, "text/html");
    for (const fresh of page.querySelectorAll("[data-live]")) {
      const old = document.getElementById(fresh.id);
      // What somebody is in the middle of stays.
      if (old && !old.isEqualNode(fresh) && !old.contains(document.activeElement)) old.replaceWith(document.adoptNode(fresh));
    }
  };

  const open = () => {
    if (source || paused || document.hidden) return;
    source = new EventSource(address);
    source.onmessage = show;
    // The server ends each stream after a while, and the browser opens the next: only if that fails there is something to say.
    source.onerror = () => {
      lost += 1;
      if (source.readyState === EventSource.CLOSED) say("No figures: reload the page to try again");
      else if (lost > 1) say("Waiting for the service");
    };
  };

  const close = () => {
    if (source) source.close();
    source = null;
  };

  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume" : "Pause";
    if (paused) {
      close();
      say("Paused");
    } else {
      open();
    }
  });
  // A page that nobody sees costs the service nothing.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);

  document.getElementById("live").hidden = false;
  open();
})();
