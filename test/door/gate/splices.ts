import { selfSigned } from '@ostler/kit/certificate.ts'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { connectDisplay } from '../../../proxy/src/display/display-socket.ts'
import { splice } from '../../../proxy/src/display/splice.ts'
import { behave, FAULTS, type FaultKind, goWrong } from './faulty-peer.ts'
import { descriptors, MemorySlope, residentKb } from './process-costs.ts'
import { Seeded } from './seeded.ts'

/** What both sides say: enough for the first lines of NX and some of the stream behind them. */
const CLIENT_SAYS = 160
const DISPLAY_SAYS = 40_000
/** Up to here every byte is a place to go wrong; behind it places are drawn. */
const EVERY_BYTE = 160
const LANES = 32
const END_MS = 30_000
const TLS_SHARE = 20

interface Case {
  readonly side: 'client' | 'display'
  readonly kind: FaultKind
  readonly at: number
  readonly tls: boolean
}

export interface SpliceGate {
  readonly cases: number
  readonly descriptorsLeft: number
  readonly slope: MemorySlope
  /** How the streams ended. */
  readonly ends: Readonly<Record<string, number>>
}

/**
 * Splices whose one side goes wrong at every byte, over socket pairs in this process.
 * @throws Error naming the case when a stream does not end or a socket stays open.
 */
export async function runSplices(count: number, seed: number): Promise<SpliceGate> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-faults-'))
  const random = new Seeded(seed)
  const place = await openPlace(folder)
  const slope = new MemorySlope()
  const ends: Record<string, number> = {}
  try {
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < count) {
        const index = next++
        const chosen = caseOf(index, random)
        const by = await within(END_MS, runCase(place, chosen, random), () =>
          JSON.stringify({ index, ...chosen }),
        )
        ends[by] = (ends[by] ?? 0) + 1
        if (index % Math.ceil(count / 20) === 0) slope.note(index, residentKb('self'))
      }
    }
    await runCase(place, { side: 'client', kind: 'close', at: 0, tls: true }, random)
    const before = descriptors('self')
    await Promise.all(Array.from({ length: LANES }, lane))
    // Those who went wrong leave a moment later.
    for (let waited = 0; descriptors('self') > before && waited < END_MS; waited += 50)
      await new Promise((resolve) => setTimeout(resolve, 50))
    return { cases: count, descriptorsLeft: descriptors('self') - before, slope, ends }
  } finally {
    place.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The first cases go through every side, fault and byte; then places are drawn. */
function caseOf(index: number, random: Seeded): Case {
  const sides = ['client', 'display'] as const
  const every = sides.length * FAULTS.length * EVERY_BYTE
  const tls = index % TLS_SHARE === 0
  if (index >= every) {
    const side = random.pick(sides)
    const at = random.below(side === 'client' ? CLIENT_SAYS : DISPLAY_SAYS)
    return { side, kind: random.pick(FAULTS), at, tls }
  }
  const side = sides[index % 2] ?? 'client'
  const kind = FAULTS[(index >> 1) % FAULTS.length] ?? 'reset'
  return { side, kind, at: Math.floor(index / 2 / FAULTS.length), tls }
}

interface Place {
  /** A connection between a client and what a door has of it. */
  client(tls: boolean): Promise<{ near: Duplex; far: Socket; reset: () => void }>
  display(): Promise<{ near: ReturnType<typeof connectDisplay>; far: Socket }>
  close(): void
}

async function openPlace(folder: string): Promise<Place> {
  const { key, certificate } = await selfSigned(['localhost'], 2)
  const paths = { plain: join(folder, 'plain'), tls: join(folder, 'tls'), display: join(folder, 'display') }
  const plain = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  const secure = createTlsServer({
    key,
    cert: certificate,
    minVersion: 'TLSv1.3',
  })
  const displays = createServer({ allowHalfOpen: true })
  for (const [server, path] of [
    [plain, paths.plain],
    [secure, paths.tls],
    [displays, paths.display],
  ] as const) {
    server.listen(path)
    await once(server, 'listening')
  }
  // One at a time, so that each knows its other end.
  const turn = { plain: Promise.resolve(), tls: Promise.resolve(), display: Promise.resolve() }
  const inTurn = async <T>(name: keyof typeof turn, make: () => Promise<T>): Promise<T> => {
    const made = turn[name].then(make)
    turn[name] = made.then(
      () => {},
      () => {},
    )
    return await made
  }
  const born = async (server: Server, event: string): Promise<Duplex> => {
    const [socket] = (await once(server, event)) as [Duplex]
    socket.on('error', () => socket.destroy())
    return socket
  }
  return {
    client: (tls) =>
      inTurn(tls ? 'tls' : 'plain', async () => {
        const accepted = tls ? born(secure, 'secureConnection') : born(plain, 'connection')
        const raw = connect({ path: tls ? paths.tls : paths.plain, allowHalfOpen: true })
        raw.on('error', () => raw.destroy())
        const far = tls
          ? connectTls({ socket: raw, rejectUnauthorized: false, allowHalfOpen: true } as object)
          : raw
        far.on('error', () => far.destroy())
        return { near: await accepted, far, reset: () => raw.destroy() }
      }),
    display: () =>
      inTurn('display', async () => {
        const accepted = born(displays, 'connection')
        const near = connectDisplay({ path: paths.display })
        const [far] = await Promise.all([accepted, once(near.socket, 'connect')])
        return { near, far: far as Socket }
      }),
    close: () => {
      for (const server of [plain, secure, displays]) server.close()
    },
  }
}

async function runCase(place: Place, chosen: Case, random: Seeded): Promise<string> {
  const [client, display] = [await place.client(chosen.tls), await place.display()]
  const abort = new AbortController()
  const ended = splice(client.near, display.near, { signal: abort.signal })
  const words = Buffer.alloc(chosen.side === 'client' ? CLIENT_SAYS : DISPLAY_SAYS, 'w')
  const [bad, good] = chosen.side === 'client' ? [client.far, display.far] : [display.far, client.far]
  behave(good, Buffer.alloc(chosen.side === 'client' ? DISPLAY_SAYS : CLIENT_SAYS, 'a'))
  if (chosen.kind !== 'stall') bad.resume()
  const reset = chosen.side === 'client' ? client.reset : () => void display.far.destroy()
  goWrong(bad, chosen.kind, words.subarray(0, chosen.at), reset, random)
  const { by } = await ended
  for (const [name, socket] of Object.entries({ client: client.near, display: display.near.socket }))
    if (!socket.destroyed) throw new Error(`the ${name}'s socket stays: ${JSON.stringify(chosen)}`)
  good.destroy()
  return by
}

async function within<T>(ms: number, what: Promise<T>, name: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`a stream did not end: ${name()}`)), ms)
  })
  try {
    return await Promise.race([what, late])
  } finally {
    clearTimeout(timer)
  }
}
