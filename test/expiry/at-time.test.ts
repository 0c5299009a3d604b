import { run, RunError } from '@ostler/kit/run.ts'
import fc from 'fast-check'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'

const HOUR_MS = 3_600_000
const ZONES = ['UTC', 'Europe/Madrid', 'America/New_York', 'Pacific/Chatham', 'Asia/Kathmandu']

/** Local times at which words are read: an ordinary evening, and days on which a calendar has its edges. */
const MOMENTS = ['2026-11-21 21:25:40', '2026-12-31 23:59:59', '2027-02-28 00:00:00', '2027-03-27 14:30:05']
const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'

/** Two readers of times at one moment in one time zone: the real `at`, and ours in a process of its own. */
class Readers {
  readonly #folder = mkdtempSync(join(tmpdir(), 'ostler-at-'))
  readonly #environment: NodeJS.ProcessEnv
  readonly #ours: ChildProcess
  readonly #answers: AsyncIterator<string>

  constructor(zone: string, moment: string) {
    this.#environment = { ...process.env, TZ: zone, LC_ALL: 'C', FAKETIME: moment }
    // A program that changes its user takes no library from us: a copy does not change it.
    copyFileSync('/usr/bin/at', join(this.#folder, 'at'))
    chmodSync(join(this.#folder, 'at'), 0o700)
    const script = join(import.meta.dirname, 'read-times.ts')
    this.#ours = spawn('node', [script, moment], {
      env: this.#environment,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (this.#ours.stdout === null) throw new Error('no pipe')
    this.#answers = createInterface(this.#ours.stdout)[Symbol.asyncIterator]()
  }

  /** What both make of a text: milliseconds, or `refused`, or `past`. */
  async read(words: string): Promise<{ at: string; ours: string }> {
    return { at: await this.#at(words), ours: await this.#our(words) }
  }

  [Symbol.dispose](): void {
    this.#ours.stdin?.end()
    rmSync(this.#folder, { recursive: true })
  }

  async #our(words: string): Promise<string> {
    this.#ours.stdin?.write(`${words}\n`)
    const answer = await this.#answers.next()
    return String(answer.value)
  }

  /** The job that it makes is removed at once. */
  async #at(words: string): Promise<string> {
    const options = { timeoutMs: 10_000, env: this.#environment }
    try {
      const { stderr } = await run(join(this.#folder, 'at'), ['-v', '-q', 'z', ...words.split(' ')], {
        timeoutMs: 10_000,
        env: { ...this.#environment, LD_PRELOAD: FAKETIME },
        input: 'true\n',
      })
      const job = /^job (\d+) at/m.exec(stderr)?.[1]
      if (job !== undefined) await run('atrm', [job], options)
      const { stdout } = await run('date', ['-d', stderr.split('\n')[0] ?? '', '+%s'], options)
      return `${stdout.trim()}000`
    } catch (error) {
      if (!(error instanceof RunError)) throw error
      return error.stderr.includes('in the past') ? 'past' : 'refused'
    }
  }
}

const months = 'jan Feb MAR april may June jul august sep oct november dec'.split(' ')
const weekdays = 'mon Tuesday wed THU friday sat sunday'.split(' ')
const period = fc.constantFrom(
  'min',
  'minute',
  'minutes',
  'hour',
  'hours',
  'day',
  'days',
  'week',
  'weeks',
  'month',
  'years',
)
const two = (value: number): string => String(value).padStart(2, '0')
const year = 2027

const clock = fc.oneof(
  fc.constantFrom(
    'noon',
    'midnight',
    'teatime',
    'NOON',
    '2400',
    '0000',
    '12am',
    '12pm',
    '24:00',
    '13pm',
    '25:00',
    '9:75',
  ),
  fc
    .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }))
    .map(([h, m]) => `${two(h)}${two(m)}`),
  fc
    .tuple(
      fc.integer({ min: 0, max: 23 }),
      fc.constantFrom(':', "'", 'h', ',', '.'),
      fc.integer({ min: 0, max: 59 }),
    )
    .map(([h, by, m]) => `${h}${by}${two(m)}`),
  fc
    .tuple(fc.integer({ min: 1, max: 12 }), fc.constantFrom('am', 'pm', ' am', ' PM'))
    .map(([h, half]) => `${h}${half}`),
  fc
    .tuple(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 0, max: 59 }),
      fc.constantFrom('am', 'pm', ' am'),
    )
    .map(([h, m, half]) => `${h}:${two(m)}${half}`),
)
const future = fc.tuple(
  fc.integer({ min: year + 1, max: year + 9 }),
  fc.integer({ min: 1, max: 12 }),
  fc.integer({ min: 1, max: 28 }),
)
const day = fc.oneof(
  fc.constantFrom('today', 'tomorrow', 'next week', 'next day', 'next month', 'next year'),
  fc.constantFrom(...weekdays),
  fc.constantFrom(...weekdays).map((each) => `next ${each}`),
  fc.tuple(fc.constantFrom(...months), fc.integer({ min: 1, max: 28 })).map(([m, d]) => `${m} ${d}`),
  fc.tuple(fc.integer({ min: 1, max: 28 }), fc.constantFrom(...months)).map(([d, m]) => `${d} ${m}`),
  future.map(([y, m, d]) => `${y}-${two(m)}-${two(d)}`),
  future.map(([y, m, d]) => `${y - 2000}-${m}-${two(d)}`),
  future.map(([y, m, d]) => `${d}.${m}.${y}`),
  future.map(([y, m, d]) => `${d}.${m}.${y - 2000}`),
  future.map(([y, m, d]) => `${m}/${d}/${y}`),
  future.map(([y, m, d]) => `${two(m)}${two(d)}${y}`),
  future.map(([y, m, d]) => `${months[m - 1] ?? ''} ${d}, ${y}`),
  future.map(([y, m, d]) => `${d} ${months[m - 1] ?? ''} ${y}`),
)
const sum = fc.tuple(fc.integer({ min: 1, max: 60 }), period).map(([n, what]) => `+ ${n} ${what}`)
const phrase = fc
  .tuple(
    fc.oneof(
      fc.constant('now'),
      clock,
      day,
      fc.tuple(clock, day).map((each) => each.join(' ')),
    ),
    fc.option(sum),
  )
  .map(([base, later]) => (later === null ? base : `${base} ${later}`))

describe('beside the real at', () => {
  const rooms = ZONES.flatMap((zone) => MOMENTS.map((moment) => [zone, moment] as const))
  test.each(rooms)('what at takes means the same here: %s, %s', async (zone, moment) => {
    using readers = new Readers(zone, moment)
    const property = fc.asyncProperty(phrase, async (words) => {
      const found = await readers.read(words)
      // In a sum over a change of clocks at is off by the hour that it forgets to count again; ours stays at its hour.
      const isOff = words.includes('+') && Math.abs(Number(found.at) - Number(found.ours)) === HOUR_MS
      if (!isOff) expect({ words, ...found }).toEqual({ words, at: found.at, ours: found.at })
    })
    await fc.assert(property, { numRuns: 60, endOnFailure: true, seed: 7 })
  })
  test.each([
    ['Europe/Madrid', '2:30 2027-03-28'],
    ['Europe/Madrid', '1:30 2027-10-31 + 2 hours'],
    ['Europe/Madrid', 'noon 2027-03-27 + 24 hours'],
    ['America/New_York', '2:30 2027-03-14'],
    ['America/New_York', '1:30 2027-11-07'],
    ['America/New_York', '0:30 2027-11-07 + 90 minutes'],
  ])('when clocks are changed too: %s, %s', async (zone, words) => {
    using readers = new Readers(zone, '2026-11-21 21:25:40')
    const { at, ours } = await readers.read(words)
    expect(at).toMatch(/^\d+$/)
    expect(ours).toBe(at)
  })

  test.each(['4 pm noon', 'soon', 'next', 'now + 3', 'now + 3 fortnights', 'feb', '10:00 -', '2027-13-01'])(
    'what at refuses is refused: %s',
    async (words) => {
      using readers = new Readers('UTC', '2026-11-21 21:25:40')
      expect(await readers.read(words)).toEqual({ at: 'refused', ours: 'refused' })
    },
  )
})
