/** Thrown when something did not happen in its time; the caller knows what that means to the user. */
export class DeadlineExceeded extends Error {
  readonly what: string
  readonly ms: number

  constructor(what: string, ms: number) {
    super(`${what} took longer than ${ms} ms`)
    this.name = 'DeadlineExceeded'
    this.what = what
    this.ms = ms
  }
}

/**
 * Runs `work` with a signal that aborts after `ms` milliseconds or with `outer`.
 *
 * @throws DeadlineExceeded naming `what` when time ran out, the reason of `outer` when that aborted,
 *   else whatever `work` threw. `work` itself must heed the signal for its resources to be freed.
 */
export async function withDeadline<T>(
  what: string,
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  outer?.throwIfAborted()
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(new DeadlineExceeded(what, ms)), ms)
  const passOn = (): void => abort.abort(outer?.reason)
  outer?.addEventListener('abort', passOn, { once: true })
  const aborted = new Promise<never>((_, reject) => {
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason as Error), { once: true })
  })
  try {
    return await Promise.race([work(abort.signal), aborted])
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', passOn)
  }
}
