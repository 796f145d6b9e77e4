// A value that tells when it changes: how the views of a page stay in step.

/** An observable of `value`. */
export function observable(value) {
  const listeners = [];
  let current = value;
  return {
    get: () => current,
    set: (next) => {
      if (next !== current) {
        current = next;
        listeners.forEach((listener) => listener(current));
      }
    },
    /** Calls the listener at every change. */
    changed: (listener) => listeners.push(listener),
    /** Calls the listener now and at every change. */
    listen: (listener) => {
      listeners.push(listener);
      listener(current);
    },
  };
}
