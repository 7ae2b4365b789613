// Begins as soon as there is a tag, and is what applications drive.

import { html, on, page, watch, whenParsed } from "./browser.js";
import { extend, restart, session, start } from "./session.js";

/** @type {import("./quart-idle.d.ts").QuartIdle} */
export const client = {
  watch,
  extend,
  restart() {
    if (findTag()) restart();
    else start({}, false);
  },
  get left() {
    return session.left;
  },
  get state() {
    return session.phase;
  },
};

function findTag() {
  const prefix = new URL("..", import.meta.url).href;
  const tag = [...page.querySelectorAll("script")].find(
    ({ src }) => src.startsWith(prefix) && /\/quart-idle\.js(\?|$)/.test(src),
  );
  if (tag && !session.tag) start({ ...tag.dataset });
  return session.tag;
}

export function begin() {
  if (findTag()) return;
  on(html, "quart-idle:tag", findTag); // another copy is the tag's
  whenParsed(() => findTag() || console.info("quart-idle: the page has no tag"));
}
