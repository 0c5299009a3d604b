import { Fault } from '@ostler/contract/fault.ts'
import { askSlave, type SlaveCall } from '@ostler/contract/slave-call.ts'
import { isOpenableLink, MAX_DOCUMENT } from '@ostler/contract/slave.ts'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { connect } from 'node:net'
import { basename, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const CONNECT_MS = 5_000

/**
 * Asks the agent to have something opened at the client: the work of `ostler-open`.
 * @param socket the agent's.
 * @param wanted a link, a path, or a `file:` address.
 * @throws Fault `slave.refused` with what the agent or the client says, `slave.silent`, `request.invalid`, `slave.folder`.
 */
export async function openAtClient(socket: string, wanted: string): Promise<void> {
  const call = isOpenableLink(wanted)
    ? ({ method: 'POST', path: '/ostler/open/link', body: Buffer.from(wanted) } as const)
    : await documentCall(wanted.startsWith('file://') ? fileURLToPath(wanted) : resolve(wanted))
  const stream = connect(socket)
  stream.on('error', () => stream.destroy())
  try {
    await once(stream, 'connect', { signal: AbortSignal.timeout(CONNECT_MS) }).catch((cause: unknown) => {
      throw new Fault('slave.silent', { reason: 'this session has none' }, { cause })
    })
    const { status, text } = await askSlave(stream, undefined, call)
    if (status !== 200) throw new Fault('slave.refused', { what: wanted, status, text })
  } finally {
    stream.destroy()
  }
}

async function documentCall(path: string): Promise<SlaveCall> {
  const file = await open(path).catch((cause: unknown) => {
    throw new Fault('slave.folder', { path }, { cause })
  })
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new Fault('request.invalid', { problem: `${path} is no document` })
    if (stat.size > MAX_DOCUMENT)
      throw new Fault('request.invalid', { problem: `${path} is larger than ${MAX_DOCUMENT} bytes` })
    const body = Buffer.alloc(stat.size)
    const { bytesRead } = await file.read(body, 0, stat.size, 0)
    const name = basename(path)
    return { method: 'POST', path: `/ostler/open/document/${name}`, body: body.subarray(0, bytesRead) }
  } finally {
    await file.close()
  }
}
