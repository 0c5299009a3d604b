import { Fault } from '@ostler/contract/fault.ts'
import { lockOpenFile } from '@ostler/kit/file-lock.ts'
import { identify, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { DEFAULT_ENV } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'

/**
 * The lock beside a home, on its own storage: second to the database's row, and right even where two databases, or two nodes with one
 * storage, do not agree. What counts is the kernel's lock (flock, which NFS carries to its server); the words in the file are for
 * people, but for the first line, which says whose home has been made here.
 */
export interface HomeLock extends Disposable {
  /** The number of the home that was made here; `undefined`: none was, or nobody said. */
  readonly madeFor: number | undefined
  /** Says who writes to the home. The first line is the home's number. */
  write(homeId: number, words: Readonly<Record<string, string | number>>): void
  /** Ends the lock and removes its file: the home lies elsewhere from now on. */
  remove(): void
}

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants
const MAX_WORDS = 500

/** Where the lock of a home lies. @param home its whole path. */
export function homeLockPath(home: string): string {
  return `${home}.lock`
}

/**
 * Takes the lock of a home, whether there is one at the path or not.
 *
 * @param onKeeper told of a process that keeps the lock beyond our own end, just before the lock is taken: it is never without somebody
 *   who knows of it. Without this, the lock ends with us.
 * @throws Fault `home.taken` when somebody has it.
 */
export async function lockHome(
  home: string,
  onKeeper?: (keeper: ProcessIdentity) => void,
): Promise<HomeLock> {
  const path = homeLockPath(home)
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  for (;;) {
    const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
    const keeper = onKeeper === undefined ? undefined : startKeeper(path, fd)
    try {
      if (keeper !== undefined) onKeeper?.(keeper)
      if (!(await lockOpenFile(fd, 0))) throw new Fault('home.taken', { home, writer: wordsOf(path) })
      // Whoever had it may have removed the file meanwhile: then this is the lock of nothing.
      if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return lockOf(path, fd)
    } catch (error) {
      if (keeper !== undefined) signalProcess(keeper, 'SIGKILL')
      closeSync(fd)
      throw error
    }
    if (keeper !== undefined) signalProcess(keeper, 'SIGKILL')
    closeSync(fd)
  }
}

/** Starts a process that does nothing: it has the open file, and so the lock. */
function startKeeper(path: string, fd: number): ProcessIdentity {
  const child = spawn('sleep', ['infinity'], {
    stdio: ['ignore', 'ignore', 'ignore', fd],
    env: DEFAULT_ENV,
    cwd: '/',
    detached: true,
  })
  child.on('error', () => {}) // then it has no number, which is said below
  child.unref()
  const keeper = identify(child.pid ?? 0)
  if (keeper === undefined) throw new Fault('home.failed', { place: path, reason: 'its lock cannot be kept' })
  return keeper
}

function lockOf(path: string, fd: number): HomeLock {
  const madeFor = /^home (-?\d+)$/m.exec(readFileSync(path, 'utf8'))?.[1]
  let open = true
  const close = (): void => {
    if (open) closeSync(fd)
    open = false
  }
  return {
    madeFor: madeFor === undefined ? undefined : Number(madeFor),
    write: (homeId, words) => {
      const lines = Object.entries({ home: homeId, ...words }).map(([key, value]) => `${key} ${value}\n`)
      ftruncateSync(fd, 0)
      writeSync(fd, lines.join(''), 0)
    },
    remove: () => {
      rmSync(path, { force: true })
      close()
    },
    [Symbol.dispose]: close,
  }
}

/** In one line, for a sentence. */
function wordsOf(path: string): string {
  const text = readFileSync(path, 'utf8').slice(0, MAX_WORDS).trim()
  return text === '' ? 'it does not say who it is' : text.split('\n').join(', ')
}
