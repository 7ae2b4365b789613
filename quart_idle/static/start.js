// Begins as soon as there is a tag, and is what applications drive.

import { page, watch, whenParsed } from "./browser.js";
import { extend, restart, session, start } from "./session.js";

/** With what other copies of the client call: `begin`. */
export const client = {
  watch,
  extend,
  begin,
  restart() {
    if (begin()) restart();
    else start({}, false);
  },
  get left() {
    return session.left;
  },
  get state() {
    return session.phase;
  },
};

/** @returns what the tag says, if there is one */
function begin() {
  const prefix = new URL("..", import.meta.url).href;
  const tag = [...page.querySelectorAll("script")].find(
    ({ src }) => src.startsWith(prefix) && /\/quart-idle\.js(\?|$)/.test(src),
  );
  if (tag && !session.tag) start({ ...tag.dataset });
  return session.tag;
}

/** There may be a tag later. */
export function look() {
  if (!begin()) whenParsed(() => begin() || console.info("quart-idle: the page has no tag"));
}
