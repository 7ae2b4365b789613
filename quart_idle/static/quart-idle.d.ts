/** What the module `quart-idle.js` exports, and the events that it dispatches on `document`. */

export interface QuartIdle {
  /** Stay signed in, as the prompt's button does. */
  extend(): void;
  /** Begin anew after a sign-in without a load: the page is whose session it is now. */
  restart(): void;
  /**
   * Have the user prove again who they are, as the server wants of a view that is marked `fresh`: in
   * a window beside the page. With an answer to a request: only if it says so.
   * Whether they have done it; nothing is asked again of the server.
   */
  reauthenticate(answer?: Response | XMLHttpRequest): Promise<boolean>;
  /** Count input in a frame that is not found, in a shadow root or another frame: `idle.watch(frame.contentWindow)`. */
  watch(frame: Window): void;
  /** Milliseconds until the session ends, as the server said last; Infinity before it has. */
  readonly left: number;
  /** "checking" until the server has said what is left. */
  readonly state: "checking" | "live" | "warned" | "ended";
}

export const idle: QuartIdle;

export interface State {
  /** Milliseconds until the session ends. */
  left: number;
  /** Milliseconds until its lifetime is over; null: it has none. */
  total: number | null;
  /** How many milliseconds before the end the page is warned. */
  warning: number;
  keepalive?: "presence" | "activity";
}

declare global {
  interface DocumentEventMap {
    "quart-idle:state": CustomEvent<State>;
    /** Cancel it to show something else. */
    "quart-idle:warning": CustomEvent<{ left: number; extendable: boolean }>;
    /** The user is to prove again who they are. Cancel it to show something else. */
    "quart-idle:stale": CustomEvent<null>;
    /** They have done so. */
    "quart-idle:fresh": CustomEvent<null>;
    /** Cancel it to show something else. */
    "quart-idle:ended": CustomEvent<{ reason: string }>;
  }
}
