import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Mounts what is served on a stream by Debian's sshfs, as QVD's clients mount folders of a desktop. */
export function sshfsMount(point: string, stream: Duplex, head: Buffer): AsyncDisposable {
  mkdirSync(point, { recursive: true })
  const child = spawn('sshfs', ['-f', '-o', 'passive', 'qvd-guest:', point], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  if (head.length > 0) stream.unshift(head)
  Promise.all([pipeline(stream, child.stdin), pipeline(child.stdout, stream)])
    .catch(() => {}) // an end that vanished is an end
    .finally(() => stream.destroy())
  return {
    [Symbol.asyncDispose]: async () => {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      if (child.exitCode === null && child.signalCode === null && child.kill('SIGKILL')) await gone
      await run('umount', ['-l', point]).catch(() => {}) // mostly it has gone already
    },
  }
}

/** Whether something is mounted at a path, by the kernel's table. */
export function isMounted(point: string): boolean {
  return readFileSync('/proc/self/mounts', 'utf8').includes(` ${point.replaceAll(' ', '\\040')} `)
}
