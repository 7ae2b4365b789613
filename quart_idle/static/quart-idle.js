// One client a page: modules may import this by other addresses, before or after the tag.

import { fire, html, on, page, watch, whenParsed } from "./browser.js";
import { extend, restart, session, start } from "./session.js";

const TAG_CAME = "quart-idle:tag";

const own = {
  watch,
  extend,
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

export const idle = (html.quartIdle ??= own);

function begin() {
  const prefix = new URL("..", import.meta.url).href;
  const tag = [...page.querySelectorAll("script")].find(
    ({ src }) => src.startsWith(prefix) && /\/quart-idle\.js(\?|$)/.test(src),
  );
  if (tag && !session.tag) start({ ...tag.dataset });
  return session.tag;
}

// Of the copies the first runs, as soon as there is a tag: the tag's own tells.
if (idle !== own) fire(html, TAG_CAME);
else if (!begin()) {
  on(html, TAG_CAME, begin);
  whenParsed(() => begin() || console.info("quart-idle: the page has no tag"));
}
