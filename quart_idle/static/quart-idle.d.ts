/** What the module `quart-idle.js` exports, and the events that it dispatches on `document`. */

export interface QuartIdle {
  /** Stay signed in, as the prompt's button does. */
  extend(): void;
  /** Begin anew after a sign-in without a load: the page is whose session it is now. */
  restart(): void;
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
    /** Cancel it to show something else. */
    "quart-idle:ended": CustomEvent<{ reason: string }>;
  }
}
