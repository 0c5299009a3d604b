import { Fault } from '@ostler/contract/fault.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How ssh starts us again to carry its stream. */
export interface SelfCommand {
  /** The program and its arguments up to the command. */
  readonly argv: readonly string[]
}

/**
 * Runs ssh to a desktop. It starts us again as its proxy command, which fetches a ticket for itself: none stands in a
 * list of processes.
 *
 * @param desktop its name in ssh's list of known hosts, and what we are started with.
 * @param more words for ssh, such as `-l ann` or a command.
 * @returns its exit code.
 * @throws Fault `node.missingProgram` without ssh.
 */
export async function runSsh(
  self: SelfCommand,
  desktop: { readonly id: number; readonly word: string },
  more: readonly string[],
): Promise<number> {
  const { argv } = sshCommand(self, desktop, more)
  const child = spawn('ssh', argv, { stdio: 'inherit' })
  // The keys of its terminal are ssh's; we only wait for it.
  const ignore = (): void => {}
  process.on('SIGINT', ignore)
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    return code ?? 255
  } catch (cause) {
    throw new Fault('node.missingProgram', { program: 'ssh', packages: 'openssh-client' }, { cause })
  } finally {
    process.off('SIGINT', ignore)
  }
}

/** The words that ssh is started with. */
export function sshCommand(
  self: SelfCommand,
  { id, word }: { readonly id: number; readonly word: string },
  more: readonly string[],
): { readonly argv: string[] } {
  const proxy = [...self.argv, 'vm', 'tunnel', word, 'kind=ssh'].map(quoted).join(' ')
  // Addresses of desktops are given to others; the number is not.
  const alias = `ostler-desktop-${id}`
  return { argv: ['-o', `ProxyCommand=${proxy}`, '-o', `HostKeyAlias=${alias}`, ...hostAndMore(alias, more)] }
}

/** Options stand before the host, a command behind it; who gives none of both gives nothing. */
function hostAndMore(host: string, more: readonly string[]): string[] {
  const end = endOfOptions(more)
  return [...more.slice(0, end), '--', host, ...more.slice(end)]
}

/** Options of ssh that take a word of their own (ssh(1)). */
const WITH_WORD = 'BbcDEeFIiJLlmOopQRSWw'

function endOfOptions(words: readonly string[]): number {
  let at = 0
  while (at < words.length) {
    const word = words[at] ?? ''
    if (word === '--' || !/^-./.test(word)) break
    const takes = WITH_WORD.includes(word.charAt(1)) && word.length === 2
    at += takes ? 2 : 1
  }
  return Math.min(at, words.length)
}

/** For the shell by which ssh starts a proxy command, which reads `%` as a word of its own besides. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`).replaceAll('%', '%%')}'`
}
