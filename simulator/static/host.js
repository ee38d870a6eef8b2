// Stand-in for Atlassian's all.js inside an app's page: the few AP calls that the simulator answers.
// It talks to its parent only, and only if that is the origin that the page was signed for (xdm_e).
"use strict";
(() => {
  const query = new URLSearchParams(location.search);
  const host = query.get("xdm_e");
  const channel = query.get("xdm_c");
  const options = document.currentScript.dataset.options || "";
  const waiting = new Map();
  const root = document.documentElement;
  const popped = [];
  let last = 0;
  let themed = false;
  let sent = "";

  const call = (name, args = {}) => new Promise((resolve, reject) => {
    if (!host || !channel || window.parent === window) {
      reject(new Error("this page is not in a frame of its host"));
      return;
    }
    last += 1;
    waiting.set(last, { resolve, reject });
    window.parent.postMessage({ channel, id: last, call: name, args }, host);
  });

  const tell = (name, args) => { call(name, args).catch(() => {}); };

  const answered = (promise, callback) => {
    if (typeof callback !== "function") return promise;
    promise.then(callback, () => {});
    return undefined;
  };

  const wear = (mode) => {
    root.dataset.colorMode = mode;
    root.dataset.theme = "dark:dark light:light";
  };

  window.addEventListener("message", (event) => {
    if (event.source !== window.parent || event.origin !== host) return;
    const message = event.data;
    if (!message || message.channel !== channel) return;
    if (message.theme) {
      if (themed) wear(message.theme);
      return;
    }
    if (message.popped !== undefined) {
      popped.forEach((callback) => callback({ newURL: message.popped }));
      return;
    }
    const open = waiting.get(message.id);
    if (!open) return;
    waiting.delete(message.id);
    if (message.error) open.reject(new Error(message.error));
    else open.resolve(message.result);
  });

  const content = () => document.querySelector(".ac-content") || document.querySelector("#content") || document.body;

  const fit = () => {
    const box = content().getBoundingClientRect();
    const height = Math.ceil(box.bottom + window.scrollY);
    if (sent === String(height)) return;
    sent = String(height);
    tell("resize", { width: "100%", height });
  };

  const start = () => {
    if (options.split(";").includes("resize:false")) return;
    new ResizeObserver(fit).observe(content());
    fit();
  };

  window.AP = {
    context: {
      getToken: (callback) => answered(call("getToken"), callback),
      getContext: (callback) => answered(call("getContext"), callback),
    },
    resize: (width, height) => tell("resize", height === undefined ? { height: content().scrollHeight } : { width, height }),
    history: {
      getState: (_type, callback) => answered(call("getState"), callback),
      pushState: (state) => tell("pushState", { state }),
      popState: (callback) => popped.push(callback),
    },
    sizeToParent: () => tell("sizeToParent"),
    theming: {
      initializeTheming: () => {
        themed = true;
        return call("theme").then(wear);
      },
    },
  };

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
