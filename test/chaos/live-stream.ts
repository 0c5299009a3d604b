import { connect, type TLSSocket } from 'node:tls'
import WebSocket from 'ws'
import { get, signIn, UPGRADE } from '../fixtures/door.ts'
import { PASSWORD } from '../fixtures/world.ts'
import type { BrokenNode } from './broken-node.ts'

const OPEN_MS = 60_000
const EVERY_MS = 50

/** Somebody who looks at a desktop without a break: bytes go both ways all the time. */
export interface LiveStream extends Disposable {
  /** Bytes of the display so far. */
  bytes(): number
  /** Why it has ended; `undefined` while it lives. */
  ended(): string | undefined
}

/** Opens a desktop's display through the door. @throws Error with what the door said instead. */
export function openStream(node: BrokenNode, login: string, vmId: number): Promise<LiveStream> {
  return node.isSimulated ? openEcho(node, login, vmId) : openBrowser(node, login, vmId)
}

/** As a native client; a scripted display sends back what it gets, and every byte of it is compared. */
async function openEcho({ world }: BrokenNode, login: string, vmId: number): Promise<LiveStream> {
  let ended: string | undefined
  let [got, sent] = [0, 0]
  const socket = await upgraded(world.port, get(`/qvd/connect_to_vm?id=${vmId}`, login, UPGRADE))
  socket.on('data', (chunk: Buffer) => {
    for (const byte of chunk) if (byte !== got++ % 251) ended ??= `byte ${got} is not what was sent`
  })
  const timer = setInterval(() => {
    // It may be held up for a while, and nobody need keep what nobody takes.
    if (socket.writableLength > 65_536) return
    socket.write(Buffer.from(Array.from({ length: 512 }, () => sent++ % 251)))
  }, EVERY_MS)
  socket.once('close', () => {
    clearInterval(timer)
    ended ??= 'the door has closed it'
  })
  return { bytes: () => got, ended: () => ended, [Symbol.dispose]: () => void socket.destroy() }
}

function upgraded(port: number, request: string): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
    const failed = (reason: string): void => {
      clearTimeout(timer)
      socket.destroy()
      reject(new Error(`the door said: ${reason}`))
    }
    const timer = setTimeout(() => failed('nothing'), OPEN_MS)
    let head = ''
    const read = (chunk: Buffer): void => {
      head += chunk.toString('latin1')
      const answer = /HTTP\/1\.1 (?!102)(\d{3}) .*\r\n\r\n/s.exec(head)
      if (answer === null) return
      if (answer[1] !== '101') return failed(head.slice(answer.index, answer.index + 300))
      clearTimeout(timer)
      socket.off('data', read)
      resolve(socket)
    }
    socket.on('data', read)
    socket.on('error', () => socket.destroy())
    socket.once('close', () => failed(`nothing more after ${JSON.stringify(head.slice(-100))}`))
    socket.once('secureConnect', () => socket.write(request))
  })
}

const FIRST_WORDS = [
  { awaits: 12, says: Buffer.from('RFB 003.008\n') },
  { awaits: 2, says: Buffer.from([1]) },
  { awaits: 4, says: Buffer.from([1]) },
  { awaits: 24, says: Buffer.alloc(0) },
]
/** FramebufferUpdateRequest: the whole of 64 × 64 points, changed or not. */
const ASK = Buffer.from([3, 0, 0, 0, 0, 0, 0, 64, 0, 64])

/** As a browser, since RFB lets a client ask for a picture whenever it likes. */
async function openBrowser({ world }: BrokenNode, login: string, vmId: number): Promise<LiveStream> {
  const cookie = await signIn(world, login, PASSWORD)
  const origin = `https://127.0.0.1:${world.port}`
  const socket = new WebSocket(`wss://127.0.0.1:${world.port}/portal/desktops/${vmId}/display`, 'binary', {
    rejectUnauthorized: false,
    headers: { Cookie: cookie, Origin: origin },
  })
  let ended: string | undefined
  let [got, step, rest] = [0, 0, 0]
  const opened = Promise.withResolvers<true>()
  const timer = setInterval(() => {
    if (step >= FIRST_WORDS.length && socket.readyState === WebSocket.OPEN) socket.send(ASK)
  }, EVERY_MS * 4)
  socket.on('message', (data: Buffer) => {
    got += data.length
    rest += data.length
    for (
      let word = FIRST_WORDS[step];
      word !== undefined && rest >= word.awaits;
      word = FIRST_WORDS[++step]
    ) {
      rest -= word.awaits
      if (word.says.length > 0) socket.send(word.says)
    }
    if (step >= FIRST_WORDS.length) opened.resolve(true)
  })
  socket.on('error', (error) => opened.reject(error))
  socket.once('close', (code, reason) => {
    clearInterval(timer)
    ended ??= `closed: ${code} ${reason.toString()}`
    opened.reject(new Error(ended))
  })
  const late = setTimeout(() => socket.terminate(), OPEN_MS)
  await opened.promise.finally(() => clearTimeout(late))
  return { bytes: () => got, ended: () => ended, [Symbol.dispose]: () => socket.terminate() }
}
