import { Fault } from '@ostler/contract/fault.ts'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { serveDisplay, type ViewedDisplay } from './display-server.ts'
import type { DisplayEnd } from './nx-display.ts'
import type { ViewerProgram } from './viewers.ts'

/** A viewer whose desktop is gone may say so for a moment, then it is ended. */
const FAREWELL_MS = 1_000

/**
 * Shows a display in a viewer, and returns when either has ended. The viewer connects to a unix socket in a folder
 * that is ours alone.
 *
 * @throws Fault `client.displayFailed` when the viewer does not even connect. Nothing is left running or lying about.
 */
export async function showInViewer(
  display: ViewedDisplay,
  viewer: ViewerProgram,
  signal: AbortSignal,
): Promise<DisplayEnd> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-'))
  const path = join(folder, 'display.sock')
  try {
    using server = await serveDisplay(display, { path })
    const program = spawn(viewer.path, viewer.args(path, display.title), {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const kill = (): void => void program.kill('SIGTERM')
    signal.addEventListener('abort', kill, { once: true })
    let said = ''
    program.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-4_096)))
    const exit = new Promise<string>((resolve) => {
      program.once('error', (error) => resolve(error.message))
      program.once('close', (code, by) =>
        resolve(lastLine(said) ?? `it ended with ${by ?? code ?? 'nothing'}`),
      )
    })
    try {
      const end = await Promise.race([server.end, exit.then(() => 'window closed' as const)])
      if (signal.aborted) return 'window closed'
      if (!server.connected)
        throw new Fault('client.displayFailed', { program: basename(viewer.path), reason: await exit })
      const late = new Promise<void>((resolve) => setTimeout(resolve, FAREWELL_MS).unref())
      await Promise.race([exit, late])
      return end
    } finally {
      signal.removeEventListener('abort', kill)
      kill()
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function lastLine(said: string): string | undefined {
  return said.split('\n').findLast((line) => line.trim() !== '')
}
