import type { Scope } from '@ostler/kit/scope.ts'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { type Db, poolUse } from '../store/open.ts'

/** How often is looked how late a timer comes: what waits for the processor waits as long. */
const LOOK_MS = 250

/** Counts in a registry what every process of ours has: its event loop, its processor, its memory, its database. */
export function watchProcess(registry: Registry, prefix: string, db: Db, scope: Scope): void {
  const registers = [registry]
  const delay = new Histogram({
    name: `${prefix}_event_loop_delay_seconds`,
    help: 'How late the event loop came to a timer, looked at four times a second.',
    buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
    registers,
  })
  let due = performance.now() + LOOK_MS
  const timer = setInterval(() => {
    const now = performance.now()
    delay.observe(Math.max(0, now - due) / 1_000)
    due = now + LOOK_MS
  }, LOOK_MS)
  scope.defer(() => clearInterval(timer))
  let counted = 0
  new Counter({
    name: `${prefix}_cpu_seconds_total`,
    help: 'Processor time, of all processes together.',
    registers,
    collect() {
      const { user, system } = process.cpuUsage()
      const seconds = (user + system) / 1e6
      this.inc(Math.max(0, seconds - counted))
      counted = seconds
    },
  })
  new Gauge({
    name: `${prefix}_resident_bytes`,
    help: 'Memory in use, of all processes together; what they share is counted for each.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  new Gauge({
    name: `${prefix}_database_connections`,
    help: 'Connections to the database.',
    labelNames: ['state'],
    registers,
    collect() {
      const { used, idle } = poolUse(db)
      this.set({ state: 'used' }, used)
      this.set({ state: 'idle' }, idle)
    },
  })
  new Gauge({
    name: `${prefix}_database_waiting`,
    help: 'Queries that wait for a connection to the database.',
    registers,
    collect() {
      this.set(poolUse(db).waiting)
    },
  })
}
