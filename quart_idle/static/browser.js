// The browser as it made itself; input and navigation.

export const PATIENCE = 5000; // ms for an answer

// Names of forms and fields hide properties of `document` and of forms.
/** @type {Native} */
export const native = (object) =>
  new Proxy(/** @type {any} */ ({}), {
    get(_, name) {
      const found = Reflect.get(Object.getPrototypeOf(object), name, object);
      return typeof found === "function" ? found.bind(object) : found;
    },
    set: (_, name, value) => Reflect.set(Object.getPrototypeOf(object), name, value, object),
  });

export const page = native(document);
export const html = page.documentElement;

/** @type {On} */
export function on(target, types, act, options = /** @type {any} */ (true)) {
  for (const type of types.split(" ")) target.addEventListener(type, act, options);
}

/**
 * The client is `async`: the page may still be coming.
 * @param {() => void} act
 */
export function whenParsed(act) {
  if (page.readyState === "loading") on(page, "DOMContentLoaded", () => act());
  else act();
}

/**
 * Without `new`: applications have an `Event` of their own.
 * @param {EventTarget} target
 * @param {string} type
 * @param {object | null} detail
 */
export function fire(target, type, detail = null, cancelable = false) {
  const event = page.createEvent("CustomEvent");
  event.initCustomEvent(type, true, cancelable, detail);
  return target.dispatchEvent(event);
}

// One clock stops while the machine sleeps, the other may be set.
let lastInput = performance.now();
let lastInputDate = Date.now();

/** What says which input counts. */
export const filter = { keysOnly: () => false };

/** @param {any} event of any of the types below */
function noteInput({ isTrusted, type, movementX, movementY, inputType }) {
  // A choice that a script makes has no `inputType`; dictated text has one, and no keys.
  if (!isTrusted || (type === "input" && !inputType)) return;
  // The layout may move under a pointer.
  if (type === "pointermove" && !movementX && !movementY) return;
  if (type !== "keydown" && filter.keysOnly()) return;
  lastInput = performance.now();
  lastInputDate = Date.now();
}

// It is a user's doing that a page is seen which was prerendered.
on(page, "prerenderingchange", noteInput);

/** @param {Window} target */
export function watch(target) {
  const types = "pointerdown pointermove keydown input wheel touchstart touchmove";
  on(target, types, noteInput, { capture: true, passive: true });
}

export const idleFor = () =>
  Math.round(Math.max(performance.now() - lastInput, Date.now() - lastInputDate));

// --- Navigation

// Or a download: browsers do not tell which.
let navigationBeganAt = -Infinity;
/** For how long a navigation may yet leave the page. */
export const leavesFor = () => navigationBeganAt + PATIENCE - performance.now();
// A link of another scheme, such as `mailto:`, leaves the page where it is.
let otherSchemeClickedAt = -Infinity;
/** The last click, and what was there. */
export let click = { at: -Infinity, content: new WeakSet() };
/** Whether what happens now may be the doing of who has just clicked in this very page. */
export const isByClick = () => page.hasFocus() && performance.now() - click.at < PATIENCE;

on(page, "click", (event) => {
  if (event.isTrusted) {
    click = { at: performance.now(), content: new WeakSet(page.body?.childNodes) };
  }
  const link = event.composedPath().find((/** @type {any} */ { protocol }) => protocol);
  if (link && !/^http/.test(link.protocol)) otherSchemeClickedAt = performance.now();
});

// Of what is there again it says nothing.
on(window, "popstate", () => (click.at = -Infinity));

export function noteNavigation() {
  const now = performance.now();
  if (now - otherSchemeClickedAt > 1000) navigationBeganAt = now;
}

/** @returns {any} */
export const arrival = () => performance.getEntriesByType("navigation")[0];

/**
 * Notes whose page the tab has now, since browsers put back what was in the fields of others'.
 * @param {string} [user]
 * @returns whether it has had pages of others
 */
export function noteUser(user) {
  const key = "quart-idle";
  try {
    const former = sessionStorage[key];
    const hadOthers = former && former !== user;
    if (user) sessionStorage[key] = hadOthers ? "others" : user;
    return hadOthers;
  } catch {}
}
