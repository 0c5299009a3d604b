import { Gate } from '@ostler/kit/gate.ts'
import type { LiveConfig } from './live-config.ts'

/** Images that may wait for a place: more than a node has. */
const ROOM = 100_000

/** Lets as many disk images be worked on at once as `internal.hkd.max_heavy` says at the moment. */
export function heavyWork(live: LiveConfig): Gate {
  const gate = new Gate(live.values['internal.hkd.max_heavy'], ROOM)
  live.onChange((values) => {
    gate.width = values['internal.hkd.max_heavy']
  })
  return gate
}
