import { Fault } from '@ostler/contract/fault.ts'
import { appendFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { win32 } from 'node:path'
import { loadAgentConfig } from '../../config/load.ts'
import { oneLine } from '../../user/home-folder.ts'
import type { WindowsTools } from './tools.ts'

/** The firewall's rule. */
const RULE = 'ostler-vma'
const NETSH_MS = 60_000

export interface SetupParts {
  readonly tools: WindowsTools
  /** The data folder, which the installer has made. */
  readonly data: string
  /** The program that the firewall lets in. */
  readonly program: string
  /** How paths below `data` are made: other than Windows' in tests alone. */
  readonly join?: (...names: string[]) => string
}

/**
 * What the installer has the agent do itself, the first time: a configuration, and a rule of the firewall. What is there is an
 * administrator's, and an upgrade leaves it as it is. A rule that cannot be made does not stop the installation; `setup.log` has why.
 *
 * @param wanted `port` of the agent; `firewall`: whether a rule is wanted.
 * @throws Fault `config.invalid`, Error when the configuration cannot be written.
 */
export async function setUp(
  parts: SetupParts,
  wanted: { readonly port: string; readonly firewall: boolean },
): Promise<void> {
  const { data, join = win32.join } = parts
  const own = join(data, 'vma.conf')
  // Anything else would be more lines of the configuration.
  if (!/^\d{1,5}$/.test(wanted.port)) throw new Fault('config.invalid', { problems: 'PORT is no port' })
  const isNew = !existsSync(own)
  if (isNew) writeFileSync(own, firstConfiguration(wanted.port))
  try {
    const port = loadAgentConfig({ own }).values['internal.vm.port.vma']
    if (wanted.firewall && isNew) await openFirewall(parts, port)
  } catch (error) {
    if (isNew) rmSync(own, { force: true })
    throw error
  }
}

/** Undoes `setUp`, and takes the data folder away with all that is in it. */
export async function takeDown(parts: SetupParts): Promise<void> {
  await netsh(parts, ['delete', 'rule', `name=${RULE}`])
  rmSync(parts.data, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
}

function firstConfiguration(port: string): string {
  return [
    "# Configuration of Ostler's agent; upgrades keep this file. vma.conf.md beside the program has every key.",
    '# A backslash is written twice. Restart the service ostler-vma after a change.',
    '',
    `internal.vm.port.vma = ${port}`,
    '',
  ].join('\r\n')
}

async function openFirewall(parts: SetupParts, port: number): Promise<void> {
  // One that is left would be a second rule of the same name.
  await netsh(parts, ['delete', 'rule', `name=${RULE}`])
  const rule = ['dir=in', 'action=allow', 'protocol=TCP', `localport=${port}`, `program=${parts.program}`]
  await netsh(parts, ['add', 'rule', `name=${RULE}`, ...rule], 'told')
}

/** @param failure a rule that is not there cannot be deleted, and that is nothing to tell. */
async function netsh(parts: SetupParts, words: readonly string[], failure?: 'told'): Promise<void> {
  try {
    await parts.tools.run('netsh', ['advfirewall', 'firewall', ...words], { timeoutMs: NETSH_MS })
  } catch (error) {
    if (failure === undefined) return
    const folder = (parts.join ?? win32.join)(parts.data, 'log')
    mkdirSync(folder, { recursive: true })
    const line = `${new Date().toISOString()} the firewall has no rule for the agent: ${oneLine(error)}\r\n`
    appendFileSync((parts.join ?? win32.join)(folder, 'setup.log'), line)
  }
}
