import { once } from 'node:events'
import { type AddressInfo, createServer, type ListenOptions, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { DisplayStream } from './door.ts'
import type { DisplayEnd } from './nx-display.ts'

/** What a viewer shows. */
export interface ViewedDisplay {
  readonly first: DisplayStream
  /** Opens a further connection to the same display; `undefined` where there is one only. */
  readonly further: (() => Promise<DisplayStream>) | undefined
  readonly title: string
}

/** A display that waits on this machine for its viewer. */
export interface DisplayServer extends Disposable {
  /** The port, where it is one. */
  readonly port: number | undefined
  readonly connected: boolean
  /** The viewer has come. */
  readonly came: Promise<void>
  /** How it ended, once a viewer was there. */
  readonly end: Promise<DisplayEnd>
}

/**
 * Serves a display to the first viewer that connects, and its further channels to the same.
 *
 * @param place where: a socket that is ours alone, or a port with `admit`.
 * @param admit says whether a caller may have it; who may not is closed and changes nothing.
 */
export async function serveDisplay(
  { first, further }: ViewedDisplay,
  place: ListenOptions,
  admit: (link: Socket) => boolean = () => true,
): Promise<DisplayServer> {
  const streams = new Set<Duplex>([first.stream])
  const [end, came] = [Promise.withResolvers<DisplayEnd>(), Promise.withResolvers<undefined>()]
  let connected = false

  const carry = ({ stream, head }: DisplayStream, link: Socket): void => {
    streams.add(stream)
    const close = (): void => {
      stream.destroy()
      link.destroy()
    }
    stream.on('error', close)
    stream.once('close', close)
    link.once('close', close)
    if (head.length > 0) link.write(head)
    stream.pipe(link)
    link.pipe(stream)
  }
  const server = createServer((link) => {
    link.on('error', () => link.destroy())
    if (!admit(link)) return void link.destroy()
    if (!connected) {
      connected = true
      came.resolve(undefined)
      for (const event of ['end', 'close'] as const) {
        link.once(event, () => end.resolve('window closed'))
        first.stream.once(event, () => end.resolve('server closed'))
      }
      return carry(first, link)
    }
    if (further === undefined) return void link.destroy()
    further().then(
      (stream) => carry(stream, link),
      () => link.destroy(),
    )
  })
  server.listen(place)
  await once(server, 'listening')
  const address = server.address() as AddressInfo | string
  return {
    port: typeof address === 'string' ? undefined : address.port,
    get connected() {
      return connected
    },
    came: came.promise,
    end: end.promise,
    [Symbol.dispose]: () => {
      server.close()
      for (const stream of streams) stream.destroy()
    },
  }
}
