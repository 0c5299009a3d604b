import { connect, type Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { Duplex } from 'node:stream'
import { Fault } from './fault.ts'
import type { SlaveRoute } from './slave-server.ts'
import { parsePort, SLAVE_ROUTES } from './slave.ts'

const CONNECT_MS = 5_000

/**
 * Whether a port of our loopback answers, and its stream (section 5.3). Only ports that are allowed are ever tried.
 * @param isAllowed asked at each request; what it throws is the answer.
 */
export function portRoutes(isAllowed: (port: number) => boolean): SlaveRoute[] {
  const open = async (text: string): Promise<Socket> => {
    const port = parsePort(text)
    if (port === undefined) throw new Fault('request.invalid', { problem: `${text.slice(0, 40)} is no port` })
    const what = `port ${port}`
    if (!isAllowed(port))
      throw new Fault('slave.forbidden', { what, reason: 'it is not in the list of ports' })
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
    socket.on('error', () => socket.destroy())
    return await new Promise((resolve, reject) => {
      const fail = (reason: string): void => {
        clearTimeout(timer)
        socket.destroy()
        reject(new Fault('slave.forbidden', { what, reason }))
      }
      const timer = setTimeout(() => fail('it does not answer'), CONNECT_MS)
      socket.once('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message))
      socket.once('connect', () => {
        clearTimeout(timer)
        resolve(socket)
      })
    })
  }
  return [
    {
      route: SLAVE_ROUTES.portCheck,
      answer: async ({ rest }) => {
        const socket = await open(rest)
        socket.destroy()
        return { status: 200, text: 'it answers' }
      },
    },
    {
      route: SLAVE_ROUTES.portConnect,
      answer: async ({ rest, stream, head }) => {
        const socket = await open(rest)
        stream.once('close', () => socket.destroy())
        return { upgrade: {}, take: () => joinStreams(stream, head, socket) }
      },
    },
  ]
}

/** Carries bytes between two streams until both directions have ended, or either breaks. */
export function joinStreams(stream: Duplex, head: Buffer, other: Duplex): void {
  if (head.length > 0) stream.unshift(head)
  Promise.all([pipeline(stream, other), pipeline(other, stream)])
    .catch(() => {}) // an end that vanished is an end
    .finally(() => {
      stream.destroy()
      other.destroy()
    })
}
