/**
 * Calls once when a signal aborts, at once if it has, until it is disposed of. A signal of `AbortSignal.any` lives as
 * long as somebody listens to it and its sources live: who does not stop listening keeps it, and all that hangs on it.
 */
export function onAbort(signal: AbortSignal, call: (reason: unknown) => void): Disposable {
  const aborted = (): void => call(signal.reason)
  signal.addEventListener('abort', aborted, { once: true })
  if (signal.aborted) aborted()
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', aborted) }
}
