// What is typed into marked forms: kept by the server, offered and discarded; asked about before a
// page is left with text that nobody keeps.

import { Bar, placeAll, removeAll } from "./bar.js";
import { idleFor, native, on, page as tab, whenParsed } from "./browser.js";
import { isOurs, request, send } from "./connection.js";
import { root, texts } from "./dialogs.js";
import { contentOf, fieldsOf, isCustom, isSecret, restore } from "./fields.js";
import { markedForms, nameOf, onEvent as onFormEvent } from "./forms.js";
import * as kept from "./kept.js";
import { session } from "./session.js";

/** Forms with text that the server was not sent. @type {Set<HTMLFormElement>} */
const unsaved = new Set();
/** Forms with text that cannot be kept. @type {Set<HTMLFormElement>} */
const unkept = new Set();
/** The addresses at which a form was typed into. @type {WeakMap<HTMLFormElement, Set<string>>} */
const addresses = new WeakMap();
/** Where a form's drafts were asked for last. @type {WeakMap<HTMLFormElement, string>} */
const offeredAt = new WeakMap();
/** Forms whose text was sent when they went. @type {WeakSet<HTMLFormElement>} */
const gone = new WeakSet();
let hasFailed = false; // the server, to keep some
/** Over when what was sent has been answered. @type {Promise<unknown>} */
let keeping = Promise.resolve();

const wording = {
  draft: "You have unsent changes from {time}.",
  restore: "Restore",
  restored: "Restored.",
  discard: "Discard",
  later: "Later",
  discarded: "Discarded.",
  undo: "Undo",
  kept: "What you typed is kept.",
  ...texts,
};

const address = () => location.pathname + location.search;
/** Whose page it is, and where. */
const here = () => session.lastUser + address();
let place = here();

const query = (more = {}) => ({ user: session.user, ...more });

/** @param {Parameters<typeof onEvent>[]} early events that came before this module */
export function start(early) {
  kept.start(wording.kept);
  whenParsed(offer);
  for (const event of early) onEvent(...event);
  if (tab.hidden) keep(); // nobody was told of that before this came
}

// --- Keeping

export function keep() {
  for (const form of session.keepsDrafts ? unsaved : []) {
    // First: what is typed before the answer puts it there again.
    unsaved.delete(form);
    const done = keepOne(form).catch(() => {
      hasFailed = true;
      unsaved.add(form);
      kept.noteGone(form, true);
    });
    keeping = Promise.all([keeping, done]);
  }
}

/** @param {HTMLFormElement} form */
async function keepOne(form) {
  const page = [...(addresses.get(form) ?? [])].pop();
  await post({ form: nameOf(form), page, fields: contentOf(form) });
  if (!unsaved.has(form)) kept.noteKept(form);
}

/** @param {object} draft */
async function post(draft) {
  const response = await send("POST", "drafts", query(), draft);
  if (!response.ok || !isOurs(response)) throw response;
}

/**
 * @param {HTMLFormElement} form
 * @param {Iterable<string>} pages addresses at which something may have been kept
 */
function drop(form, pages) {
  kept.noteGone(form, unsaved.has(form));
  const sent = [...(session.keepsDrafts ? pages : [])].map((page) =>
    send("DELETE", "drafts", query({ page, form: nameOf(form) })).catch(() => {}),
  );
  return Promise.all(sent);
}

/** The page is another user's. */
export function forget() {
  unsaved.clear();
  unkept.clear();
  kept.forget();
}

export function hasUnsent() {
  /** @param {Set<HTMLFormElement>} forms */
  const isAnyHere = (forms) => [...forms].some((form) => native(form).isConnected);
  return isAnyHere(unkept) || ((hasFailed || session.isOver) && isAnyHere(unsaved));
}

// --- Offering

async function offer(asked = /** @type {HTMLFormElement[]} */ ([...markedForms()])) {
  const askedAt = here();
  const fresh = asked.filter((form) => nameOf(form) && offeredAt.get(form) !== askedAt);
  if (!session.keepsDrafts || !fresh.length) return;
  for (const form of fresh) offeredAt.set(form, askedAt);
  await keeping; // another form of that name may have gone just now
  const answer = await request("GET", "drafts", query({ page: address() }));
  if (answer.drafts?.length) await untilInputRests();
  if (askedAt !== here()) return;
  for (const draft of /** @type {Draft[]} */ (answer.drafts ?? [])) {
    const form = fresh.find((one) => nameOf(one) === draft.form);
    if (form && `${contentOf(form)}` !== `${draft.fields}`) show(form, draft);
  }
}

