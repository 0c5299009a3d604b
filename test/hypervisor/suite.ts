import { Fault } from '@ostler/contract/fault.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { inTurn } from '../../proxy/src/hypervisor/in-turn.ts'
import type { DesktopSpec, Hypervisor } from '../../proxy/src/hypervisor/hypervisor.ts'

/** A place of its own on this machine where a driver makes desktops. Its guests halt soon when they are asked to. */
export interface DriverRoom extends AsyncDisposable {
  /** A new driver over the same place, as after a restart: it knows nothing that it cannot find. */
  open(): Hypervisor
  /** A desktop with an image that works, of a user of its own. */
  spec(id: number): DesktopSpec
  /** The same with an image that cannot be booted. */
  broken(id: number): DesktopSpec
  /** What exists because of running desktops, one line each: processes, mounts, control groups, devices, files. */
  remains(): string[]
  /** How the suite reaches into a desktop that runs; needed unless `can.files` is false. */
  readonly files?: GuestFiles
}

export interface GuestFiles {
  /** Paths on which a desktop's user may write: one that each boot finds empty, one that stays. */
  readonly fresh: string
  home(spec: DesktopSpec): string
  write(id: number, path: string, text: string): Promise<void>
  /** `undefined`: there is no such file. */
  read(id: number, path: string): Promise<string | undefined>
  /** Names that the desktop's programs see of all processes: their command lines. */
  processes(id: number): Promise<string[]>
}

export interface DriverAbilities {
  /** Desktops at once in one test. */
  readonly desktops: number
  /** Sequences of verbs that are tried, and the verbs of each. */
  readonly sequences: number
  readonly verbs: number
  /** Until a desktop that was asked to halt, or killed, is gone. */
  readonly endMs: number
  /** True: it has overlays that are kept. */
  readonly keeps?: boolean
  /** False: its guests have neither files nor processes of their own. */
  readonly files?: boolean
  /** Limit of one test. */
  readonly testMs?: number
}

const SEED = Number(process.env['OSTLER_SEED'] ?? 33)

/**
 * What every driver promises (proxy/src/hypervisor/hypervisor.ts), tried on real desktops of it. Nothing here knows how a driver
 * works: it calls the seven verbs, and looks at what is left.
 */
