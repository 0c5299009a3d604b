import { Fault, lastSentence } from '@ostler/contract/fault.ts'
import { upgradeHeaders } from '@ostler/contract/slave-upgrade.ts'
import { SLAVE_UPGRADES } from '@ostler/contract/slave.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { WantedMount } from '../config/folders.ts'
import type { GuestCalls } from '../slave/guest-calls.ts'
import type { PresentChannel } from '../slave/present-channel.ts'
import { carry } from './serve-folder.ts'

interface MountingParts {
  readonly channel: Pick<PresentChannel, 'guest'>
  readonly sshfs: { readonly program: string; readonly extraArgs: readonly string[] }
  /** A line for the user. */
  readonly tell: (line: string) => void
}

const MOUNT_MS = 20_000
const POLL_MS = 100
const AGAIN_MS = 2_000
const END_MS = 5_000

/**
 * Has a folder of the desktop here, as QVD's `client.mount.N` (compatibility page 5.4): over the slave channel, mounted by sshfs, again
 * with every connection. A failure is told and stops nothing. When it is disposed of, the folder is gone from here.
 */
export function keepMounted(mount: WantedMount, parts: MountingParts): AsyncDisposable {
  const end = new AbortController()
  const kept = keep(mount, parts, end.signal)
  return {
    [Symbol.asyncDispose]: async () => {
      end.abort()
      await kept
    },
  }
}

async function keep(
  mount: WantedMount,
  { channel, sshfs, tell }: MountingParts,
  signal: AbortSignal,
): Promise<void> {
  const { remote, local } = mount
  const aborted = once(signal, 'abort')
  const isOver = (): boolean => signal.aborted
  while (!isOver()) {
    try {
      const guest = await Promise.race([channel.guest(), aborted.then(() => undefined)])
      if (guest === undefined) return
      const { ended } = await mountOnce(mount, guest, sshfs, signal)
      tell(`${remote} of the desktop is ${local} here.`)
      await ended
      if (!isOver()) tell(`${local}: its line has ended.`)
    } catch (error) {
      if (isOver()) return
      // Between two connections there is no channel, and what had begun is given up; everything else stays as it is.
      if (error instanceof Fault && !['slave.silent', 'slave.ended'].includes(error.code))
        return void tell(`${remote} of the desktop is not here: ${lastSentence(error).sentence}`)
    }
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => {})
  }
}

/**
 * Mounts it; resolves when it stands, with what resolves when it has gone.
 * @throws Fault `client.mount`, and what the call throws; nothing is left then.
 */
async function mountOnce(
  { remote, local }: WantedMount,
  guest: GuestCalls,
  { program, extraArgs }: MountingParts['sshfs'],
  signal: AbortSignal,
): Promise<{ readonly ended: Promise<void> }> {
  const point = emptyFolder(local)
  const headers = upgradeHeaders(SLAVE_UPGRADES.sftp)
  const { stream, reply } = await guest.open({ method: 'GET', path: `/shares/${remote}`, headers })
  if (reply.head.length > 0) stream.unshift(reply.head)
  // The desktop is not trusted: neither its devices nor its programs with a lent identity work here.
  const options = ['-f', '-o', 'passive', '-o', 'nosuid,nodev', ...extraArgs]
  const child = spawn(program, [...options, 'desktop:', point], {
    stdio: ['pipe', 'pipe', 'ignore'],
    cwd: '/',
  })
  const ended = attend(child, stream, point, signal)
  const over = new AbortController()
  void ended.finally(() => over.abort())
  await comesToHold(() => over.signal.aborted || isMounted(point), MOUNT_MS, POLL_MS)
  if (isMounted(point)) return { ended }
  stream.destroy()
  await ended
  throw new Fault('client.mount', { path: local, reason: `${program} did not mount it` })
}

/** Ends the mount when its stream, its program or the wish ends. Never rejects. */
async function attend(
  child: ChildProcess,
  stream: Duplex,
  point: string,
  signal: AbortSignal,
): Promise<void> {
  const gone = new Promise<void>((resolve) => {
    child.once('error', () => resolve())
    child.once('exit', () => resolve())
  })
  const cut = (): void => void stream.destroy()
  signal.addEventListener('abort', cut, { once: true })
  if (signal.aborted) cut()
  await Promise.race([carry(stream, child), gone])
  signal.removeEventListener('abort', cut)
  stream.destroy()
  child.kill('SIGTERM') // by which it takes the mount away
  const hurry = setTimeout(() => child.kill('SIGKILL'), END_MS)
  await gone
  clearTimeout(hurry)
  if (isMounted(point)) await run('fusermount3', ['-u', '-z', point]).catch(() => {})
}

/** @throws Fault `client.mount`. */
function emptyFolder(path: string): string {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    if (readdirSync(path).length > 0) throw new Error('it is not empty')
    return realpathSync(path)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Fault('client.mount', { path, reason }, { cause })
  }
}

/** As the kernel's table has it, in which blanks and the like are octal. */
function isMounted(point: string): boolean {
  const place = point.replaceAll(
    /[ \t\n\\]/g,
    (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[1] === place)
}
