import { Fault } from '@ostler/contract/fault.ts'
import { type Account, findAccount, parseAccount } from '@ostler/kit/passwd.ts'
import { type run as runProgram, RunError } from '@ostler/kit/run.ts'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { AgentValues } from '../../config/options.ts'
import type { Accounts, UserRequest } from '../../user/account.ts'
import { isSoleUser } from '../../user/sole-user.ts'
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
    create: (request) => createAccount(config(), run, request),
  }
}

type Undoing = (() => Promise<unknown>)[]

async function createAccount(
  commands: AgentValues,
  run: typeof runProgram,
  request: UserRequest,
): ReturnType<Accounts['create']> {
  if (isSoleUser())
    throw new Fault('session.user', { user: request.name, reason: 'this desktop is for its one user alone' })
  const isHomeNew = statSync(request.home, { throwIfNoEntry: false }) === undefined
  const { groups, warnings } = existingGroups(request.groups, commands)
  const undoing: Undoing = []
  const undo = async (): Promise<void> => {
    for (const step of undoing.reverse()) await step().catch(() => {})
  }
  try {
    await makeAccount(commands, run, { ...request, groups }, isHomeNew, undoing)
    // useradd says nothing when the skeleton did not fit.
    const trouble = isHomeNew ? homeTrouble(request.home) : undefined
    if (trouble !== undefined) throw trouble
    return { warnings, undo }
  } catch (error) {
    await undo()
    if (error instanceof Fault) throw error
    const trouble = exitCodeOf(error) === HOME_NOT_MADE ? homeTrouble(request.home) : undefined
    if (trouble !== undefined) throw trouble
    throw new Fault('session.user', { user: request.name, reason: reasonOf(error) }, { cause: error })
  }
}

/** Those of some extra groups that are there, and a warning for each other one. */
function existingGroups(wanted: readonly string[], commands: AgentValues) {
  const warnings: string[] = []
  // The default group is QVD's: an image without it lacks nothing.
  const dispensable = commands['vma.user.default.groups'].split(',').map((group) => group.trim())
  const groups = wanted.filter((group) => {
    const isThere = groupNumber(group) !== undefined
    if (!isThere && !dispensable.includes(group))
      warnings.push(`the group ${group} does not exist in this desktop`)
    return isThere
  })
  return { groups, warnings }
}

/** Makes the group and the account, and notes for each step, also for one that failed half-way, how it is undone. */
async function makeAccount(
  commands: AgentValues,
  run: typeof runProgram,
  { name, uid, gid, group, groups, home, shell }: UserRequest,
  isHomeNew: boolean,
  undoing: Undoing,
): Promise<void> {
  const owner = isHomeNew ? undefined : statSync(home)
  const groupBefore = groupNumber(group)
  const newGid = gid ?? adopted(owner?.gid, 3, '/etc/group')
  // useradd makes a group of the user's own name by itself, in one go.
  const ownGroup = groupBefore === undefined && group === name && newGid === undefined
  if (groupBefore === undefined && !ownGroup) {
    await run(commands['command.groupadd'], [...number('--gid', newGid), '--', group])
    undoing.push(() => run(commands['command.groupdel'], ['--', group]))
  }
  const removeAccount = async (): Promise<void> => {
    // A home that was there before holds somebody's work: it stays.
    const removeHome = isHomeNew ? ['--remove'] : []
    await run(commands['command.userdel'], ['--force', ...removeHome, '--', name]).catch(() => {})
    // userdel takes a group of the user's name with it, whoever made that.
    if (groupBefore !== undefined && groupNumber(group) === undefined)
      await run(commands['command.groupadd'], [...number('--gid', groupBefore), '--', group])
  }
  try {
    await run(commands['command.useradd'], [
      '--create-home',
      '--home-dir',
      home,
      ...(ownGroup ? ['--user-group'] : ['--gid', group]),
      '--shell',
      shell,
      ...(groups.length === 0 ? [] : ['--groups', groups.join(',')]),
      ...number('--uid', uid ?? adopted(owner?.uid, 3, '/etc/passwd')),
      '--',
      name,
    ])
    undoing.push(removeAccount)
  } catch (error) {
    if (mayHaveMade(error)) undoing.push(removeAccount)
    throw error
  }
}

/** Whether a failed useradd may have left an account behind: one without a home, or when it was ended half-way. */
function mayHaveMade(error: unknown): boolean {
  return exitCodeOf(error) === HOME_NOT_MADE || (error instanceof RunError && error.signal !== null)
}

/** Tries to make something beside a home, to hear what useradd does not say. */
function homeTrouble(home: string): Fault | undefined {
  let trial: string | undefined
  try {
    trial = mkdtempSync(join(dirname(home), '.trial-'))
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

/** The number of a group of the files; `undefined` when there is no such group. */
function groupNumber(name: string): number | undefined {
  const line = readFileSync('/etc/group', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith(`${name}:`))
  return line === undefined ? undefined : Number(line.split(':')[2])
}

function number(option: string, value: number | undefined): string[] {
  return value === undefined ? [] : [option, String(value)]
}

function exitCodeOf(error: unknown): number | null {
  return error instanceof RunError ? error.exitCode : null
}

function reasonOf(error: unknown): string {
  if (error instanceof RunError) return error.stderr.trim() || error.message
  return error instanceof Error ? error.message : String(error)
}