export function hypervisorSuite(
  name: string,
  openRoom: () => Promise<DriverRoom>,
  can: DriverAbilities,
): void {
  describe(`driver ${name}`, { timeout: can.testMs ?? 60_000 }, () => {
    let room: DriverRoom
    let driver: Hypervisor
    let ids: number[] = []
    let lastId = 0

    const open = (): Hypervisor => inTurn(room.open())
    const spec = (id: number = ++lastId): DesktopSpec => {
      if (!ids.includes(id)) ids.push(id)
      return room.spec(id)
    }
    const processes = (id: number, by = driver): string => by.observe(id).processes
    const untilProcesses = async (id: number, wanted: string, by = driver): Promise<void> => {
      const came = await comesToHold(() => processes(id, by) === wanted, can.endMs, 20)
      if (!came)
        throw new Error(`desktop ${id} is ${processes(id, by)}, not ${wanted}, after ${can.endMs} ms`)
    }
    const up = async (desktop: DesktopSpec): Promise<DesktopSpec> => {
      await driver.prepare(desktop)
      await driver.boot(desktop)
      expect(processes(desktop.id)).toBe('present')
      return desktop
    }
    const down = async (id: number): Promise<void> => {
      await driver.kill(id)
      await untilProcesses(id, 'absent')
      await driver.release(id)
    }

    beforeAll(async () => {
      room = await openRoom()
      driver = open()
    })
    afterAll(() => room[Symbol.asyncDispose]())
    afterEach(async () => {
      for (const id of ids) await down(id)
      ids = []
      const gone = await comesToHold(() => room.remains().length === 0, can.endMs, 50)
      expect(gone ? [] : room.remains(), 'what a test left behind').toEqual([])
    })

    test('a desktop that nobody prepared is absent, and ending or releasing it does nothing', async () => {
      const { id } = spec()
      await untilProcesses(id, 'absent')
      await driver.powerOff(id)
      await driver.kill(id)
      await driver.release(id)
      expect(processes(id)).toBe('absent')
      expect(room.remains()).toEqual([])
    })

    test('what is prepared does not run yet', async () => {
      const desktop = spec()
      await driver.prepare(desktop)
      expect(processes(desktop.id)).toBe('absent')
    })

    test('a desktop that was not prepared is not booted, and the reason is a fault', async () => {
      const desktop = spec()
      await expect(driver.boot(desktop)).rejects.toBeInstanceOf(Fault)
      expect(processes(desktop.id)).toBe('absent')
    })

    test('it lives from boot until it is asked to halt', async () => {
      const { id } = await up(spec())
      await driver.powerOff(id)
      await untilProcesses(id, 'absent')
    })

    test('it is gone after a kill', async () => {
      const { id } = await up(spec())
      await driver.kill(id)
      await untilProcesses(id, 'absent')
    })

    test('every verb may be called twice', async () => {
      const desktop = spec()
      await driver.prepare(desktop)
      await driver.prepare(desktop)
      await driver.boot(desktop)
      await driver.boot(desktop)
      expect(processes(desktop.id)).toBe('present')
      await driver.powerOff(desktop.id)
      await driver.powerOff(desktop.id)
      await driver.kill(desktop.id)
      await driver.kill(desktop.id)
      await untilProcesses(desktop.id, 'absent')
      await driver.release(desktop.id)
      await driver.release(desktop.id)
    })

    test('every verb may be called twice at once', async () => {
      const desktop = spec()
      const twice = async (verb: () => Promise<void>): Promise<void> =>
        void (await Promise.all([verb(), verb()]))
      await twice(() => driver.prepare(desktop))
      await twice(() => driver.boot(desktop))
      expect(processes(desktop.id)).toBe('present')
      await twice(() => driver.powerOff(desktop.id))
      await twice(() => driver.kill(desktop.id))
      await untilProcesses(desktop.id, 'absent')
      await twice(() => driver.release(desktop.id))
    })

    test('a second boot leaves the one that runs alone', async () => {
      const desktop = await up(spec())
      const before = room.remains()
      await driver.boot(desktop)
      expect(room.remains()).toEqual(before)
    })

    test('it can be booted again after it has ended', async () => {
      const desktop = await up(spec())
      await driver.kill(desktop.id)
      await untilProcesses(desktop.id, 'absent')
      await up(desktop)
    })

    test('a driver that was restarted finds what runs, and ends it', async () => {
      const [first, second] = [await up(spec()), await up(spec())]
      const next = open()
      await untilProcesses(first.id, 'present', next)
      expect(next.observe(second.id)).toEqual(driver.observe(second.id))
      await next.boot(first)
      await next.powerOff(first.id)
      await untilProcesses(first.id, 'absent', next)
      await next.kill(second.id)
      await untilProcesses(second.id, 'absent', next)
    })

    test('the boot of a broken image is a fault, and nothing of it runs', async () => {
      const desktop = room.broken(spec().id)
      const outcome = await driver
        .prepare(desktop)
        .then(() => driver.boot(desktop))
        .catch((error: unknown) => error)
      expect(outcome).toBeInstanceOf(Fault)
      expect((outcome as Fault).code).toMatch(/^(image\.unusable|container\.failed|machine\.\w+)$/)
      expect(processes(desktop.id)).toBe('absent')
    })

    test('a boot that failed is no obstacle to the next one', async () => {
      const { id } = spec()
      const broken = room.broken(id)
      await driver
        .prepare(broken)
        .then(() => driver.boot(broken))
        .catch(() => {})
      await up(room.spec(id))
    })

    test('after a kill nothing runs, also when it came while the desktop booted', async () => {
      const desktop = spec()
      for (const wait of [0, 2, 20, 60]) {
        await driver.prepare(desktop)
        const booting = driver.boot(desktop).catch((error: unknown) => error)
        await new Promise((resolve) => setTimeout(resolve, wait))
        await driver.kill(desktop.id)
        const outcome = await booting
        if (outcome !== undefined) expect(outcome).toBeInstanceOf(Fault)
        await untilProcesses(desktop.id, 'absent')
      }
      await up(desktop)
    })

    test('what a desktop runs on is not taken away while it runs', async () => {
      const desktop = await up(spec())
      await expect(driver.release(desktop.id)).rejects.toMatchObject({ code: 'desktop.stillRuns' })
      await expect(driver.prepare(desktop)).rejects.toMatchObject({ code: 'desktop.stillRuns' })
      await expect(driver.reset(desktop.id)).rejects.toMatchObject({ code: 'desktop.stillRuns' })
      expect(processes(desktop.id)).toBe('present')
    })

    test('desktops start, live and end side by side', async () => {
      const desktops = Array.from({ length: can.desktops }, () => spec())
      await Promise.all(desktops.map(up))
      const [odd, even] = [desktops.filter((_, at) => at % 2 === 1), desktops.filter((_, at) => at % 2 === 0)]
      await Promise.all(odd.map(({ id }) => driver.kill(id)))
      for (const { id } of odd) await untilProcesses(id, 'absent')
      for (const { id } of even) expect(processes(id)).toBe('present')
    })

    test.runIf(can.files !== false)('each boot finds an empty overlay and the home as it was', async () => {
      const files = filesOf(room)
      const desktop = await up(spec())
      const home = files.home(desktop)
      await files.write(desktop.id, `${home}/kept`, 'mine')
      await files.write(desktop.id, `${files.fresh}/gone`, 'not for long')
      expect(await files.read(desktop.id, `${files.fresh}/gone`)).toBe('not for long')
      await down(desktop.id)
      await up(desktop)
      expect(await files.read(desktop.id, `${home}/kept`)).toBe('mine')
      expect(await files.read(desktop.id, `${files.fresh}/gone`)).toBeUndefined()
    })

    test('a reset leaves nothing that it has written, and of others everything', async () => {
      const [first, second] = [await up(spec()), await up(spec())]
      expect(await driver.written(first.id)).not.toEqual([])
      for (const { id } of [first, second]) await down(id)
      const others = await driver.written(second.id)
      await driver.reset(first.id)
      await driver.reset(first.id)
      expect(await driver.written(first.id)).toEqual([])
      expect(await driver.written(second.id)).toEqual(others)
      expect(await open().written(first.id)).toEqual([])
      await up(first)
    })

    test.runIf(can.files !== false)('a desktop of a pool finds an empty home after a reset', async () => {
      const files = filesOf(room)
      const plain = spec()
      const path = plain.home.path.replace(/^[^.]*/, `@pool/${plain.id}`)
      const desktop = { ...plain, home: { ...plain.home, id: -plain.id, path } }
      await up(desktop)
      const file = `${files.home(desktop)}/secret`
      await files.write(desktop.id, file, 'of the first')
      await down(desktop.id)
      await up(desktop)
      expect(await files.read(desktop.id, file)).toBe('of the first')
      await down(desktop.id)
      await driver.reset(desktop.id)
      await up(desktop)
      expect(await files.read(desktop.id, file)).toBeUndefined()
    })

    test.runIf(can.keeps === true)(
      'an overlay that is kept is found again, until a reset, over another image, or by another user',
      async () => {
        const files = filesOf(room)
        const desktop = spec()
        const kept = `${files.fresh}/kept`
        const bootOf = async (what: DesktopSpec): Promise<string | undefined> => {
          await up(what)
          const found = await files.read(what.id, kept)
          await files.write(what.id, kept, what.overlay ?? '')
          await down(what.id)
          return found
        }
        const own = { ...desktop, overlay: 'persistent' as const }
        expect(await bootOf(own)).toBeUndefined()
        expect(await bootOf(own)).toBe('persistent')
        expect(await bootOf({ ...own, image: { ...own.image, id: own.image.id + 1 } })).toBeUndefined()
        await driver.reset(desktop.id)
        expect(await bootOf(own)).toBeUndefined()
        const hers = { ...desktop, overlay: 'user' as const }
        expect(await bootOf(hers)).toBeUndefined()
        const sister = { ...spec(), ownerId: hers.ownerId, overlay: 'user' as const }
        expect(await bootOf(sister)).toBe('user')
        await driver.reset(sister.id)
        expect(await bootOf(hers)).toBe('user')
        expect(await bootOf({ ...hers, ownerId: hers.ownerId + 100_000 })).toBeUndefined()
      },
    )

    test.runIf(can.files !== false)(
      'two desktops see neither the files nor the processes of each other',
      async () => {
        const files = filesOf(room)
        const [first, second] = [await up(spec()), await up(spec())]
        for (const folder of [files.fresh, files.home(first)]) {
          await files.write(first.id, `${folder}/secret`, 'of the first')
          expect(await files.read(second.id, `${folder}/secret`)).toBeUndefined()
        }
        const [seenByFirst, seenBySecond] = [
          await files.processes(first.id),
          await files.processes(second.id),
        ]
        expect(seenByFirst.length).toBeGreaterThan(0)
        expect(seenByFirst.length + seenBySecond.length).toBeLessThan(40)
      },
    )

    test(`any sequence of verbs leaves a desktop where a tiny model says (seed ${SEED})`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(VERB, { minLength: 1, maxLength: can.verbs }), async (verbs) => {
          const desktop = spec()
          const model = { prepared: false, runs: false }
          for (const verb of verbs) {
            const asked = await ask(verb, desktop)
            expect({ verb, ...asked }).toEqual({ verb, ...predict(model, verb) })
            if (verb === 'powerOff' || verb === 'kill') await untilProcesses(desktop.id, 'absent')
            expect({ verb, processes: processes(desktop.id) }).toEqual({
              verb,
              processes: model.runs ? 'present' : 'absent',
            })
          }
          await down(desktop.id)
        }),
        { seed: SEED, numRuns: can.sequences, endOnFailure: true },
      )
    })

    async function ask(verb: Verb, desktop: DesktopSpec): Promise<{ refused: boolean }> {
      try {
        if (verb === 'restart') driver = open()
        else if (verb === 'prepare' || verb === 'boot') await driver[verb](desktop)
        else await driver[verb](desktop.id)
        if (verb === 'restart') await comesToHold(() => processes(desktop.id) !== 'unknown', can.endMs, 5)
        return { refused: false }
      } catch (error) {
        if (!(error instanceof Fault)) throw error
        return { refused: true }
      }
    }
  })
}

function filesOf({ files }: DriverRoom): GuestFiles {
  if (files === undefined) throw new Error('this room says nothing about the files of its guests')
  return files
}

type Verb = 'prepare' | 'boot' | 'powerOff' | 'kill' | 'release' | 'reset' | 'restart'
const VERB = fc.constantFrom<Verb[]>('prepare', 'boot', 'powerOff', 'kill', 'release', 'reset', 'restart')

/** What a verb does, and whether it is refused: all that a caller may rely on. */
function predict(model: { prepared: boolean; runs: boolean }, verb: Verb): { refused: boolean } {
  switch (verb) {
    case 'prepare':
      if (model.runs) return { refused: true }
      model.prepared = true
      return { refused: false }
    case 'boot':
      if (!model.prepared) return { refused: true }
      model.runs = true
      return { refused: false }
    case 'release':
    case 'reset':
      if (model.runs) return { refused: true }
      model.prepared = false
      return { refused: false }
    case 'powerOff':
    case 'kill':
      model.runs = false
      return { refused: false }
    case 'restart':
      return { refused: false }
  }
}
