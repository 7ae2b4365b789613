// Begins as soon as there is a tag, and is what applications drive.

import { page, watch, whenParsed } from "./browser.js";
import { extend, reauthenticate, restart, session, start } from "./session.js";

/** With what other copies of the client call: `begin`. */
export const client = {
  watch,
  extend,
  reauthenticate,
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
  /** @type {NodeListOf<HTMLScriptElement>} */
  const scripts = page.querySelectorAll("script[src*='/quart-idle.js']");
  const tag = [...scripts].find(({ src }) => src.startsWith(prefix));
  if (tag && !session.tag) start({ ...tag.dataset });
  return session.tag;
}

/** There may be a tag later. */
export function look() {
  if (!begin()) whenParsed(() => begin() || console.info("quart-idle: the page has no tag"));
}
