import type { Output } from '@ostler/contract/agent-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { signalProcess } from '@ostler/kit/process-table.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { claimSeat, lostSeats, occupySeat, releaseSeats } from '../../proxy/src/store/seats.ts'
import { greet, KINDS, LABEL, PATIENCE_MS, SeatRoom } from '../fixtures/seat-room.ts'
import type { Viewer, ViewerEnd, ViewerKind } from '../fixtures/viewer.ts'
import { until } from '../fixtures/world.ts'

/** Who sits at a desktop, at two doors with scripted desktops behind them. Times are printed, not judged. */
let seats: SeatRoom
beforeAll(async () => {
  seats = await SeatRoom.open()
})
afterAll(async () => await seats[Symbol.asyncDispose]())

const PAIRS = KINDS.flatMap((first) => KINDS.map((second): [ViewerKind, ViewerKind] => [first, second]))

/** She was told that the desktop is somewhere else now, as far as her protocol has words for it. */
async function expectMoved(viewer: Viewer, to: ViewerKind): Promise<void> {
  const { status, text } = await viewer.ended
  const told = `the desktop was opened somewhere else (${LABEL[to]})`
  if (viewer.kind === 'browser') expect({ status, text }).toEqual({ status: 4409, text: told })
  else if (status === 409) expect(text).toBe(told)
  else expect({ status, text }).toEqual({ status: 101, text: '' }) // after 101 a stream can only end
}

function print(what: string, ms: number): void {
  console.log(`${what}: ${Math.round(ms)} ms`)
}

describe.each([0, 1] as const)('the second comes to door %i', (second) => {
  test.each(PAIRS)('%s, then %s: she wins, the first is cut and told (C-44, C-103)', async (was, comes) => {
    const desktop = await seats.newDesktop()
    const loser = seats.view(was, seats.doors[0], desktop)
    await loser.shown
    await seats.untilState(desktop, 'connected')
    const began = performance.now()
    const winner = seats.view(comes, seats.doors[second], desktop)
    await expectMoved(loser, comes)
    print('loser hears of it after the request', (await loser.ended).at - began)
    expect(await winner.shown).toBeDefined()
    await seats.untilAlive(winner)
    // Their numbers let the agent refuse a call that was overtaken on its way.
    expect(desktop.guest.starts).toMatchObject([{ seat: 1 }, { seat: 2 }])
    const row = await seats.rowOf(desktop)
    expect(row).toMatchObject({ state: 'connected', epoch: 2, label: LABEL[comes], displaced: LABEL[was] })
    expect(row?.door).toMatch(new RegExp(`/${seats.doors[second].process.pid}$`))
    await until('the log to say it', () =>
      seats.doors[0]
        .log()
        .some(
          ({ message, vm, because }) =>
            message === 'seat lost' && vm === desktop.id && String(because).includes(LABEL[comes]),
        ),
    )
    if (comes === 'nx')
      expect(winner.heard.map(({ text }) => text).join()).toMatch(/Aborting contending session/)
    await winner.leave()
    await seats.untilState(desktop, 'disconnected')
    expect(await seats.rowOf(desktop)).toMatchObject({ state: 'disconnected', epoch: 2, door: null })
  })

  test.each(PAIRS)('%s is still opening when %s comes: she wins, the first is told', async (was, comes) => {
    const first = Promise.withResolvers<never>()
    let calls = 0
    const desktop = await seats.newDesktop({
      start: () => (++calls === 1 ? first.promise : Promise.resolve(READY)),
    })
    first.promise.catch(() => {})
    const loser = seats.view(was, seats.doors[0], desktop)
    await until('the first to be at the agent', () => calls === 1)
    expect(await seats.userState(desktop)).toBe('connecting')
    const winner = seats.view(comes, seats.doors[second], desktop)
    await expectMoved(loser, comes)
    expect((await loser.ended).status).toBe(was === 'nx' ? 409 : 4409)
    expect(await winner.shown).toBeDefined()
    // What the agent says too late reaches nobody.
    first.reject(new Fault('session.failed', { reason: 'too late' }))
    await seats.untilAlive(winner)
    await winner.leave()
    await seats.untilState(desktop, 'disconnected')
  })
})

