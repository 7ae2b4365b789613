// One client a page: what a tag or a module of the application's loads. The client itself is
// start.js, and what that imports.
//
// Nothing is imported statically: while workers of two releases serve, a part of one may be asked
// of the other, and browsers remember of each address that there was no module. So the client is
// asked for again below another address, of whichever release then answers.

// Names of forms and fields hide properties of `document`.
const native = Object.getPrototypeOf(document);
const html = Reflect.get(native, "documentElement", document);

/** What there is before the client has come. @type {any} */
const own = { left: Infinity, state: "checking" };
for (const name of ["extend", "reauthenticate", "restart", "watch"]) {
  own[name] = (/** @type {any} */ argument) => ready.then(() => own[name](argument));
}

/** @type {import("./quart-idle.d.ts").QuartIdle} */
export const idle = (html.quartIdle ??= own);

/** The client of this release: for a loader of another one. */
export const importClient = () => import("./start.js");

/**
 * @param {{ importClient: typeof importClient } | Promise<any>} release
 * @returns {ReturnType<typeof importClient>}
 */
async function load(release, tries = 1) {
  try {
    return await (await release).importClient();
  } catch (error) {
    // Of another release no hash is known.
    const tag = native.querySelector.call(document, "script[integrity][src$='/quart-idle.js']");
    if (tag || tries > 7) throw error;
  }
  const wait = Math.random() * 500 * 2 ** tries; // ms; about a minute in all, two at most
  await new Promise((resolve) => setTimeout(resolve, wait));
  return load(import(`../quart-idle.js?${tries + 1}`), tries + 1);
}

async function start() {
  const { client, look } = await load({ importClient });
  Object.defineProperties(own, Object.getOwnPropertyDescriptors(client));
  look();
}

/** @type {Promise<void>} */
let ready;
// Of the copies the first runs, as soon as there is a tag: the tag's own tells.
if (idle === own) ready = start();
else /** @type {any} */ (idle).begin?.();
