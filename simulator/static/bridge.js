// Stand-in for what Forge puts into a Custom UI: `window.__bridge.callBridge`, which @forge/bridge calls.
// It talks to its parent only, and only if that is the origin that the frame was made for.
"use strict";
(() => {
  const query = new URLSearchParams(location.search);
  const host = query.get("host");
  const channel = query.get("channel");
  const waiting = new Map();
  const root = document.documentElement;
  let last = 0;
  let themed = false;
  let sent = 0;

  const call = (name, args = {}) => new Promise((resolve, reject) => {
    if (!host || !channel || window.parent === window) {
      reject(new Error("this page is not in a frame of its host"));
      return;
    }
    last += 1;
    waiting.set(last, { resolve, reject });
    window.parent.postMessage({ channel, id: last, call: name, args }, host);
  });

  const wear = (mode) => {
    root.dataset.colorMode = mode;
    root.dataset.theme = "light:light dark:dark";
  };

  const own = {
    enableTheming: async () => {
      themed = true;
      wear(await call("theme"));
    },
  };

  const listeners = [];
  const placeOf = (state) => ({ pathname: "/", search: state ? `?${state}` : "", hash: "", key: state, state: null });
  own.createHistory = async () => ({
    action: "POP",
    location: placeOf(await call("getState")),
    listen: (listener) => listeners.push(listener),
    push: (path) => call("pushState", { state: path.replace(/^[^?]*[?]/, "") }),
  });

  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || event.origin !== host) return;
    const message = event.data;
    if (!message || message.channel !== channel) return;
    if (message.popped !== undefined) {
      listeners.forEach((listener) => listener(placeOf(message.popped), "POP"));
      return;
    }
    if (message.theme) {
      if (themed) wear(message.theme);
      return;
    }
    const open = waiting.get(message.id);
    if (!open) return;
    waiting.delete(message.id);
    if (message.error) open.reject(new Error(message.error));
    else open.resolve(message.result);
  });

  const fit = () => {
    const height = Math.ceil(document.body.getBoundingClientRect().bottom + window.scrollY);
    if (height === sent) return;
    sent = height;
    call("resize", { height }).catch(() => {});
  };

  window.__bridge = { callBridge: (name, payload) => (Object.hasOwn(own, name) ? own[name]() : call(name, payload)) };

  document.addEventListener("DOMContentLoaded", () => {
    new ResizeObserver(fit).observe(document.body);
  });
})();
