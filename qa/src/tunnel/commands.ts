import { Fault } from '@ostler/contract/fault.ts'
import { ADMIN_TUNNELS, type AdminTunnel } from '@ostler/contract/tunnel.ts'
import type { ApiClient } from '../api-client.ts'
import { openConsole, type Terminal } from './console.ts'
import { pipeTunnel } from './pipe.ts'
import { runSsh, type SelfCommand } from './ssh.ts'
import { showDesktop } from './viewer.ts'

export interface TunnelSettings {
  readonly api: ApiClient
  readonly terminal: Terminal
  readonly self: SelfCommand
  readonly env: NodeJS.ProcessEnv
}

/** What follows a command: whose desktop, `key=value` words, and behind `--` words for another program. */
interface Words {
  readonly desktop: string
  readonly pairs: Readonly<Record<string, string>>
  readonly more: readonly string[]
}

type Act = (words: Words, settings: TunnelSettings, person: { person?: string }) => Promise<number>

/** `qa vm …` commands that open a stream to one desktop (compatibility page 9.1). */
const COMMANDS: Readonly<Record<string, { readonly keys: readonly string[]; readonly act: Act }>> = {
  console: {
    keys: ['user'],
    act: ({ desktop, pairs: { user } }, { api, terminal }, person) =>
      openConsole(api, desktop, { ...(user === undefined ? {} : { account: user }), ...person }, terminal),
  },
  ssh: {
    keys: [],
    act: async ({ desktop, more }, { api, self }) => {
      const all = (await api.get('/v1/desktops')) as { id: number; name: string }[]
      const found = all.find(({ name }) => name === desktop) ?? all.find(({ id }) => String(id) === desktop)
      if (found === undefined) throw new Fault('object.unknown', { kind: 'vm', name: desktop })
      return await runSsh(self, { id: found.id, word: desktop }, more)
    },
  },
  vnc: {
    keys: [],
    act: async ({ desktop }, { api, env, terminal }, person) => {
      const print = (line: string): void => void terminal.notes.write(`${line}\n`)
      await showDesktop(api, desktop, person, { env, print })
      return 0
    },
  },
  tunnel: {
    keys: ['kind'],
    act: async ({ desktop, pairs }, { api, terminal }, person) => {
      const kind = ADMIN_TUNNELS.find((each) => each === pairs['kind'])
      if (kind === undefined)
        throw choice(
          'which kind of tunnel?',
          ADMIN_TUNNELS.map((each: AdminTunnel) => `kind=${each}`),
        )
      await pipeTunnel(api, desktop, { kind, ...person }, terminal)
      return 0
    },
  },
}

/** Actions of `qa vm` that open a tunnel. */
export const TUNNEL_ACTIONS: readonly string[] = Object.keys(COMMANDS)

/** True for words that `runTunnelCommand` takes. */
export function isTunnelCommand([object, action = '']: readonly string[]): boolean {
  return object === 'vm' && Object.hasOwn(COMMANDS, action)
}

/**
 * Runs `qa vm console|ssh|vnc|tunnel DESKTOP`, also in QVD's form `-f name=DESKTOP` or `-f id=NUMBER`.
 * @returns the exit code.
 * @throws Fault `client.choice` for words that are none, or what goes wrong on the way.
 */
export async function runTunnelCommand(words: readonly string[], settings: TunnelSettings): Promise<number> {
  const [, action = '', ...rest] = words
  const command = Object.hasOwn(COMMANDS, action) ? COMMANDS[action] : undefined
  if (command === undefined) throw choice(`unknown action ${action} for vm`, Object.keys(COMMANDS))
  const said = readWords(rest)
  const strange = Object.keys(said.pairs).find((key) => !command.keys.includes(key))
  if (strange !== undefined)
    throw choice(
      `${action} does not take ${strange}`,
      command.keys.map((key) => `${key}=…`),
    )
  if (said.more.length > 0 && action !== 'ssh') throw choice(`${action} takes nothing behind --`, ['ssh'])
  const { SUDO_USER, LOGNAME, USER } = settings.env
  const name = SUDO_USER ?? LOGNAME ?? USER
  return await command.act(said, settings, name === undefined || name === '' ? {} : { person: name })
}

function readWords(words: readonly string[]): Words {
  const end = words.indexOf('--')
  const own = end === -1 ? words : words.slice(0, end)
  const more = end === -1 ? [] : words.slice(end + 1)
  const [first = '', second, ...rest] = own
  const isFilter = ['-f', '-F', '--filter'].includes(first)
  const desktop = isFilter ? /^(?:name|id)=([^,]+)$/.exec(second ?? '')?.[1] : first
  const pairs = isFilter ? rest : own.slice(1)
  if (desktop === undefined || desktop === '' || desktop.includes('='))
    throw choice('which desktop?', ['NAME', 'ID', '-f name=NAME'])
  return { desktop, more, pairs: Object.fromEntries(pairs.map(splitPair)) }
}

function splitPair(word: string): readonly [string, string] {
  const split = word.indexOf('=')
  if (split < 1) throw choice(`${word} is not key=value`, ['key=value'])
  return [word.slice(0, split), word.slice(split + 1)]
}

function choice(problem: string, choices: readonly string[]): Fault {
  return new Fault('client.choice', { problem, choices: choices.join(', ') || 'nothing more' })
}
