import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import fc from 'fast-check'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { watchLastWindow, type XPlace } from './last-window.ts'
import { xAuthority } from './x-authority.ts'

/** Longer than the time after which a session without windows is over. */
const LONGER_THAN_GRACE_MS = 6_500
const PATIENCE_MS = 40_000

const folder = mkdtempSync(join(tmpdir(), 'ostler-last-window-'))
/** A cookie for whatever display we get. */
const authority = join(folder, 'Xauthority')
beforeAll(() => {
  for (const program of ['Xvfb', 'nxagent', 'openbox', 'python3', 'xdotool'])
    if (!existsSync(`/usr/bin/${program}`))
      throw new Error(`these tests need ${program}; "npm test" installs it`)
  writeFileSync(authority, xAuthority(Array.from({ length: 1_000 }, (_, display) => display)), {
    mode: 0o600,
  })
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Starts a program that ends with the scope. */
function start(scope: Scope, command: string, args: readonly string[], display?: number): ChildProcess {
  const child = spawn(command, args, {
    env: {
      PATH: process.env['PATH'],
      LC_ALL: 'C.UTF-8',
      HOME: folder,
      XAUTHORITY: authority,
      ...(display === undefined ? {} : { DISPLAY: `:${display}` }),
    },
    stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  scope.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
  })
  return child
}

/** An X server that asks for the cookie. @returns its display. */
async function startServer(scope: Scope): Promise<number> {
  const options = ['-displayfd', '3', '-auth', authority, '-screen', '0', '640x480x24']
  const server = start(scope, 'Xvfb', [...options, '-nolisten', 'tcp', '-noreset'])
  const told = once(server.stdio[3] as NodeJS.ReadableStream, 'data')
  const ended = once(server, 'exit').then(() => {
    throw new Error('Xvfb ended at once')
  })
  const [number] = (await Promise.race([told, ended])) as [Buffer]
  ended.catch(() => {}) // it ends with the test
  return Number(number.toString())
}

function placeOf(display: number): XPlace {
  return { socket: `/tmp/.X11-unix/X${display}`, authority }
}

/** A program with windows. */
interface Windows {
  /** Opens, closes … windows: `open NAME`, `pop-up NAME`, `close NAME`, `withdraw NAME`, more with `;` between. */
  do(actions: string): Promise<void>
}

function startWindows(scope: Scope, display: number): Windows {
  const program = start(scope, 'python3', [join(import.meta.dirname, 'x-windows.py')], display)
  const lines = createInterface({ input: program.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  return {
    do: async (actions) => {
      program.stdin?.write(`${actions}\n`)
      if ((await lines.next()).done === true) throw new Error('the program with the windows has ended')
    },
  }
}

/** A server, a program with windows, and how often the last one was told to be gone. */
async function startScreen(scope: Scope) {
  const display = await startServer(scope)
  return { display, windows: startWindows(scope, display), ...watchedCalls(scope) }
}

function watchedCalls(scope: Scope) {
  let calls = 0
  const watch = (place: XPlace): (() => void) => {
    const stop = watchLastWindow(place, () => (calls += 1))
    scope.defer(stop)
    return stop
  }
  const isTold = (): Promise<boolean> => comesToHold(() => calls > 0, PATIENCE_MS, 50)
  return { watch, isTold, calls: () => calls }
}

describe.concurrent('on a real X server', () => {
  test('the end of the last of some windows is told, once', async () => {
    await using scope = new Scope()
    const { display, windows, watch, isTold, calls } = await startScreen(scope)
    await windows.do('open one; open two')
    watch(placeOf(display))
    await windows.do('close one')
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
    await windows.do('close two')
    expect(await isTold()).toBe(true)
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(1)
  })

  test('a program that has not opened one yet is waited for', async () => {
    await using scope = new Scope()
    const { display, windows, watch, isTold, calls } = await startScreen(scope)
    watch(placeOf(display))
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
    await windows.do('open one; close one')
    expect(await isTold()).toBe(true)
  })

  test('a window that comes in time after the last one keeps the session', async () => {
    await using scope = new Scope()
    const { display, windows, watch, calls } = await startScreen(scope)
    await windows.do('open splash')
    watch(placeOf(display))
    await sleep(1_000)
    await windows.do('close splash; open program')
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
  })

  test('a screen of greeting that no window manager may touch is not taken for the first window', async () => {
    await using scope = new Scope()
    const { display, windows, watch, isTold, calls } = await startScreen(scope)
    watch(placeOf(display))
    await windows.do('pop-up splash')
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
    await windows.do('open program')
    await windows.do('close program')
    expect(await isTold()).toBe(true)
  })

  test('tool tips that come and go do not hold up the end', async () => {
    await using scope = new Scope()
    const { display, windows, watch, isTold } = await startScreen(scope)
    await windows.do('open one')
    watch(placeOf(display))
    await sleep(LONGER_THAN_GRACE_MS)
    await windows.do('close one')
    const end = isTold().then((told) => (told ? 'told' : 'never told'))
    let now = 'not yet'
    while (now === 'not yet') {
      await windows.do('pop-up tip; close tip')
      now = await Promise.race([end, sleep(500, 'not yet')])
    }
    expect(now).toBe('told')
  })

  test('a watch that was ended tells nothing', async () => {
    await using scope = new Scope()
    const { display, windows, watch, calls } = await startScreen(scope)
    await windows.do('open one')
    const stop = watch(placeOf(display))
    await sleep(1_000)
    await windows.do('close one')
    await sleep(1_000)
    stop()
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
  })

  test('the end of the display is not the end of the last window', async () => {
    await using outer = new Scope()
    const { watch, calls } = watchedCalls(outer)
    {
      await using scope = new Scope()
      const display = await startServer(scope)
      await startWindows(scope, display).do('open one')
      watch(placeOf(display))
      await sleep(500)
    }
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
  })

  test.each(['wrong', 'cut short', 'gone'])('with a cookie that is %s nothing is told', async (what) => {
    await using scope = new Scope()
    const { display, windows, watch, calls } = await startScreen(scope)
    const spoilt = join(folder, `cookie ${what}`)
    if (what !== 'gone')
      writeFileSync(spoilt, what === 'wrong' ? xAuthority([1]) : xAuthority([1]).subarray(0, 3))
    watch({ ...placeOf(display), authority: spoilt })
    await windows.do('open one; close one')
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
  })
})

describe.concurrent('on a real nxagent whose windows stand on a screen with a window manager', () => {
  /** As an application's session is shown. */
  async function startRootless(scope: Scope) {
    const outside = await startServer(scope)
    start(scope, 'openbox', ['--sm-disable'], outside)
    const display = freeDisplay()
    const options = ['-R', '-display', `:${outside}`, '-auth', authority, '-nolisten', 'tcp', `:${display}`]
    start(scope, 'nxagent', options, outside).stdout?.resume()
    const isThere = (): boolean => existsSync(placeOf(display).socket)
    if (!(await comesToHold(isThere, PATIENCE_MS, 100))) throw new Error('nxagent has no socket')
    const xdotool = (...args: string[]): Promise<string> =>
      run('xdotool', args, { env: { DISPLAY: `:${outside}`, XAUTHORITY: authority } }).then(
        ({ stdout }) => stdout,
        () => '',
      )
    const isVisible = async (name: string): Promise<boolean> =>
      (await xdotool('search', '--onlyvisible', '--name', `^${name}$`)) !== ''
    return { display, windows: startWindows(scope, display), xdotool, isVisible, ...watchedCalls(scope) }
  }

  let last = 600
  function freeDisplay(): number {
    do last += 1
    while (existsSync(`/tmp/.X11-unix/X${last}`) || existsSync(`/tmp/.X${last}-lock`))
    return last
  }

  test('a window that the user has minimised is still there', async () => {
    await using scope = new Scope()
    const { display, windows, xdotool, isVisible, watch, isTold, calls } = await startRootless(scope)
    await windows.do('open letter')
    watch(placeOf(display))
    expect(await comesToHold(() => isVisible('letter'), PATIENCE_MS, 200)).toBe(true)
    const window = (await xdotool('search', '--name', '^letter$')).trim().split('\n').at(-1) ?? ''
    await xdotool('windowminimize', window)
    expect(await comesToHold(async () => !(await isVisible('letter')), PATIENCE_MS, 200)).toBe(true)
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
    await windows.do('close letter')
    expect(await isTold()).toBe(true)
  })

  test('a window that its program has put away is not', async () => {
    await using scope = new Scope()
    const { display, windows, isVisible, watch, isTold, calls } = await startRootless(scope)
    await windows.do('open letter')
    watch(placeOf(display))
    expect(await comesToHold(() => isVisible('letter'), PATIENCE_MS, 200)).toBe(true)
    await sleep(LONGER_THAN_GRACE_MS)
    expect(calls()).toBe(0)
    await windows.do('withdraw letter')
    expect(await isTold()).toBe(true)
  })
})

test('whatever a server says, the watch ends or waits, and nobody is harmed', async () => {
  /** A greeting of a server without vendor and formats; what follows is taken for its answers. */
  const greeting = Buffer.alloc(48)
  greeting.writeUInt8(1, 0)
  greeting.writeUInt16LE(10, 6)
  const socket = join(folder, 'server')
  let said: Uint8Array = Buffer.alloc(0)
  const server = createServer((connection) => {
    connection.on('error', () => {})
    connection.end(said)
    connection.resume()
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  const answer = fc.record({
    kind: fc.oneof(fc.constantFrom(0, 1, 17, 18, 19), fc.nat(255)),
    sequence: fc.nat(6),
    length: fc.oneof(fc.constantFrom(0, 1, 2), fc.nat(2 ** 32 - 1)),
    rest: fc.uint8Array({ minLength: 24, maxLength: 40 }),
  })
  const sensible = fc.array(answer).map((answers) => {
    const messages = answers.map(({ kind, sequence, length, rest }) => {
      const head = Buffer.from([kind, 0, sequence, 0, 0, 0, 0, 0])
      head.writeUInt32LE(length, 4)
      return Buffer.concat([head, rest])
    })
    return Buffer.concat([greeting, ...messages])
  })
  try {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 200 }), sensible), async (bytes) => {
        said = bytes
        const gone = new Promise((resolve) =>
          server.once('connection', (connection) => connection.once('close', resolve)),
        )
        let calls = 0
        const stop = watchLastWindow({ socket, authority }, () => (calls += 1))
        await gone
        stop()
        expect(calls).toBe(0)
      }),
      { numRuns: 200 },
    )
  } finally {
    server.close()
  }
})
