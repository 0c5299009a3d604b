import { Fault } from '@ostler/contract/fault.ts'
import { type Account, findAccount, parseAccount } from '@ostler/kit/passwd.ts'
import { type run as runProgram, RunError } from '@ostler/kit/run.ts'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentValues } from '../../config/options.ts'
import type { Accounts } from '../../user/account.ts'
import { explainHomeError } from '../../user/home-folder.ts'

/** useradd's exit code when it could not make the home; it does not say why. */
const HOME_NOT_MADE = 12
/** Numbers below belong to the system. */
const FIRST_USER = 1_000

/** The accounts of a Linux guest, made with the programs that the configuration names. */
export function linuxAccounts(config: () => AgentValues, run: typeof runProgram): Accounts {
  const find = async (name: string): Promise<Account | undefined> =>
    findAccount(name) ?? (await lookUp(run, name))
  return {
    find,
    create: async (request) => {
      const commands = config()
      const home = statSync(request.home, { throwIfNoEntry: false })
      const warnings: string[] = []
      const groups = request.groups.filter((group) => {
        if (groupExists(group)) return true
        // The default group is QVD's: an image without it lacks nothing.
        if (!commands['vma.user.default.groups'].split(',').includes(group))
          warnings.push(`the group ${group} does not exist in this desktop`)
        return false
      })
      const undoing: (() => Promise<unknown>)[] = []
      const undo = async (): Promise<void> => {
        for (const step of undoing.reverse()) await step().catch(() => {})
      }
      try {
        // useradd makes a group of the user's own name by itself, in one go.
        const isNew = !groupExists(request.group)
        const gid = request.gid ?? adopted(home?.gid, 3, '/etc/group')
        const ownGroup = isNew && request.group === request.name && gid === undefined
        if (isNew && !ownGroup) {
          await run(commands['command.groupadd'], [...number('--gid', gid), '--', request.group])
          undoing.push(() => run(commands['command.groupdel'], ['--', request.group]))
        }
        const uid = request.uid ?? adopted(home?.uid, 3, '/etc/passwd')
        await run(commands['command.useradd'], [
          '--create-home',
          '--home-dir',
          request.home,
          ...(ownGroup ? ['--user-group'] : ['--gid', request.group]),
          '--shell',
          request.shell,
          ...(groups.length === 0 ? [] : ['--groups', groups.join(',')]),
          ...number('--uid', uid),
          '--',
          request.name,
        ])
        // A home that was there before holds somebody's work: it stays.
        const removeHome = home === undefined ? ['--remove'] : []
        undoing.push(() => run(commands['command.userdel'], ['--force', ...removeHome, '--', request.name]))
      } catch (error) {
        // useradd leaves an account behind when only its home could not be made.
        if (findAccount(request.name) !== undefined)
          undoing.push(() => run(commands['command.userdel'], ['--force', '--', request.name]))
        await undo()
        const full =
          error instanceof RunError && error.exitCode === HOME_NOT_MADE ? whyNot(request.home) : undefined
        if (full !== undefined) throw full
        throw new Fault('session.user', { user: request.name, reason: reasonOf(error) }, { cause: error })
      }
      return { warnings, undo }
    },
  }
}

/** Tries to make a home, to hear why useradd could not. */
function whyNot(home: string): Fault | undefined {
  let trial: string | undefined
  try {
    trial = mkdtempSync(`${home}.trial-`)
    writeFileSync(join(trial, 'trial'), Buffer.alloc(4_096))
    return undefined
  } catch (error) {
    return explainHomeError(error, home)
  } finally {
    if (trial !== undefined) rmSync(trial, { recursive: true, force: true })
  }
}

/** An account of a directory service, which is in no file here; nobody is asked when the system has no such service. */
async function lookUp(run: typeof runProgram, name: string): Promise<Account | undefined> {
  if (!hasDirectory()) return undefined
  try {
    const { stdout } = await run('getent', ['passwd', name], { timeoutMs: 5_000 })
    const account = parseAccount(stdout.trim())
    return account?.name === name ? account : undefined
  } catch (error) {
    if (error instanceof RunError && error.exitCode === 2) return undefined
    throw new Fault(
      'session.user',
      { user: name, reason: `it could not be looked up: ${reasonOf(error)}` },
      { cause: error },
    )
  }
}

/** The number of whoever owns a home that outlived its account, so that the files in it stay hers; if it is free. */
function adopted(owner: number | undefined, field: number, file: string): number | undefined {
  if (owner === undefined || owner < FIRST_USER) return undefined
  const taken = readFileSync(file, 'utf8')
    .split('\n')
    .some((line) => line.split(':')[field - 1] === String(owner))
  return taken ? undefined : owner
}

/** True when accounts come from elsewhere than files (nsswitch.conf(5)). */
function hasDirectory(): boolean {
  try {
    const line = /^passwd:(.*)$/m.exec(readFileSync('/etc/nsswitch.conf', 'utf8'))?.[1] ?? ''
    const services = line.replaceAll(/\[[^\]]*\]/g, ' ').split(/\s+/)
    return services.some((service) => !['', 'files', 'compat', 'systemd'].includes(service))
  } catch {
    return false
  }
}

function groupExists(name: string): boolean {
  return readFileSync('/etc/group', 'utf8')
    .split('\n')
    .some((line) => line.startsWith(`${name}:`))
}

function number(option: string, value: number | undefined): string[] {
  return value === undefined ? [] : [option, String(value)]
}

function reasonOf(error: unknown): string {
  if (error instanceof RunError) return error.stderr.trim() || error.message
  return error instanceof Error ? error.message : String(error)
}
