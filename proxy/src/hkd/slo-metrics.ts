import type { FlavourStarts } from '@ostler/contract/slo.ts'
import { Gauge, type Registry } from 'prom-client'

/** A reading goes over many starts: those who look more often get the last one. */
const FRESH_MS = 600_000

/**
 * Counts in a registry what was kept of what flavours promise of their starts, on all nodes; no label names a desktop or a person.
 * @param read those of the last thirty days, of flavours that promise something; while it fails the last answer stands.
 */
export function watchPromises(registry: Registry, read: () => Promise<readonly FlavourStarts[]>): void {
  const registers = [registry]
  let last: Promise<readonly FlavourStarts[]> = Promise.resolve([])
  let readAt = -Infinity
  const latest = async (): Promise<readonly FlavourStarts[]> => {
    if (performance.now() - readAt < FRESH_MS) return await last
    readAt = performance.now()
    const before = last
    last = read().catch(() => before)
    return await last
  }
  new Gauge({
    name: 'ostler_hkd_slo_starts',
    help: 'Starts of the last 30 days on all nodes, of flavours that promise how soon they are there: good, late, failed.',
    labelNames: ['flavour', 'outcome'],
    registers,
    async collect() {
      this.reset()
      for (const { osf: flavour, starts, late, failed } of await latest()) {
        this.set({ flavour, outcome: 'good' }, starts - late - failed)
        this.set({ flavour, outcome: 'late' }, late)
        this.set({ flavour, outcome: 'failed' }, failed)
      }
    },
  })
  new Gauge({
    name: 'ostler_hkd_slo_budget_left_ratio',
    help: 'What is left of the starts that may be late or fail in 30 days; below zero: the promise is broken.',
    labelNames: ['flavour'],
    registers,
    async collect() {
      this.reset()
      for (const { osf: flavour, budget } of await latest())
        if (budget !== null) this.set({ flavour }, budget / 100)
    },
  })
}
