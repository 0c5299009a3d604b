import { Fault } from '@ostler/contract/fault.ts'
import { run, RunError } from '@ostler/kit/run.ts'
import { Secret } from '@ostler/kit/secret.ts'
import type { Server } from './trust.ts'

/** Unlocking may ask the user; a service that does not answer is not waited for longer. */
const ANSWER_MS = 60_000
/** What of our environment the keyring's tool needs: the way to the session bus, and to the screen to ask on. */
const NEEDED = [
  'DBUS_SESSION_BUS_ADDRESS',
  'DISPLAY',
  'HOME',
  'LANG',
  'PATH',
  'WAYLAND_DISPLAY',
  'XAUTHORITY',
  'XDG_RUNTIME_DIR',
]

/** The user's passwords in her Secret Service (GNOME's keyring, KWallet, KeePassXC), by `secret-tool`. */
export interface Keyring {
  /** @returns `undefined` when there is none. @throws Fault `client.keyring`. */
  find(server: Server, user: string): Promise<Secret | undefined>
  /** @throws Fault `client.keyring`. */
  keep(server: Server, user: string, password: Secret): Promise<void>
  /** @throws Fault `client.keyring`. */
  forget(server: Server, user: string): Promise<void>
}

/** @param tool the program `secret-tool`, by name or path. */
export function keyringOf(environment: NodeJS.ProcessEnv, tool = 'secret-tool'): Keyring {
  const env = Object.fromEntries(NEEDED.flatMap((name) => pairOf(name, environment[name])))
  const call = async (words: readonly string[], input?: string): Promise<string> => {
    try {
      const options = { env, timeoutMs: ANSWER_MS, ...(input === undefined ? {} : { input }) }
      return (await run(tool, words, options)).stdout
    } catch (cause) {
      // It ends with 1 and no word when there is nothing to find.
      if (cause instanceof RunError && cause.exitCode === 1 && cause.stderr.trim() === '') return ''
      const reason = cause instanceof RunError ? (lastLine(cause.stderr) ?? cause.message) : String(cause)
      throw new Fault('client.keyring', { reason }, { cause })
    }
  }
  return {
    find: async (server, user) => {
      const found = await call(['lookup', ...attributes(server, user)])
      return found === '' ? undefined : new Secret(found.replace(/\n$/, ''))
    },
    keep: async (server, user, password) => {
      const label = `--label=Ostler: ${user} at ${server.host}`
      await call(['store', label, ...attributes(server, user)], password.reveal())
    },
    forget: async (server, user) => {
      await call(['clear', ...attributes(server, user)])
    },
  }
}

function attributes({ host, port }: Server, user: string): string[] {
  return ['application', 'ostler', 'host', host, 'port', String(port), 'user', user]
}

function pairOf(name: string, value: string | undefined): [string, string][] {
  return value === undefined ? [] : [[name, value]]
}

function lastLine(text: string): string | undefined {
  return text
    .split('\n')
    .findLast((line) => line.trim() !== '')
    ?.trim()
}
