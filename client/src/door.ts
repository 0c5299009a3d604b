import { type ClientOptions, clientParameters } from '@ostler/contract/client-options.ts'
import { type DesktopListItem, NX_UPGRADE, VM_INFO_HEADER } from '@ostler/contract/desktop.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import { type IncomingMessage, request, type RequestOptions } from 'node:http'
import type { Duplex } from 'node:stream'
import { connectTrusted, type Server, type TrustSettings } from './trust.ts'

export interface Account {
  readonly user: string
  readonly password: Secret
}

/** A server, and who we are there. */
export interface Door {
  list(): Promise<readonly DesktopListItem[]>
  /**
   * Opens a desktop's NX stream.
   * @param progress gets what the server says while the desktop starts.
   */
  connect(
    vmId: number,
    options: ClientOptions,
    progress: (text: string) => void,
  ): Promise<{ stream: Duplex; head: Buffer }>
}

export function doorAt(server: Server, account: Account, trust: TrustSettings): Door {
  const authorization = `Basic ${Buffer.from(`${account.user}:${account.password.reveal()}`).toString('base64')}`
  const send = async (path: string, headers: Record<string, string>) => {
    const socket = await connectTrusted(server, trust)
    const options: RequestOptions = {
      createConnection: () => socket,
      host: server.host,
      path,
      headers: { Authorization: authorization, ...headers },
    }
    return request(options)
  }
  return {
    list: async () => {
      const outgoing = await send('/qvd/list_of_vm', { Accept: 'application/json', Connection: 'close' })
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        outgoing.once('response', resolve)
        outgoing.once('error', reject)
        outgoing.end()
      }).catch((error: unknown) => {
        throw unreachable(server, error)
      })
      const body = await bodyOf(response)
      if (response.statusCode !== 200) throw refusal(server, response, body)
      return JSON.parse(body) as DesktopListItem[]
    },
    connect: async (vmId, options, progress) => {
      const path = `/qvd/connect_to_vm?id=${vmId}&${clientParameters(options).toString()}`
      const outgoing = await send(path, { Connection: 'Upgrade', Upgrade: NX_UPGRADE })
      return await new Promise((resolve, reject) => {
        outgoing.on('information', ({ headers }) => {
          const text = headers[VM_INFO_HEADER.toLowerCase()]
          if (typeof text === 'string') progress(text)
        })
        outgoing.once('upgrade', (_, stream, head) => resolve({ stream, head }))
        outgoing.once('response', (response) => {
          bodyOf(response).then((body) => reject(refusal(server, response, body)), reject)
        })
        outgoing.once('error', (error) => reject(unreachable(server, error)))
        outgoing.end()
      })
    },
  }
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  return Buffer.concat((await response.toArray()) as Buffer[]).toString('utf8')
}

function refusal(server: Server, response: IncomingMessage, body: string): Fault {
  if (response.statusCode === 401) return new Fault('auth.required')
  return new Fault('client.refused', {
    host: server.host,
    status: response.statusCode ?? 0,
    text: body.trim(),
  })
}

function unreachable(server: Server, cause: unknown): Fault {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new Fault('client.unreachable', { host: server.host, port: server.port, reason }, { cause })
}
