import type { Log } from '@ostler/kit/log.ts'
import type { Duplex } from 'node:stream'
import { splice, type SpliceEnd } from '../../display/splice.ts'
import type { CountedStream } from '../door-metrics.ts'
import type { OpenDesktop } from '../open-desktop.ts'
import type { SeatShare } from '../seat-keeper.ts'

/** A stream that is open, and the claim that it belongs to. */
export interface CarriedStream extends Pick<OpenDesktop, 'display' | 'receivedAt' | 'claimedAt' | 'limits'> {
  readonly seat: Pick<SeatShare, 'epoch'>
}

/**
 * Carries a stream that is open, and says in the log when it shows, how it ended, and what went through it.
 * @returns which side closed, or what cut both.
 */
export async function carry(
  opened: CarriedStream,
  client: Duplex,
  {
    count,
    ...options
  }: { readonly head?: Buffer; readonly signal: AbortSignal; readonly count: CountedStream },
  log: Log,
): Promise<SpliceEnd['by']> {
  const began = performance.now()
  log.info('stream opens', { seat: opened.seat.epoch })
  const end = await splice(client, opened.display, {
    ...options,
    limits: opened.limits,
    onFirstByte: () => {
      const now = performance.now()
      count.firstByte((now - opened.receivedAt) / 1_000)
      log.info('stream shows', {
        seat: opened.seat.epoch,
        sinceRequestMs: Math.round(now - opened.receivedAt),
        sinceClaimMs: Math.round(now - opened.claimedAt),
      })
    },
  })
  count.ended(end)
  const reason: unknown = options.signal.reason
  const because = end.by === 'cut' && reason instanceof Error ? { because: reason.message } : {}
  const ms = Math.round(performance.now() - began)
  log.info('stream ended', { seat: opened.seat.epoch, ms, ...end, ...because })
  return end.by
}