test('a browser that is behind with the pictures is told all the same', async () => {
  let connections = 0
  const desktop = await seats.newDesktop({
    display: (socket) => {
      if (++connections > 1) return greet(socket)
      const picture = Buffer.alloc(262_144, 'x')
      const paint = (): void => {
        while (socket.writable && socket.write(picture)) continue
      }
      socket.on('drain', paint)
      socket.resume()
      paint()
    },
  })
  const loser = seats.view('browser', seats.doors[0], desktop)
  await loser.shown
  let winner: Viewer
  {
    using _ = loser.stopReading()
    winner = seats.view('nx', seats.doors[0], desktop)
    await winner.shown
  }
  await expectMoved(loser, 'nx')
  await seats.untilAlive(winner)
  await winner.leave()
})

const READY = {
  ready: true,
  state: 'listening',
  userReadyMs: 0,
  displayReadyMs: 0,
  warnings: [],
  hooks: [],
} satisfies Output<'x_start'>

test.each([10, 50])(
  'of %i simultaneous connects one ends up with the desktop, all others are told (C-45)',
  async (count) => {
    const desktop = await seats.newDesktop()
    const viewers = Array.from({ length: count }, (_, index) =>
      seats.view(KINDS[index % 2] ?? 'nx', seats.doors[index % 4 < 2 ? 0 : 1], desktop),
    )
    const over = new Set<Viewer>()
    for (const viewer of viewers) void viewer.ended.then(() => over.add(viewer))
    const began = performance.now()
    await until('all but one to be told', () => over.size >= count - 1, PATIENCE_MS)
    print(`${count - 1} of ${count} know after`, performance.now() - began)
    const [winner] = viewers.filter((viewer) => !over.has(viewer))
    if (winner === undefined) throw new Error('nobody has the desktop')
    await winner.shown
    await seats.untilAlive(winner)
    for (const loser of over) {
      const { status, text } = await loser.ended
      expect(loser.kind === 'browser' ? [4409] : [101, 409]).toContain(status)
      if (status !== 101) expect(text).toMatch(/opened somewhere else \(ann, in a/)
    }
    expect(await seats.rowOf(desktop)).toMatchObject({
      state: 'connected',
      epoch: count,
      label: LABEL[winner.kind],
    })
    expect(await seats.userState(desktop)).toBe('connected')
    await winner.leave()
    await seats.untilState(desktop, 'disconnected')
  },
)

describe('hints are lost', () => {
  test.each(PAIRS)('%s, then %s at the other door: the first is cut all the same', async (was, comes) => {
    const desktop = await seats.newDesktop()
    const loser = seats.view(was, seats.doors[0], desktop)
    await loser.shown
    using _ = await seats.room.swallowHints()
    const winner = seats.view(comes, seats.doors[1], desktop)
    const shown = (await winner.shown) ?? 0
    await expectMoved(loser, comes)
    print('loser was cut after the winner saw something', (await loser.ended).at - shown)
    await seats.untilAlive(winner)
    await winner.leave()
  })

  test('the connection for hints breaks again and again: takes-over and orders to leave are not lost', async () => {
    const desktop = await seats.newDesktop()
    let holder = seats.view('nx', seats.doors[0], desktop)
    await holder.shown
    for (const [index, kind] of [...KINDS, ...KINDS, ...KINDS].entries()) {
      await seats.room.breakHints()
      const next = seats.view(kind, seats.doors[(index + 1) % 2 === 0 ? 0 : 1], desktop)
      await expectMoved(holder, kind)
      expect(await next.shown).toBeDefined()
      holder = next
    }
    await seats.room.breakHints()
    await seats.qa(`vm disconnect -f name=${desktop.name}`)
    expect(await holder.ended).toMatchObject({ status: 4403 })
  })
})

describe('a door that is no more', () => {
  test('is killed: somebody else has the desktop at once at another door', async () => {
    const doomed = await seats.room.openDoor()
    const desktop = await seats.newDesktop()
    const first = seats.view('browser', doomed, desktop)
    await first.shown
    await seats.untilState(desktop, 'connected')
    await doomed.crash()
    await first.ended
    const second = seats.view('nx', seats.doors[1], desktop)
    expect(await second.shown).toBeDefined()
    await seats.untilAlive(second)
    await second.leave()
    await seats.untilState(desktop, 'disconnected')
  })

  test('is killed, or stands still: its seats are free after the lease, and one that goes on has its own again', async () => {
    const [killed, still] = [await seats.room.openDoor(), await seats.room.openDoor()]
    const [ofKilled, ofStill] = [await seats.newDesktop(), await seats.newDesktop()]
    const gone = seats.view('nx', killed, ofKilled)
    const waits = seats.view('browser', still, ofStill)
    await Promise.all([gone.shown, waits.shown])
    await Promise.all([ofKilled, ofStill].map((desktop) => seats.untilState(desktop, 'connected')))
    const began = performance.now()
    await killed.crash()
    signalProcess(still.process, 'SIGSTOP')
    try {
      await gone.ended
      await Promise.all([ofKilled, ofStill].map((desktop) => seats.untilState(desktop, 'disconnected')))
      print('shown as free after', performance.now() - began)
      await until('the rows to be mended', async () => {
        const rows = await Promise.all([seats.rowOf(ofKilled), seats.rowOf(ofStill)])
        return rows.every((row) => row?.state === 'disconnected')
      })
    } finally {
      signalProcess(still.process, 'SIGCONT')
    }
    await seats.untilAlive(waits)
    await seats.untilState(ofStill, 'connected')
    await waits.leave()
    await seats.untilState(ofStill, 'disconnected')
    await still.crash()
  }, 90_000)

  test.each(PAIRS)(
    'stands still with %s while %s takes over: once it goes on it lets go, and frees nothing',
    async (was, comes) => {
      const desktop = await seats.newDesktop()
      const loser = seats.view(was, seats.doors[0], desktop)
      await loser.shown
      signalProcess(seats.doors[0].process, 'SIGSTOP')
      let began = 0
      const winner = seats.view(comes, seats.doors[1], desktop)
      try {
        expect(await winner.shown).toBeDefined()
        await seats.untilState(desktop, 'connected')
      } finally {
        began = performance.now()
        signalProcess(seats.doors[0].process, 'SIGCONT')
      }
      await expectMoved(loser, comes)
      print('the old one is cut after it goes on', (await loser.ended).at - began)
      await seats.untilAlive(winner)
      expect(await seats.rowOf(desktop)).toMatchObject({ state: 'connected', epoch: 2, label: LABEL[comes] })
      await winner.leave()
      await seats.untilState(desktop, 'disconnected')
    },
  )

  test('stands still before it reaches the display: it never does, and its client is told', async () => {
    const reached: string[] = []
    let calls = 0
    const first = Promise.withResolvers<undefined>()
    const desktop = await seats.newDesktop({
      start: async () => {
        if (++calls === 1) await first.promise
        return READY
      },
      display: (socket) => {
        reached.push(`client ${calls}`)
        greet(socket)
      },
    })
    const loser = seats.view('nx', seats.doors[0], desktop)
    await until('the first to be at the agent', () => calls === 1)
    signalProcess(seats.doors[0].process, 'SIGSTOP')
    const winner = seats.view('browser', seats.doors[1], desktop)
    try {
      expect(await winner.shown).toBeDefined()
      first.resolve(undefined)
    } finally {
      signalProcess(seats.doors[0].process, 'SIGCONT')
    }
    await expectMoved(loser, 'browser')
    expect((await loser.ended).status).toBe(409)
    expect(reached).toEqual(['client 2'])
    await seats.untilAlive(winner)
    await winner.leave()
  })

  test('is told to end: it gives its seats back at once', async () => {
    const ending = await seats.room.openDoor()
    const desktop = await seats.newDesktop()
    const viewer = seats.view('nx', ending, desktop)
    await viewer.shown
    await seats.untilState(desktop, 'connected')
    signalProcess(ending.first, 'SIGTERM')
    await viewer.ended
    await until('the row to be free', async () => (await seats.rowOf(desktop))?.door === null)
    expect(await seats.userState(desktop)).toBe('disconnected')
  })
})

test('an older claim frees, occupies and ends nothing of a newer one (C-103)', async () => {
  const desktop = await seats.newDesktop()
  const { seat: older } = await claimSeat(seats.room.db, desktop.id, 'somewhere/1', 'older')
  const { seat: newer, displaced } = await claimSeat(seats.room.db, desktop.id, 'somewhere/1', 'newer')
  expect(displaced).toBe('older')
  await releaseSeats(seats.room.db, [older])
  expect(await occupySeat(seats.room.db, older)).toBe(false)
  expect(await seats.rowOf(desktop)).toMatchObject({
    state: 'connecting',
    label: 'newer',
    epoch: newer.epoch,
  })
  expect(await lostSeats(seats.room.db, [older])).toEqual(
    new Map([[desktop.id, { label: 'newer', endedBy: null }]]),
  )
  expect(await lostSeats(seats.room.db, [newer])).toEqual(new Map())
  await releaseSeats(seats.room.db, [{ ...newer, door: 'elsewhere/1' }])
  expect(await seats.rowOf(desktop)).toMatchObject({ state: 'connecting' })
  await releaseSeats(seats.room.db, [newer])
  expect(await seats.rowOf(desktop)).toMatchObject({ state: 'disconnected', door: null })
})

test('the database is away for some seconds: streams stay, who comes is told so, and afterwards all is as before', async () => {
  const [first, second] = [await seats.newDesktop(), await seats.newDesktop()]
  const [native, browser] = [
    seats.view('nx', seats.doors[0], first),
    seats.view('browser', seats.doors[1], second),
  ]
  await Promise.all([native.shown, browser.shown])
  await Promise.all([first, second].map((desktop) => seats.untilState(desktop, 'connected')))
  {
    await using _ = await seats.room.takeDatabaseAway()
    for (const [kind, door] of [
      ['nx', seats.doors[1]],
      ['browser', seats.doors[0]],
    ] as const) {
      const { status } = await seats.view(kind, door, first).ended
      // An HTTP status, or a close code made from one.
      expect(Math.floor(status / 100)).toBeOneOf([5, 45])
    }
    for (let seconds = 0; seconds < 4; seconds++) {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      await seats.untilAlive(native)
      await seats.untilAlive(browser)
    }
  }
  await Promise.all([first, second].map((desktop) => seats.untilState(desktop, 'connected')))
  let winner: Viewer | undefined
  await until('the doors to find the database again', async () => {
    winner = seats.view('browser', seats.doors[1], first)
    return (await winner.shown) !== undefined
  })
  await expectMoved(native, 'browser')
  await winner?.leave()
  await browser.leave()
  await Promise.all([first, second].map((desktop) => seats.untilState(desktop, 'disconnected')))
})

describe('an administrator disconnects', () => {
  test.each(KINDS)('%s: she is told by whom, and the desktop is free', async (kind) => {
    const desktop = await seats.newDesktop()
    const viewer = seats.view(kind, seats.doors[1], desktop)
    await viewer.shown
    await seats.untilState(desktop, 'connected')
    expect(await seats.qa(`vm explain -f name=${desktop.name}`)).toContain(`: ${LABEL[kind]} (door `)
    const began = performance.now()
    expect(await seats.qa(`vm disconnect -f name=${desktop.name}`)).toBe(`disconnected: ${LABEL[kind]}`)
    const end = await viewer.ended
    print('she is out after', end.at - began)
    if (kind === 'browser')
      expect(end).toMatchObject({ status: 4403, text: 'the session was disconnected by an administrator' })
    expect(await seats.userState(desktop)).toBe('disconnected')
    await expect(seats.qa(`vm disconnect -f name=${desktop.name}`)).rejects.toMatchObject({
      code: 'desktop.nobodyThere',
    })
    const again = seats.view(kind, seats.doors[0], desktop)
    expect(await again.shown).toBeDefined()
    await again.leave()
  })

  test('somebody whose session is being opened: she gets the sentence as an answer', async () => {
    let calls = 0
    const never = new Promise<never>(() => {})
    const desktop = await seats.newDesktop({ start: () => (++calls, never) })
    const viewer = seats.view('nx', seats.doors[0], desktop)
    await until('her to be at the agent', () => calls === 1)
    await seats.qa(`vm disconnect -f name=${desktop.name}`)
    expect(await viewer.ended).toMatchObject({
      status: 403,
      text: 'the session was disconnected by an administrator',
    })
    expect(await seats.userState(desktop)).toBe('disconnected')
  })

  test('in the moment of a take-over: whatever comes first, nobody is left half', async () => {
    const desktop = await seats.newDesktop()
    for (let round = 0; round < 20; round++) {
      const first = seats.view(KINDS[round % 2] ?? 'nx', seats.doors[0], desktop)
      await first.shown
      const second = seats.view(KINDS[round % 3 === 0 ? 0 : 1], seats.doors[1], desktop)
      await new Promise((resolve) => setTimeout(resolve, round * 2))
      await seats.qa(`vm disconnect -f name=${desktop.name}`)
      await first.ended
      const ends: ViewerEnd[] = []
      void second.ended.then((end) => ends.push(end))
      // The order to leave has been carried out: a row that is taken now was claimed after it.
      await until(
        'it to be decided',
        async () => ends.length > 0 || (await seats.rowOf(desktop))?.state === 'connected',
      )
      if (ends.length === 0) {
        await seats.untilAlive(second)
        expect(await seats.userState(desktop)).toBe('connected')
        await second.leave()
      }
      await seats.untilState(desktop, 'disconnected')
    }
  })
})

describe('a native client hears how it goes', () => {
  test('at once, and again and again while the session is being provisioned (C-38, C-48)', async () => {
    let answers = 0
    const desktop = await seats.newDesktop({
      start: async () => {
        await new Promise((resolve) => setTimeout(resolve, 1_000))
        return ++answers < 5 ? { ...READY, ready: false, state: 'provisioning' } : READY
      },
    })
    const began = performance.now()
    const viewer = seats.view('nx', seats.doors[0], desktop)
    expect(await viewer.shown).toBeDefined()
    const times = [began, ...viewer.heard.map(({ at }) => at)]
    const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0))
    print('longest silence', Math.max(...gaps))
    expect(viewer.heard.length).toBeGreaterThanOrEqual(5)
    expect(viewer.heard.map(({ text }) => text)).toContain('X session is provisioning')
    await viewer.leave()
  })

  test('a session that still has its last client is asked again until it is free (C-49)', async () => {
    let calls = 0
    const desktop = await seats.newDesktop({
      start: () =>
        ++calls < 4
          ? Promise.reject(new Fault('session.failed', { reason: 'connected' }))
          : Promise.resolve(READY),
    })
    const viewer = seats.view('nx', seats.doors[0], desktop)
    expect(await viewer.shown).toBeDefined()
    expect(calls).toBe(4)
    await viewer.leave()
  })
})
