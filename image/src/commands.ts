import { Fault } from '@ostler/contract/fault.ts'
import { apiClient, type ApiClient } from '@ostler/qa/api-client.ts'
import { readLogin } from '@ostler/qa/login.ts'
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildImage } from './build.ts'
import { checkImage } from './check.ts'
import { editImage } from './edit.ts'
import { importImage } from './import.ts'
import { readRecipe } from './recipe.ts'
import { readRelease, type Release } from './release.ts'
import { sealImage } from './seal-image.ts'

const USAGE = `ostler-image: builds disk images of desktops.

usage: ostler-image recipe [NAME]            lists the recipes that come with it, or prints one
       ostler-image build RECIPE             an image, with its manifest, list of parts and checksum
       ostler-image edit IMAGE [-- PROGRAM]  a shell or a program in a copy of it, which becomes a new version
       ostler-image check IMAGE              a desktop of it starts on a node, and somebody opens a session
       ostler-image import IMAGE --osf NAME  adds it to a flavour of a node
       ostler-image seal FOLDER              takes from the system in a folder what makes it one machine's

options: --output FOLDER    where images lie (the working folder)
         --version V        its version (the day and a number)
         --agent FILE       another ostler-vma_*.deb than the recipe's
         --cache FOLDER     keeps what was fetched for the next build
         --osf NAME         the flavour
         --tag NAME         one more tag that is to stand for it
         --door HOST:PORT   door of the node (127.0.0.1:8443)

The api of the node is found as by qa: the socket OSTLER_API_SOCKET, else where qa login has said (OSTLER_QA_LOGIN), else at
/run/ostler/api/api.sock. The guide is docs/image-builder.md.`
const DEFAULT_SOCKET = '/run/ostler/api/api.sock'

type Options = ReturnType<typeof readWords>['values']
/** One command, for the thing that it is about. */
type Command = (subject: string, options: Options, rest: readonly string[], work: Work) => Promise<void>

interface Work {
  readonly tell: (text: string) => void
  readonly signal: AbortSignal
}

/** What can be done; `recipe` besides. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  build: async (file, options, _, work) => {
    const made = await buildImage(readRecipe(file, options.agent), {
      ...work,
      ...own(),
      ...{ output: options.output, cache: options.cache, version: options.version },
    })
    printMade(made, work)
  },
  edit: async (file, options, rest, work) => {
    const made = await editImage(readRelease(file), rest, { ...work, ...own(), version: options.version })
    if (made !== undefined) printMade(made, work)
  },
  check: async (file, options, _, work) => {
    const { width, height } = await checkImage(readRelease(file), {
      ...work,
      ...{ api: apiOf(process.env), door: readDoor(options.door) },
    })
    console.log(`passed: a session with a picture of ${width} × ${height}`)
  },
  import: async (file, { osf, tag }, _, work) => {
    if (osf === undefined) throw usage('into which flavour? --osf NAME')
    const { path, manifest } = readRelease(file)
    const id = await importImage({ path, manifest }, { osf, tag }, apiOf(process.env))
    work.tell(`version ${manifest.version} is image ${id} of ${osf}`)
    console.log(id)
  },
  // Also what mmdebstrap calls, and `edit`: among the files of a system, as their root.
  seal: (folder) => {
    if (realpathSync(folder) === '/') throw usage('that is this machine: it would lose its keys and logs')
    sealImage(folder)
    return Promise.resolve()
  },
}

/**
 * Runs one command of `ostler-image`: results go to standard output, progress with its seconds to standard error.
 * @throws Fault; `client.choice` for words that are none.
 */
export async function runCommand(words: readonly string[], signal: AbortSignal): Promise<void> {
  const { values, positionals, rest } = readWords(words)
  const [name, subject, ...more] = positionals
  if (values.help || name === undefined) return void console.log(USAGE)
  if (more.length > 0) throw usage(`"${more[0] ?? ''}" is too much`)
  if (name === 'recipe') return void console.log(recipeText(subject))
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command === undefined) throw usage(`there is no command "${name}"`)
  if (subject === undefined) throw usage(`${name} what?`)
  const began = performance.now()
  const tell = (text: string): void =>
    console.error(`${String(Math.round((performance.now() - began) / 1_000)).padStart(5)} s  ${text}`)
  await command(subject, values, rest, { tell, signal })
}

const OPTIONS = {
  output: { type: 'string', default: '.' },
  version: { type: 'string' },
  agent: { type: 'string' },
  cache: { type: 'string' },
  osf: { type: 'string' },
  tag: { type: 'string' },
  door: { type: 'string', default: '127.0.0.1:8443' },
  help: { type: 'boolean', short: 'h', default: false },
} as const

/** What stands behind `--` is another program's. */
function readWords(words: readonly string[]) {
  const end = words.includes('--') ? words.indexOf('--') : words.length
  try {
    const said = parseArgs({ args: words.slice(0, end), allowPositionals: true, options: OPTIONS })
    return { ...said, rest: words.slice(end + 1) }
  } catch (cause) {
    throw usage(cause instanceof Error ? cause.message : String(cause))
  }
}

/** Where recipes and the programs for images lie: beside the bundle, or above its sources. */
function home(): string {
  const folder = dirname(process.argv[1] ?? '')
  return existsSync(join(folder, 'recipes')) ? folder : join(folder, '../..')
}

function own() {
  return { inside: join(home(), 'inside'), self: [process.execPath, process.argv[1] ?? ''] } as const
}

function apiOf({ OSTLER_API_SOCKET: socket, OSTLER_QA_LOGIN: login }: NodeJS.ProcessEnv): ApiClient {
  return apiClient(socket ?? readLogin(login ?? join(homedir(), '.config/ostler/qa.json')) ?? DEFAULT_SOCKET)
}

function readDoor(text: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^\[?([^[\]]+?)\]?:(\d{1,5})$/.exec(text) ?? []
  if (host === '') throw usage(`"${text}" is no HOST:PORT`)
  return { host, port: Number(port) }
}

function recipeText(name: string | undefined): string {
  const folder = join(home(), 'recipes')
  const names = readdirSync(folder).map((file) => file.replace(/\.conf$/, ''))
  if (name === undefined) return names.join('\n')
  if (!names.includes(name)) throw usage(`no recipe "${name}" comes with it`)
  return readFileSync(join(folder, `${name}.conf`), 'utf8').trimEnd()
}

function printMade({ path, manifest }: Release, { tell }: Work): void {
  tell(`${manifest.packages} packages, ${(manifest.bytes / 1e6).toFixed(0)} MB`)
  console.log(path)
}

function usage(problem: string): Fault {
  return new Fault('client.choice', { problem, choices: 'ostler-image --help' })
}
