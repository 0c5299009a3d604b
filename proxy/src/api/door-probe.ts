import { request } from 'node:http'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, TLSSocket } from 'node:tls'
import type { DoorFacts } from '../model/doctor.ts'

/** One that is alive answers at once; an administrator waits for this. */
const PATIENCE_MS = 5_000

/**
 * Comes to a door as a client does: a connection, TLS, and the word that every door answers. Nobody signs in, and the certificate is
 * looked at but not trusted: whether a client trusts it depends on what that knows.
 * @param at its address and port; `tls`: whether it speaks that.
 */
export async function probeDoor(at: {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}): Promise<DoorFacts> {
  const began = performance.now()
  let socket: Socket | undefined
  try {
    socket = await connected(at)
    const status = await ping(socket, at.host)
    const ends = socket instanceof TLSSocket ? new Date(socket.getPeerCertificate().valid_to) : null
    return { ok: true, ms: performance.now() - began, status, certificateEnds: ends }
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) }
  } finally {
    socket?.destroy()
  }
}

function connected({ host, port, tls }: { host: string; port: number; tls: boolean }): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = tls ? connectTls({ host, port, rejectUnauthorized: false }) : connectTcp({ host, port })
    const timer = setTimeout(() => socket.destroy(new Error('it does not answer')), PATIENCE_MS)
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer)
      resolve(socket)
    })
    socket.once('error', (error) => {
      clearTimeout(timer)
      reject(error)
    })
  })
}

function ping(socket: Socket, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(PATIENCE_MS)
    signal.addEventListener('abort', () => reject(new Error('it does not answer a ping')), { once: true })
    const asked = request({
      createConnection: () => socket,
      path: '/qvd/ping',
      headers: { Host: host, Connection: 'close' },
    })
    asked.once('error', reject)
    asked.once('response', (answer) => {
      answer.resume()
      resolve(answer.statusCode ?? 0)
    })
    asked.end()
  })
}
