// What a page shows in the address of the host: it can be sent on, reloaded, and left by the way back.
// The address is anybody's to make: of it only these names are taken, and the server judges every value.
"use strict";

const KEPT = ["section", "state", "severity", "due", "within", "ended_since", "key", "columns", "cursor", "policy", "action", "since", "until"];

function keptOf(query) {
  const all = new URLSearchParams(query);
  const kept = new URLSearchParams();
  for (const name of KEPT) for (const value of all.getAll(name)) kept.append(name, value);
  return kept;
}

window.keptOf = keptOf;

function shownUrl() {
  return new URL(document.getElementById("panel").getAttribute("hx-get"), location.href);
}

// Where the fragment of that state is; what is no part of a state, such as the project, stays what it is.
function urlOf(state) {
  const url = shownUrl();
  for (const name of KEPT) url.searchParams.delete(name);
  for (const [name, value] of keptOf(state)) url.searchParams.append(name, value);
  return url.pathname + url.search;
}

// `host`: push(state), and listen(callback) for the way back and forth. `first`: the state that the address had.
window.followAddress = (host, first) => {
  let current = keptOf(first).toString();
  const show = (state) => {
    current = keptOf(state).toString();
    window.htmx.ajax("GET", urlOf(current), { target: "#panel", swap: "outerMorph" });
  };
  document.addEventListener("htmx:after:swap", () => {
    if (!document.getElementById("panel")?.getAttribute("hx-get")) return;
    const state = keptOf(shownUrl().search).toString();
    if (state === current) return;
    current = state;
    host.push(state);
  });
  host.listen((state) => {
    if (keptOf(state).toString() !== current) show(state);
  });
  return show;
};

// Connect; a Forge page has its own way, in the shell of the bundle.
document.addEventListener("DOMContentLoaded", () => {
  const history = window.AP?.history;
  if (!history?.getState) return;
  history.getState("hash", (first) => {
    const show = window.followAddress(
      {
        push: (state) => history.pushState(state),
        listen: (told) => history.popState(() => history.getState("hash", (state) => told(state ?? ""))),
      },
      first ?? "",
    );
    if (first) show(first);
  });
});
