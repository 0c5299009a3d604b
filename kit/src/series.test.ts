import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Series, Turnstile } from './series.ts'

/** A job that waits until it is let go, and keeps a record of what happened. */
function gatedJob() {
  const events: string[] = []
  const gates = new Map<string, () => void>()
  const job = async (key: string) => {
    events.push(`begin ${key}`)
    await new Promise<void>((resolve) => gates.set(key, resolve))
    events.push(`end ${key}`)
  }
  const letGo = async (key: string) => {
    gates.get(key)?.()
    await turn()
  }
  return { events, job, letGo }
}

describe('Series', () => {
  test('jobs for one key never overlap, and requests during a run become one more run', async () => {
    const { events, job, letGo } = gatedJob()
    const series = new Series(job)
    series.request('a')
    await turn()
    for (let i = 0; i < 5; i++) series.request('a')
    await turn()
    expect(events).toEqual(['begin a'])
    await letGo('a')
    expect(events).toEqual(['begin a', 'end a', 'begin a'])
    await letGo('a')
    await series.idle()
    expect(events).toEqual(['begin a', 'end a', 'begin a', 'end a'])
  })

  test('jobs for different keys run side by side', async () => {
    const { events, job, letGo } = gatedJob()
    const series = new Series(job)
    series.request('a')
    series.request('b')
    await turn()
    expect(events).toEqual(['begin a', 'begin b'])
    await letGo('b')
    await letGo('a')
    await series.idle()
    expect(events.slice(2)).toEqual(['end b', 'end a'])
  })

  test('a job may ask for itself and is run once more', async () => {
    let runs = 0
    const series: Series<string> = new Series(async (key) => {
      if (++runs < 3) series.request(key)
    })
    series.request('a')
    await series.idle()
    expect(runs).toBe(3)
  })

  test('a key that has gone quiet runs again when it is asked for', async () => {
    let runs = 0
    const series = new Series(async () => void (runs += 1))
    for (let i = 0; i < 3; i++) {
      series.request('a')
      await series.idle()
    }
    expect(runs).toBe(3)
  })
})

describe('Turnstile', () => {
  test('operations run one after the other in the order in which they came', async () => {
    const turnstile = new Turnstile()
    const events: string[] = []
    const operation = (name: string, turns: number) => async () => {
      events.push(`begin ${name}`)
      for (let i = 0; i < turns; i++) await turn()
      events.push(`end ${name}`)
      return name
    }
    const results = await Promise.all([turnstile.pass(operation('a', 3)), turnstile.pass(operation('b', 0))])
    expect(results).toEqual(['a', 'b'])
    expect(events).toEqual(['begin a', 'end a', 'begin b', 'end b'])
  })

  test('a failure goes to its own caller alone, and the next operation runs', async () => {
    const turnstile = new Turnstile()
    const failed = turnstile.pass(() => Promise.reject(new Error('mine')))
    const fine = turnstile.pass(async () => 'fine')
    await expect(failed).rejects.toThrow('mine')
    expect(await fine).toBe('fine')
  })
})
