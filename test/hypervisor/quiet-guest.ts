import { run } from '@ostler/kit/run.ts'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commandLine } from '../fixtures/world.ts'
import type { GuestFiles } from './suite.ts'

/** The init of a desktop that does nothing until it is asked to halt. */
const QUIET_INIT = `#!/bin/sh
trap 'exit 0' TERM INT PWR
while :; do sleep 60 & wait; done
`

/** Makes a bundle in whose place a driver expects the agent's: the guests of a driver's tests need none. */
export function quietBundle(folder: string): string {
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  writeFileSync(join(folder, 'ostler-init'), QUIET_INIT, { mode: 0o755 })
  return folder
}

/** Reaches into desktops that are made of namespaces, through one of their processes. */
export function filesThrough(
  places: Pick<GuestFiles, 'fresh' | 'home'>,
  anyProcess: (id: number) => number,
): GuestFiles {
  const inside = (id: number, path: string): string => `/proc/${anyProcess(id)}/root${path}`
  return {
    ...places,
    write: (id, path, text) => {
      writeFileSync(inside(id, path), text)
      return Promise.resolve()
    },
    read: (id, path) => {
      try {
        return Promise.resolve(readFileSync(inside(id, path), 'utf8'))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Promise.resolve(undefined)
        throw error
      }
    },
    processes: (id) => {
      const proc = inside(id, '/proc')
      const numbers = readdirSync(proc).filter((name) => /^\d+$/.test(name))
      return Promise.resolve(numbers.map((number) => readFileSync(join(proc, number, 'cmdline'), 'latin1')))
    },
  }
}

/** The same as the guest's root does it, whoever that is on the node: by the guest's own programs. */
export function filesInside(
  places: Pick<GuestFiles, 'fresh' | 'home'>,
  init: (id: number) => number,
): GuestFiles {
  return {
    ...filesThrough(places, init),
    write: async (id, path, text) => void (await runInside(init(id), ['tee', path], text)),
    read: async (id, path) => {
      const missing = await runInside(init(id), ['test', '!', '-e', path]).then(
        () => true,
        () => false,
      )
      return missing ? undefined : await runInside(init(id), ['cat', path])
    },
  }
}

/** Runs a program in all namespaces of a process, as their root. */
export async function runInside(pid: number, argv: readonly string[], input = ''): Promise<string> {
  const { stdout } = await run('nsenter', ['--target', String(pid), '--all', '--', ...argv], { input })
  return stdout
}

/** Mount points of this machine below a folder. */
export function mountsBelow(folder: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((point) => point.startsWith(folder))
    .map((point) => `mount ${point}`)
}

/** Names in a folder, each after a word; nothing when there is none. */
export function namesIn(word: string, folder: string, prefix = ''): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.startsWith(prefix))
      .map((name) => `${word} ${join(folder, name)}`)
  } catch {
    return []
  }
}

/** Processes of this machine whose command line contains a text. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandLine(pid).includes(text))
}
