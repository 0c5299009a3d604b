import { Fault } from '@ostler/contract/fault.ts'
import { lookup } from 'node:dns/promises'
import { request } from 'node:http'
import { connect, isIP, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { connectTrusted, type Server, type TrustSettings } from '../trust.ts'
import type { Chain } from './examine.ts'

const CONNECT_MS = 10_000
const ANSWER_MS = 15_000
const DAY_MS = 86_400_000
/** A certificate that ends so soon is worth a word. */
const SOON_DAYS = 14

/** The way to a server, hop by hop: its name, each of its addresses, TLS, and that a door speaks there. */
export function wayTo(server: Server, trust: TrustSettings): Chain {
  const { host, port } = server
  let addresses: readonly string[] = []
  return [
    {
      name: 'name',
      look: async () => {
        addresses = isIP(host) === 0 ? await resolve(server) : [host]
        return `${host} is ${addresses.join(', ')}`
      },
    },
    {
      name: 'TCP',
      look: async () => {
        const results = await Promise.all(addresses.map((address) => tryTcp(address, port)))
        const reached = results.filter(({ problem }) => problem === undefined)
        if (reached.length === 0)
          throw new Fault('client.unreachable', { host, port, reason: results[0]?.problem ?? 'no address' })
        return results
          .map(({ address, ms, problem }) => `${address}:${port} ${problem ?? `in ${ms} ms`}`)
          .join(', ')
      },
    },
    {
      name: 'TLS',
      look: async () => {
        const socket = await connectTrusted(server, trust)
        try {
          return socket instanceof TLSSocket ? wordsOn(socket) : 'none: everybody on the way can listen'
        } finally {
          socket.destroy()
        }
      },
    },
    {
      name: 'HTTP',
      look: async () => {
        const { status, text } = await ping(server, await connectTrusted(server, trust))
        if (status !== 200) throw new Fault('client.refused', { host, status, text })
        return text
      },
    },
  ]
}

async function resolve({ host, port }: Server): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address)
  } catch (cause) {
    const reason = `its name has no address (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`
    throw new Fault('client.unreachable', { host, port, reason }, { cause })
  }
}

function tryTcp(
  address: string,
  port: number,
): Promise<{ address: string; ms: number; problem: string | undefined }> {
  const began = performance.now()
  return new Promise((done) => {
    const socket = connect({ host: address, port, timeout: CONNECT_MS })
    const end = (problem?: string): void => {
      socket.destroy()
      done({ address, ms: Math.ceil(performance.now() - began), problem })
    }
    socket.once('connect', () => end())
    socket.once('timeout', () => end('does not answer'))
    socket.once('error', (error) => end(error.message))
  })
}

function wordsOn(socket: TLSSocket): string {
  const { subject, valid_to, fingerprint256 } = socket.getPeerCertificate()
  const days = Math.floor((Date.parse(valid_to) - Date.now()) / DAY_MS)
  const by = socket.authorized
    ? 'signed by an authority that is known here'
    : `pinned here (${fingerprint256})`
  const soon = days < SOON_DAYS ? `; IT ENDS IN ${days} DAYS` : ''
  const name = [subject.CN].flat()[0] ?? 'no name'
  return `${socket.getProtocol() ?? ''}, ${name}, valid until ${valid_to}, ${by}${soon}`
}

function ping({ host, port }: Server, stream: Socket): Promise<{ status: number; text: string }> {
  return new Promise((done, reject) => {
    const fail = (error: Error): void => {
      stream.destroy()
      reject(new Fault('client.unreachable', { host, port, reason: error.message }, { cause: error }))
    }
    const asked = request({
      createConnection: () => stream,
      path: '/qvd/ping',
      headers: { Host: `${host}:${port}`, Connection: 'close' },
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    asked.once('error', fail)
    asked.once('response', (answer) => {
      let text = ''
      answer.on('data', (chunk: Buffer) => (text = `${text}${chunk.toString('latin1')}`.slice(0, 200)))
      answer.once('error', fail)
      answer.once('end', () => {
        stream.destroy()
        done({ status: answer.statusCode ?? 0, text: text.replace(/\p{Cc}+/gu, ' ').trim() })
      })
    })
    asked.end()
  })
}
