import type { Account } from '@ostler/kit/passwd.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import { identify, type ProcessIdentity, signalProcess } from '@ostler/kit/process-table.ts'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AsUser } from '../platform/linux/as-user.ts'
import { freeName } from './free-name.ts'

export interface SeedSettings {
  readonly xvfb: string
  readonly nxproxy: string
  /** A display number of its own, beside the session's. */
  readonly display: number
  readonly authority: string
  /** Where nxagent listens. */
  readonly socket: string
  readonly geometry: { readonly width: number; readonly height: number }
  readonly environment: Readonly<Record<string, string>>
}

/** A screen and a proxy that lend a new session its first connection. */
export interface Seed {
  /** Ends the proxy, so that the session suspends. The screen must stay until it has. */
  cut(): void
  /** Ends both. */
  remove(): void
}

const SCREEN_MS = 5_000

/**
 * nxagent comes alive only with a connection: where a browser comes first, we give it one, to an Xvfb of the
 * wanted size inside the guest. Cut again, it leaves a suspended session that browsers and NX clients share.
 *
 * @param onProcess is told each process as soon as there is one: an agent that dies now must leave word of it.
 * @throws DeadlineExceeded when the screen does not come up, Error when it ends at once; nothing is left running then.
 */
export async function plantSeed(
  account: Account,
  asUser: AsUser,
  settings: SeedSettings,
  onProcess: (process_: ProcessIdentity) => void,
): Promise<Seed> {
  const { width, height } = settings.geometry
  const socket = `/tmp/.X11-unix/X${settings.display}`
  // What a screen that was killed has left would be taken for ours, and perhaps cannot be removed by her.
  for (const left of [socket, `/tmp/.X${settings.display}-lock`]) freeName(left)
  const screen = asUser(
    account,
    settings.xvfb,
    [
      `:${settings.display}`,
      '-screen',
      '0',
      `${width}x${height}x24`,
      '-nolisten',
      'tcp',
      '-auth',
      settings.authority,
      '-noreset',
    ],
    { env: settings.environment, stdio: 'ignore' },
  )
  const failed = new Promise<never>((_, reject) => {
    screen.once('error', reject)
    screen.once('exit', (code) => reject(new Error(`${settings.xvfb} ended with ${code ?? 'a signal'}`)))
  })
  failed.catch(() => {}) // later, its end is what we want
  const screenProcess = identify(screen.pid ?? 0)
  if (screenProcess !== undefined) onProcess(screenProcess)
  try {
    await Promise.race([
      failed,
      withDeadline('the seed screen', SCREEN_MS, async (signal) => {
        while (!existsSync(socket)) await sleep(10, undefined, { signal })
      }),
    ])
  } catch (error) {
    if (screenProcess !== undefined) signalProcess(screenProcess, 'SIGKILL')
    throw error
  }
  const proxy = asUser(
    account,
    settings.nxproxy,
    ['-S', `nx/nx,connect=unix:${settings.socket}:${settings.display}`],
    {
      env: {
        ...settings.environment,
        DISPLAY: `:${settings.display}`,
        XAUTHORITY: settings.authority,
        NX_CLIENT: '/bin/true',
      },
      stdio: 'ignore',
    },
  )
  proxy.once('error', () => {}) // the session's own deadline tells
  const proxyProcess = identify(proxy.pid ?? 0)
  if (proxyProcess !== undefined) onProcess(proxyProcess)
  const end = (process: ProcessIdentity | undefined, signal: NodeJS.Signals): void => {
    if (process !== undefined) signalProcess(process, signal)
  }
  return {
    // Killed, not asked: a broken link suspends sooner than a negotiated end (docs/decisions/0007).
    cut: () => end(proxyProcess, 'SIGKILL'),
    remove: () => {
      end(proxyProcess, 'SIGKILL')
      end(screenProcess, 'SIGTERM')
    },
  }
}
