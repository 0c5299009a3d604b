import { Fault } from '@ostler/contract/fault.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { randomBytes } from 'node:crypto'
import { win32 } from 'node:path'
import * as z from 'zod/mini'
import type { Accounts, UserRequest } from '../../user/account.ts'
import { oneLine } from '../../user/home-folder.ts'
import { accountNameProblem } from './account-name.ts'
import { askPowerShell } from './powershell.ts'
import type { WindowsTools } from './tools.ts'

/** Numbers below belong to the system: 500 is Administrator, 501 Guest, in whatever language. */
const FIRST_USER = 1_000
const USERS = 'S-1-5-32-545'
const REMOTE_DESKTOP_USERS = 'S-1-5-32-555'
const LOOK_MS = 20_000
const CHANGE_MS = 60_000

/** Asks for everything that is called so: a name can also be a group's, or an account's of the domain. */
export const FIND_ACCOUNT = `
$user = Get-LocalUser | Where-Object { $_.Name -eq $given.name } | Select-Object -First 1
$first = Get-LocalUser | Select-Object -First 1
$sid = $null
if ($user) {
  $sid = $user.SID
} else {
  try {
    $called = New-Object System.Security.Principal.NTAccount -ArgumentList $given.name
    $sid = $called.Translate([System.Security.Principal.SecurityIdentifier])
  } catch [System.Security.Principal.IdentityNotMappedException] {
  }
}
$list = 'HKLM:\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\ProfileList'
$folder = $null
if ($sid) {
  $key = Join-Path -Path $list -ChildPath $sid.Value
  if (Test-Path -LiteralPath $key) { $folder = (Get-ItemProperty -LiteralPath $key).ProfileImagePath }
}
@{
  sid = $(if ($sid) { $sid.Value } else { $null })
  machine = $first.SID.AccountDomainSid.Value
  local = [bool]$user
  enabled = $(if ($user) { [bool]$user.Enabled } else { $true })
  profile = $folder
  profiles = (Get-ItemProperty -LiteralPath $list).ProfilesDirectory
}`

/** Unlike `net user /add`, New-LocalUser makes its account a member of nothing, and nobody can sign in with that. */
export const MAKE_ACCOUNT = `
$password = New-Object System.Security.SecureString
foreach ($letter in $secret.ToCharArray()) { $password.AppendChar($letter) }
$user = New-LocalUser -Name $given.name -Password $password -PasswordNeverExpires -AccountNeverExpires -Description $given.mark
$missing = @()
foreach ($sid in $given.builtin) { Add-LocalGroupMember -SID $sid -Member $user }
foreach ($name in $given.groups) {
  $group = Get-LocalGroup | Where-Object { $_.Name -eq $name } | Select-Object -First 1
  if ($group) {
    try {
      Add-LocalGroupMember -Group $group -Member $user
    } catch {
      if ($_.FullyQualifiedErrorId -notlike 'MemberExists,*') { throw }
    }
  } else {
    $missing += $name
  }
}
@{ missing = @($missing) }`

/** Removes what bears the mark of one creation, and no other account of that name. */
export const REMOVE_ACCOUNT = `
$removed = 0
foreach ($user in @(Get-LocalUser | Where-Object { $_.Description -eq $given.mark })) {
  Remove-LocalUser -SID $user.SID
  $removed += 1
  Get-CimInstance -ClassName Win32_UserProfile | Where-Object { $_.SID -eq $user.SID.Value } | Remove-CimInstance
}
@{ removed = $removed }`

const found = z.object({
  sid: z.nullable(z.string()),
  machine: z.string(),
  local: z.boolean(),
  enabled: z.boolean(),
  profile: z.nullable(z.string()),
  profiles: z.string(),
})
const made = z.object({ missing: z.array(z.string()) })
const removed = z.object({ removed: z.int() })

/**
 * The accounts of a Windows guest, by the cmdlets for local accounts: what `net user` prints is in the language of the system,
 * and it wants a password in argv.
 *
 * An `Account` has Unix's fields. Its `uid` is the last number of the account's SID, which is never 0 and unique in its domain;
 * its `gid` that of the group Users; its `shell` the one that Windows starts. The place of a home is Windows' own affair: it is
 * known for certain once she has signed in, and `UserRequest`'s home, shell and numbers play no part.
 */
export function windowsAccounts(tools: WindowsTools): Accounts {
  return {
    find: (name) => find(tools, name),
    create: (request) => create(tools, request),
  }
}

async function find(tools: WindowsTools, name: string): Promise<Account | undefined> {
  refuse(name, accountNameProblem(name))
  const answer = await askPowerShell(tools, FIND_ACCOUNT, { name }, found, LOOK_MS).catch(
    (error: unknown) => {
      throw wrong(name, `it could not be looked up: ${oneLine(error)}`, error)
    },
  )
  if (answer.sid === null) return undefined
  const [, domain, number] = /^(S-1-5-21(?:-\d+){3})-(\d+)$/.exec(answer.sid) ?? []
  if (number === undefined || Number(number) < FIRST_USER)
    throw wrong(name, 'this is an account of the system')
  if (!answer.local && domain === answer.machine) throw wrong(name, 'a group has this name')
  if (!answer.enabled) throw wrong(name, 'it is disabled')
  return {
    name,
    uid: Number(number),
    gid: Number(USERS.split('-').at(-1)),
    home: answer.profile ?? win32.join(answer.profiles, name),
    shell: 'explorer.exe',
  }
}

async function create(tools: WindowsTools, request: UserRequest) {
  const { name } = request
  refuse(name, accountNameProblem(name))
  const mark = `Ostler ${randomBytes(12).toString('hex')}`
  const undo = async (): Promise<void> => {
    await askPowerShell(tools, REMOVE_ACCOUNT, { mark }, removed, CHANGE_MS).catch(() => {})
  }
  const ownGroup = request.group.toLowerCase() === name.toLowerCase() ? [] : [request.group]
  const given = {
    name,
    mark,
    secret: randomPassword(),
    builtin: [USERS, REMOTE_DESKTOP_USERS],
    groups: [...ownGroup, ...request.groups],
  }
  try {
    const { missing } = await askPowerShell(tools, MAKE_ACCOUNT, given, made, CHANGE_MS)
    return { warnings: missing.map((group) => `the group ${group} does not exist in this desktop`), undo }
  } catch (error) {
    await undo()
    throw wrong(name, oneLine(error), error)
  }
}

/** Nobody is told it: how a user proves who she is comes after. It has all that a policy may ask for. */
function randomPassword(): string {
  return `Aa1!${randomBytes(30).toString('base64url')}`
}

function refuse(name: string, problem: string | undefined): void {
  if (problem !== undefined) throw wrong(name, problem)
}

function wrong(user: string, reason: string, cause?: unknown): Fault {
  return new Fault('session.user', { user, reason }, cause === undefined ? {} : { cause })
}
