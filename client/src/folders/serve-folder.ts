import { Fault } from '@ostler/contract/fault.ts'
import { FolderStream, type OpenedFolder } from '@ostler/contract/folder-stream.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { DisplayStream } from '../door.ts'
import { ownProgram } from '../own-program.ts'
import type { WantedShare } from './wanted-share.ts'

/** The agent mounts before it answers. */
const OPEN_MS = 30_000

/** A folder that stands in the desktop. */
export interface ServedFolder {
  /** As the agent has it. */
  readonly opened: OpenedFolder
  /** Why it has gone; `undefined` when we ended it. */
  readonly ended: Promise<Fault | undefined>
}

/**
 * Serves a folder of this machine on a stream to the agent, until either end goes or `signal` aborts.
 * @throws Fault as the agent says, `folder.lost`. The stream is closed then.
 */
export async function serveFolder(
  share: WantedShare,
  { stream: raw, head }: DisplayStream,
  signal: AbortSignal,
): Promise<ServedFolder> {
  const stream = new FolderStream(raw, head)
  let lost: Error | undefined
  stream.on('error', (error) => (lost = error))
  const close = (): void => void stream.destroy()
  signal.addEventListener('abort', close, { once: true })
  if (signal.aborted) close()
  const { name, path, readOnly } = share
  stream.say('open', { name, path, readOnly })
  const server = startServer(share)
  const carried = carry(stream, server).finally(() => {
    signal.removeEventListener('abort', close)
    stream.destroy()
    server.kill('SIGKILL')
  })
  try {
    const opened = await withDeadline('the folder', OPEN_MS, () => stream.answered)
    const ended = carried.then(() =>
      signal.aborted ? undefined : asFault(lost ?? new Error('its line has ended')),
    )
    return { opened, ended }
  } catch (error) {
    stream.destroy()
    await carried
    throw asFault(error)
  }
}

/** Carries both ways until either end goes. Never rejects. */
export async function carry(stream: Duplex, { stdin, stdout }: ChildProcess): Promise<void> {
  if (stdin === null || stdout === null) return
  stream.once('close', () => {
    stdin.destroy()
    stdout.destroy()
  })
  await Promise.all([pipeline(stream, stdin), pipeline(stdout, stream)]).catch(() => {})
}

/** The server blocks on disks, so it is a process of its own. */
export function startServer({ path, readOnly }: WantedShare): ChildProcess {
  const args = [ownProgram('folder-server'), path, readOnly ? 'ro' : 'rw']
  const server = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: '/',
  })
  server.on('error', () => server.stdout.destroy()) // and so the stream ends
  return server
}

function asFault(error: unknown): Fault {
  if (error instanceof Fault) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new Fault('folder.lost', { reason }, { cause: error })
}
