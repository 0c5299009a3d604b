import { type HostClocks, HOST_CLOCKS } from '@ostler/proxy/model/host-lease.ts'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/**
 * Leases that end three times as soon, for runs that must end soon themselves. What a fence has to end everything is what it is in
 * service, since that is the machine's time and not the lease's. A lease must be ten ticks long: nodes whose database is away for all
 * need several failed ones to agree on that.
 */
const QUICK: HostClocks = { tickMs: 700, leaseMs: 7_000, lostAfterMs: 12_000 }

export const CLOCKS = { real: HOST_CLOCKS, quick: QUICK } as const
export type ClockName = keyof typeof CLOCKS

/** The clocks of service, as the bundler writes them. */
const IN_PROGRAM = /\{tickMs:2e3,leaseMs:2e4,lostAfterMs:25e3\}/g

/**
 * Puts other clocks into a node's own copy of hkd: no key sets them, since nodes that do not agree on them end desktops, or start them
 * twice.
 * @throws Error when they are not where they should be.
 */
export function setClocks(program: string, clocks: HostClocks): void {
  const text = readFileSync(program, 'utf8')
  if (text.match(IN_PROGRAM)?.length !== 1) throw new Error(`${program} does not say its clocks once`)
  const { tickMs, leaseMs, lostAfterMs } = clocks
  const words = `{tickMs:${tickMs},leaseMs:${leaseMs},lostAfterMs:${lostAfterMs}}`
  // A file of its own: the one that is there may be a link to what was built.
  writeFileSync(`${program}.new`, text.replace(IN_PROGRAM, words))
  renameSync(`${program}.new`, program)
}
