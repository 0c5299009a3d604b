import { ApiError, type Operation, type Said, send, unreachable } from './api.ts'
import { forgetPageKey } from './session.ts'

/** One event of a stream: `row`, `gone`, `total`, `changed`, `ready` or `failed`. */
export interface WatchEvent {
  readonly event: string
  readonly data: unknown
}

export interface Watcher {
  /** Events that came together. Those after `began` are of a new stream: what was known before is no longer. */
  readonly onEvents: (events: readonly WatchEvent[]) => void
  readonly onBegin: () => void
  /** The line is gone, and tried again; `undefined`: it is back. */
  readonly onTrouble: (trouble: ApiError | undefined) => void
}

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 30_000

/**
 * Watches an answer by server-sent events. A browser's own EventSource sends no header, so the stream is read here; a line that
 * breaks is opened again, later and later. Who is not signed in any more is shown the sign-in page.
 * @returns a function that ends it.
 */
export function watch<O extends Operation>(operation: O, said: Said<O>, watcher: Watcher): () => void {
  const ending = new AbortController()
  void keepWatching(operation, said, watcher, ending.signal)
  return () => ending.abort()
}

async function keepWatching<O extends Operation>(
  operation: O,
  said: Said<O>,
  watcher: Watcher,
  signal: AbortSignal,
): Promise<void> {
  let wait = FIRST_WAIT_MS
  while (!signal.aborted) {
    await visible(signal)
    // Browsers have six connections to a server: a page that nobody sees leaves its own to others.
    const hidden = new AbortController()
    const leave = (): void => {
      if (document.hidden) hidden.abort()
    }
    document.addEventListener('visibilitychange', leave)
    try {
      const both = AbortSignal.any([signal, hidden.signal])
      const response = await send(operation, said, { accept: 'text/event-stream', signal: both })
      watcher.onBegin()
      watcher.onTrouble(undefined)
      wait = FIRST_WAIT_MS
      await read(response, watcher)
    } catch (error) {
      if (isOver(signal)) return
      if (hidden.signal.aborted) continue
      const trouble = error instanceof ApiError ? error : unreachable()
      if (trouble.status === 401) return void forgetPageKey()
      watcher.onTrouble(trouble)
      if (isFinal(trouble.status)) return
    } finally {
      document.removeEventListener('visibilitychange', leave)
    }
    // Many pages that lost the same server do not come back at once.
    await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random())))
    wait = Math.min(LONGEST_WAIT_MS, wait * 2)
  }
}

/** It may abort while something is awaited. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted
}

/** Waits until the page is seen, or the signal aborts. */
async function visible(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (document.hidden && !signal.aborted) return
      document.removeEventListener('visibilitychange', look)
      signal.removeEventListener('abort', look)
      resolve()
    }
    document.addEventListener('visibilitychange', look)
    signal.addEventListener('abort', look)
  })
}

/** What is forbidden, not there or not understood stays so. */
function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 429
}

async function read(response: Response, { onEvents }: Watcher): Promise<void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (;;) {
    const value = (await reader?.read())?.value
    if (value === undefined) return
    const parts = (text + value).split('\n\n')
    text = parts.pop() ?? ''
    const events = parts.flatMap(eventOf)
    const failed = events.find(({ event }) => event === 'failed')
    if (events.length > 0) onEvents(events)
    if (failed !== undefined) {
      const { fault, text: said, advice } = failed.data as { fault: string; text: string; advice: string }
      throw new ApiError(503, fault, said, advice)
    }
  }
}

function eventOf(part: string): WatchEvent[] {
  const lines = part.split('\n')
  const field = (name: string): string | undefined =>
    lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
  const [event, data] = [field('event'), field('data')]
  return event === undefined || data === undefined ? [] : [{ event, data: JSON.parse(data) as unknown }]
}
