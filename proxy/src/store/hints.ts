import type { Log } from '@ostler/kit/log.ts'
import pg from 'pg'
import type { DatabaseAddress } from './open.ts'

/**
 * What changed: a desktop's row or wishes, who sits at it, an order for its console, a node's row, the configuration, or
 * that a backup was asked for, homes are to be moved, an image was added, storage is to be looked through, there is something
 * of which administrators are told, a job, or a table that lists of administrators show.
 */
export type HintChannel =
  | 'ostler_vm'
  | 'ostler_seat'
  | 'ostler_ticket'
  | 'ostler_host'
  | 'ostler_config'
  | 'ostler_backup'
  | 'ostler_home'
  | 'ostler_storage'
  | 'ostler_notice'
  | 'ostler_job'
  | 'ostler_admin'

const RECONNECT_MS = 500

/**
 * Listens for hints. A hint is never data: it says which row to look at again. After every (re)connection
 * `onHint` is called with `undefined`: anything may have changed meanwhile.
 *
 * @returns a disposer.
 */
export function listenForHints(
  address: DatabaseAddress,
  channels: readonly HintChannel[],
  onHint: (channel: HintChannel | undefined, id: number | undefined) => void,
  log: Log,
): AsyncDisposable {
  let closed = false
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined
  const again = (): void => {
    client = undefined
    if (!closed) timer = setTimeout(open, RECONNECT_MS)
  }
  const open = (): void => {
    const candidate = new pg.Client({ ...address, application_name: 'ostler hints', keepAlive: true })
    client = candidate
    candidate.on('error', (error) => log.warn('hints interrupted', { error }))
    candidate.once('end', again)
    candidate.on('notification', ({ channel, payload }) => {
      const id = Number(payload)
      onHint(channel as HintChannel, Number.isInteger(id) ? id : undefined)
    })
    const start = async (): Promise<void> => {
      await candidate.connect()
      for (const channel of channels) await candidate.query(`LISTEN ${channel}`)
      onHint(undefined, undefined)
    }
    start().catch((error: unknown) => {
      log.warn('hints not available', { error })
      candidate.end().catch(() => {})
    })
  }
  open()
  return {
    [Symbol.asyncDispose]: async () => {
      closed = true
      clearTimeout(timer)
      await client?.end().catch(() => {})
    },
  }
}
