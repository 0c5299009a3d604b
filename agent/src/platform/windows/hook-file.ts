import { win32 } from 'node:path'
import * as z from 'zod/mini'
import { oneLine } from '../../user/home-folder.ts'
import { askPowerShell } from './powershell.ts'
import { parseSddl, RIGHT } from './sddl.ts'
import type { WindowsTools } from './tools.ts'

const LOOK_MS = 20_000

const SYSTEM = 'S-1-5-18'
const ADMINISTRATORS = 'S-1-5-32-544'
const TRUSTED_INSTALLER = 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
const OWNERS = [SYSTEM, ADMINISTRATORS, TRUSTED_INSTALLER]
/** The right of whoever the owner is. */
const OWNER_RIGHTS = 'S-1-3-4'

const CALLED: Readonly<Record<string, string>> = {
  WD: 'everybody',
  AU: 'everybody who is signed in',
  BU: 'the group Users',
}

const CHANGES = RIGHT.writeList | RIGHT.writeOwner
/** A file: nobody else may write to it, or put another in its place. */
const OF_FILE =
  CHANGES | RIGHT.delete | RIGHT.writeData | RIGHT.appendData | RIGHT.writeExtended | RIGHT.writeAttributes
/** A folder on the way: what is in it must stay there. `C:\` lets every user make folders, and that harms nothing. */
const OF_FOLDER = CHANGES | RIGHT.delete | RIGHT.deleteChild
/** The file's own folder: a program loads libraries that lie beside it. */
const OF_NEAREST = OF_FOLDER | RIGHT.writeData

/** What is known of the file and of each folder above it. `link` is anything that leads elsewhere. */
export const LOOK_AT_PATHS = `
foreach ($path in $given.paths) {
  if (-not (Test-Path -LiteralPath $path)) { return @{ missing = $path } }
}
$drive = New-Object System.IO.DriveInfo -ArgumentList $given.drive
$parts = @()
foreach ($path in $given.paths) {
  $item = Get-Item -LiteralPath $path -Force
  $parts += @{
    path = $path
    folder = [bool]$item.PSIsContainer
    link = [bool]($item.Attributes -band [System.IO.FileAttributes]::ReparsePoint)
    sddl = (Get-Acl -LiteralPath $path).Sddl
  }
}
@{ drive = [string]$drive.DriveType; parts = @($parts) }`

const part = z.object({ path: z.string(), folder: z.boolean(), link: z.boolean(), sddl: z.string() })
type Part = z.output<typeof part>
const answer = z.union([
  z.object({ missing: z.string() }),
  z.object({ drive: z.string(), parts: z.array(part) }),
])

/**
 * Why a hook file must not be run with our privileges, or `undefined` when it may: it and every folder on the way to it must be
 * the system's, on a disk of this machine, and writable by nobody else. Denials in an access list are not counted: whatever
 * somebody is granted counts. Never rejects: what cannot be looked at is not run.
 */
export async function hookFileProblem(file: string, tools: WindowsTools): Promise<string | undefined> {
  const formProblem = pathProblem(file)
  if (formProblem !== undefined) return formProblem
  try {
    const given = { paths: partsOf(file), drive: file.slice(0, 3) }
    const seen = await askPowerShell(tools, LOOK_AT_PATHS, given, answer, LOOK_MS)
    if ('missing' in seen) return `there is no ${seen.missing}`
    if (seen.drive !== 'Fixed') return `${file.slice(0, 3)} is no disk of this machine (${seen.drive})`
    if (seen.parts.length !== given.paths.length) return 'what leads to it could not be looked at'
    return seen.parts.map(partProblem).find((problem) => problem !== undefined)
  } catch (error) {
    return `its access list could not be read: ${oneLine(error)}`
  }
}

/** One way to write each path: no device, no stream, no share, nothing that Windows would quietly change. */
function pathProblem(file: string): string | undefined {
  if (!/^[A-Za-z]:\\[^\\]/.test(file)) return 'it is not an absolute path with a drive'
  const names = file.slice(3).split('\\')
  if (win32.normalize(file) !== file || names.some((name) => name === '' || /[. ]$/.test(name)))
    return 'it is not a plain path'
  if (/[/:*?"<>|\p{Cc}]/u.test(file.slice(3))) return 'it has a character that no path has'
  return undefined
}

/** The file, its folder, and so on up to the drive. */
function partsOf(file: string): string[] {
  const parts = [file]
  for (let at = file; win32.dirname(at) !== at; at = win32.dirname(at)) parts.push(win32.dirname(at))
  return parts
}

function partProblem({ path, folder, link, sddl }: Part, index: number): string | undefined {
  if (link) return `${path} leads elsewhere: give the path without it`
  if (folder !== index > 0) return index === 0 ? 'it is not a file' : `${path} is no folder`
  const { owner, list } = parseSddl(sddl)
  if (!OWNERS.includes(owner)) return `${path} belongs to ${owner}, not to the system or its administrators`
  if (list === undefined) return `${path} can be written to by everybody`
  const wrong = index === 0 ? OF_FILE : index === 1 ? OF_NEAREST : OF_FOLDER
  const open = list.find(
    ({ allows, inheritOnly, rights, sid }) =>
      allows && !inheritOnly && (rights & wrong) !== 0 && ![...OWNERS, OWNER_RIGHTS].includes(sid),
  )
  return open === undefined ? undefined : `${path} can be changed by ${CALLED[open.sid] ?? open.sid}`
}