/** Nothing moves away from under a pointer that is about to press it. */
async function untilInputRests() {
  for (let tries = 20; tries && idleFor() < 500; tries--) {
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** @param {number} age in milliseconds */
function ago(age) {
  const minutes = Math.max(1, Math.floor(age / 60_000));
  const words = new Intl.RelativeTimeFormat(/** @type {HTMLElement} */ (root.host).lang);
  const hours = Math.floor(minutes / 60);
  return hours ? words.format(-hours, "hour") : words.format(-minutes, "minute");
}

/**
 * @param {HTMLFormElement} form
 * @param {Draft} draft
 */
function show(form, draft) {
  const shownAt = here();
  const bar = new Bar(form);
  const later = () => bar.remove();
  const ask = () =>
    bar.say(wording.draft.replace("{time}", ago(draft.age)), [
      [wording.restore, putBack],
      [wording.discard, discard],
      [wording.later, later],
    ]);
  const putBack = async () => {
    bar.finish(wording.restored);
    (await restore(form, draft.fields))?.focus();
  };
  const discard = () => {
    // What was typed since was kept in its place.
    if (addresses.has(form)) unsaved.add(form);
    const dropped = drop(form, [draft.page]);
    bar.say(wording.discarded, [
      [wording.undo, () => undo(dropped)],
      [texts.dismiss, later],
    ]);
    bar.focus();
  };
  /** @param {Promise<unknown>} dropped */
  const undo = async (dropped) => {
    ask();
    bar.focus();
    await dropped;
    const { page, fields } = draft;
    // What was typed in the meantime is kept in its place; the page may be another user's by now.
    if (addresses.has(form) || shownAt !== here()) return;
    await post({ form: draft.form, page, fields }).catch(() => {});
  };
  ask();
}

/** Whether there is another address, user or form: htmx and Turbo change them without a load. */
export function look() {
  if (place !== here()) {
    place = here();
    removeAll();
    keep();
  }
  placeAll();
  keepOfThoseThatWent();
  offer();
}

function keepOfThoseThatWent() {
  for (const form of [...unsaved, ...unkept]) {
    if (native(form).isConnected) continue;
    unkept.delete(form);
    if (!session.keepsDrafts) unsaved.delete(form);
    else if (unsaved.has(form) && !gone.has(form)) keep();
    gone.add(form);
  }
}

// --- Typing and sending

/**
 * @param {any[]} path of an event
 * @returns {HTMLFormElement | undefined} the marked form that it is about
 */
function formIn(path) {
  for (const node of path) {
    const { nodeType, localName, form } = native(node);
    const found = localName === "form" ? node : form;
    if (nodeType === 1 && found && nameOf(found)) return found;
  }
}

/**
 * @param {"input" | "submit" | "focusin"} type
 * @param {any[]} path
 */
export function onEvent(type, path) {
  const form = formIn(type === "submit" ? path.slice(0, 1) : path);
  if (!form) return;
  if (type === "input") onInput(form, path);
  else if (type === "submit") onSubmit(form);
  else offer([form]);
}

/**
 * @param {HTMLFormElement} form
 * @param {any[]} path
 */
function onInput(form, path) {
  look();
  // Those in a shadow do not leave it.
  on(native(native(form).getRootNode()), "submit", onFormEvent);
  const typedAt = addresses.get(form) ?? new Set();
  typedAt.delete(address()); // the last one is the latest
  addresses.set(form, typedAt.add(address()));
  unsaved.add(form);
  gone.delete(form);
  kept.noteInput(form, path);
  if (!session.keepsDrafts || !canKeep(form, path)) unkept.add(form);
}

/**
 * Whether what was typed is some field's, and not what nobody can get at.
 * @param {HTMLFormElement} form
 * @param {any[]} path
 */
function canKeep(form, path) {
  const [field] = path;
  const isPlain = native(field).form === form && !isCustom(field);
  if (isSecret(field) || isPlain) return true;
  return fieldsOf(form).some((one) => path.includes(one));
}

/** @param {HTMLFormElement} form */
function onSubmit(form) {
  unsaved.delete(form);
  unkept.delete(form);
  drop(form, addresses.get(form) ?? [address()]);
}
