/** What the client's modules hand to each other: for checkers only. Times are milliseconds, moments are by `performance.now()`. */

/** What the server says. */
interface Frame {
  type: "state" | "ping" | "warn";
  left: number;
  total?: number | null;
  warning?: number;
  keepalive?: "presence" | "activity";
  /** The window over which it wants its pages back, should it go away. */
  retry?: number;
  /** Whether staying would help: the lifetime cannot be extended. */
  extendable?: boolean;
}

/** The client that runs; other copies of it leave that to the first. */
interface HTMLElement {
  quartIdle?: import("./quart-idle.d.ts").QuartIdle;
}

/** Not in all browsers. */
interface Document {
  prerendering?: boolean;
}

/** The attributes `data-…` of the page's tag. */
type Tag = Partial<
  Record<
    | "user"
    | "drafts"
    | "fresh"
    | "texts"
    | "siteName"
    | "expiredUrl"
    | "signOutUrl"
    | "signOutMethod"
    | "signInUrl",
    string
  >
>;

/** What the page knows of its session. */
interface Session {
  /** Undefined: the client has not begun. */
  tag?: Tag;
  /** "checking" until the server is heard; "ended" is final, unless the same user signs in again. */
  phase: "checking" | "live" | "warned" | "ended";
  /** Why, in phase "ended". */
  endReason: string;
  /** Whether staying would help, in phase "warned". */
  extendable: boolean;
  /** The user has asked to stay, and the server has not answered. */
  wantsToStay: boolean;
  /** ... since it cannot be reached. */
  isUnreachable: boolean;
  /** The page is frozen, or in the back/forward cache. */
  isAway: boolean;
  /** The tag of the user whose page this is; undefined: nobody's. */
  user?: string;
  /** Whether `user` is known: not after a sign-in without a load, until the server has said it. */
  isIdentified: boolean;
  /** Whose page it was when that was known. */
  lastUser?: string;
  /** Whether the server keeps drafts for the user. */
  keepsDrafts: boolean;
  deadline: number;
  /** All that the server has said so far: the detail of `quart-idle:state`. */
  told: Partial<import("./quart-idle.d.ts").State> & { retry: number };
  readonly left: number;
  readonly isOver: boolean;
  /** Whether it is no use to ask again: after an end by time, the same user may sign in again. */
  readonly isOverForGood: boolean;
  /** What becomes of what the connection hears. */
  hear(frame: Frame): void;
  end(reason: string): void;
  /** Whose session it is now. */
  identify(answer: { user?: string | null; drafts: boolean }): void;
  /** The server could not be reached. */
  fail(): void;
}

/** A field, or an element of the application's own that has a value. */
type Field = any;

/** What fields hold, by their names. */
type Content = [name: string, value: string][];

interface Draft {
  /** The name of its form. */
  form: string;
  /** The address at which it was typed. */
  page: string;
  fields: Content;
  /** How many milliseconds ago it was kept. */
  age: number;
}

/** `drafts.js`, once it is loaded. */
type Drafts = typeof import("./drafts.js") | undefined;

/** `signing.js`, once it is loaded. */
type Signing = typeof import("./signing.js") | undefined;

/** What happened in a form, and where: an event and its path. */
type FormEvent = [type: "input" | "submit" | "focusin", path: any[]];

type Timer = ReturnType<typeof setTimeout> | undefined;

type Query = Record<string, any> | undefined;

type On = (
  target: EventTarget,
  types: string,
  act: (event: any) => void,
  options?: AddEventListenerOptions | boolean,
) => void;

type Native = <T extends object>(object: T) => T;

type Add = <T extends keyof HTMLElementTagNameMap>(
  parent: ParentNode,
  tag: T,
  properties?: Partial<HTMLElementTagNameMap[T]>,
) => HTMLElementTagNameMap[T];
