// The host's side of a framed app: answers its frames, and nobody else.
"use strict";
(() => {
  const root = document.documentElement;

  const frames = () => [...document.querySelectorAll("iframe[data-channel]")];

  const fetchToken = async (frame) => {
    const answer = await fetch(frame.dataset.token, { cache: "no-store" });
    if (!answer.ok) throw new Error("no token");
    return (await answer.json()).token;
  };

  const ask = async (frame, name, options = {}) => {
    const answer = await fetch(`/host/forge/${name}?${frame.dataset.query}`, { cache: "no-store", ...options });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    return answer.json();
  };

  // who looks, in which theme, at whose panels: what a real host has in its session
  const keep = (url) => {
    const here = new URLSearchParams(location.search);
    for (const name of ["as", "theme", "host"]) {
      if (here.has(name) && !url.searchParams.has(name)) url.searchParams.set(name, here.get(name));
    }
  };

  // what an app keeps in the address of its page
  const MARK = "#!";
  const kept = () => (location.hash.startsWith(MARK) ? decodeURIComponent(location.hash.slice(MARK.length)) : "");

  window.addEventListener("popstate", () => {
    frames().forEach((one) => one.contentWindow.postMessage({ channel: one.dataset.channel, popped: kept() }, one.dataset.origin));
  });

  const shared = {
    getState: kept,
    pushState: (_frame, args) => { history.pushState(null, "", MARK + encodeURIComponent(String(args.state))); },
    theme: () => root.dataset.colorMode,
    resize: (frame, args) => {
      const height = Math.min(Math.max(parseInt(args.height, 10) || 0, 20), 5000);
      frame.style.height = `${height}px`;
    },
  };

  // by host: what a frame may call, named as all.js and @forge/bridge name it
  const calls = {
    connect: {
      ...shared,
      getToken: fetchToken,
      getContext: (frame) => ({ jira: { issue: { id: frame.dataset.issueId, key: frame.dataset.issue } } }),
      sizeToParent: (frame) => { frame.style.height = "80vh"; },
    },
    forge: {
      ...shared,
      getContext: async (frame) => ({ ...await ask(frame, "context"), theme: { colorMode: root.dataset.colorMode } }),
      invoke: (frame, args) => {
        if (args.invokeType !== "ui-remote-fetch") throw new Error("only invokeRemote is simulated");
        const headers = { "Content-Type": "application/json" };
        return ask(frame, "invoke", { method: "POST", headers, body: JSON.stringify(args) });
      },
      navigate: (frame, args) => {
        const url = new URL(args.url, location.href);
        if (!["http:", "https:"].includes(url.protocol)) throw new Error("not an address of a page");
        if (url.origin === location.origin) keep(url);
        if (args.type === "new-tab") window.open(url, "_blank", "noopener");
        else location.assign(url);
      },
    },
  };

  // registered before the body is parsed, so that no early message of a frame is lost
  window.addEventListener("message", async (event) => {
    const frame = frames().find((one) => one.contentWindow === event.source);
    const message = event.data;
    if (!frame || event.origin !== frame.dataset.origin || !message || message.channel !== frame.dataset.channel) return;
    const answer = { channel: message.channel, id: message.id };
    try {
      const own = calls[frame.dataset.host];
      if (!Object.hasOwn(own, message.call)) throw new Error(`${message.call} is not simulated`);
      answer.result = await own[message.call](frame, message.args || {});
    } catch (error) {
      answer.error = error.message;
    }
    event.source.postMessage(answer, frame.dataset.origin);
  });

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const mode = root.dataset.colorMode === "dark" ? "light" : "dark";
      root.dataset.colorMode = mode;
      const here = new URL(location.href);
      here.searchParams.set("theme", mode);
      history.replaceState(null, "", here);
      document.querySelectorAll("input[name=theme]").forEach((one) => { one.value = mode; });
      frames().forEach((one) => one.contentWindow.postMessage({ channel: one.dataset.channel, theme: mode }, one.dataset.origin));
    });
  });
})();
