import {
  consoleApi,
  encodeFrame,
  FrameParser,
  MAX_SIDE,
  type TerminalSize,
} from '@ostler/contract/console-frames.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Socket } from 'node:net'
import type { ReadStream, WriteStream } from 'node:tty'
import type { ApiClient } from '../api-client.ts'
import { LeaveKeys } from './leave-keys.ts'
import { openTunnel } from './open-tunnel.ts'

/** The person's end of a console: a terminal, or files and pipes. */
export interface Terminal {
  readonly input: NodeJS.ReadStream
  readonly output: NodeJS.WriteStream
  /** For sentences to the person. */
  readonly notes: NodeJS.WriteStream
}

/** What a terminal sends when somebody types the end of the input. */
const END_OF_INPUT = Buffer.of(0x04)
const END_AGAIN_MS = 1_000

/**
 * A login shell in a desktop. A terminal is set to raw and put back, follows its size, and is left by `~.` at the
 * begin of a line; input that is none is typed, and its end with it.
 *
 * @returns the shell's exit code; 0 when the person left.
 * @throws Fault as `openTunnel`, and `tunnel.ended` when it ends without an exit code.
 */
export async function openConsole(
  api: ApiClient,
  desktop: string,
  asked: { readonly account?: string; readonly person?: string },
  terminal: Terminal,
): Promise<number> {
  const size = sizeOf(terminal.output)
  const headers = size === undefined ? {} : { [consoleApi.sizeHeader]: `${size.columns}x${size.rows}` }
  const opened = await openTunnel(api, desktop, { kind: 'console', ...asked, headers })
  const { stream } = opened
  if (terminal.input.isTTY)
    terminal.notes.write(`console of ${opened.desktop.name}: "~." at the begin of a line leaves it\r\n`)
  try {
    return await converse(stream, terminal)
  } finally {
    stream.destroy()
  }
}

/** Carries keys and print until the shell exits, somebody leaves, or the stream ends. */
async function converse(stream: Socket, { input, output, notes }: Terminal): Promise<number> {
  const ended = Promise.withResolvers<number>()
  const parser = new FrameParser()
  let note = 'it was cut'
  stream.on('data', (chunk: Buffer) => {
    try {
      for (const frame of parser.push(chunk)) {
        if (frame.type === 'data' && frame.bytes.length > 0 && !output.write(frame.bytes)) stream.pause()
        if (frame.type === 'note') note = frame.text.replace(/\p{Cc}/gu, ' ')
        if (frame.type === 'exit') ended.resolve(frame.code)
      }
    } catch (error) {
      ended.reject(error)
    }
  })
  const goOn = (): void => void stream.resume()
  const gone = (): void => ended.reject(new Fault('tunnel.ended', { reason: note }))
  stream.once('end', gone).once('close', gone)
  output.on('drain', goOn)
  // A pipe whose reader has gone must end us, not throw.
  output.once('error', gone)

  const send = (bytes: Uint8Array): void => {
    if (bytes.length > 0 && !stream.write(encodeFrame({ type: 'data', bytes }))) input.pause()
  }
  const keys = new LeaveKeys()
  const typed = (chunk: Buffer): void => {
    if (!input.isTTY) return send(chunk)
    const { bytes, leave } = keys.read(chunk)
    send(bytes)
    if (leave) ended.resolve(0)
  }
  let endAgain: NodeJS.Timeout | undefined
  const inputEnded = (): void => {
    send(END_OF_INPUT)
    // A shell that just starts, or a program that changes the terminal's mode, does not see it.
    endAgain = setTimeout(inputEnded, END_AGAIN_MS)
  }
  const resized = (): void => {
    const size = sizeOf(output)
    if (size !== undefined) stream.write(encodeFrame({ type: 'size', size }))
  }
  stream.on('drain', () => input.resume())
  input.on('data', typed).once('end', inputEnded)
  output.on('resize', resized)
  const raw = rawMode(input)
  try {
    stream.resume()
    return await ended.promise
  } finally {
    clearTimeout(endAgain)
    raw[Symbol.dispose]()
    input.off('data', typed).off('end', inputEnded).pause()
    output.off('resize', resized).off('drain', goOn)
    if (input.isTTY) notes.write('\r\n')
  }
}

/** Keys as they are typed, without echo, until disposed of. */
function rawMode(input: NodeJS.ReadStream): Disposable {
  if (!input.isTTY) return { [Symbol.dispose]: () => {} }
  const terminal: ReadStream = input
  terminal.setRawMode(true)
  return { [Symbol.dispose]: () => void terminal.setRawMode(false) }
}

function sizeOf(output: NodeJS.WriteStream): TerminalSize | undefined {
  if (!output.isTTY) return undefined
  const { columns, rows }: WriteStream = output
  const bounded = (side: number): number => Math.min(Math.max(side, 1), MAX_SIDE)
  return { columns: bounded(columns), rows: bounded(rows) }
}
