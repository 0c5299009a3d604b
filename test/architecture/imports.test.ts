import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

/** Who may import whom, and why. A part may always import itself. Parts of the proxy are its folders. */
const MAY_IMPORT: Readonly<Record<string, { parts: readonly string[]; why: string }>> = {
  kit: { parts: [], why: 'kit is mechanics without a domain word: it must serve any project' },
  contract: { parts: ['kit'], why: 'contract is what two processes must agree on: it may depend on neither' },
  agent: { parts: ['kit', 'contract'], why: 'the agent lives in guests and must not carry the node with it' },
  client: { parts: ['kit', 'contract'], why: 'the client runs on machines of users, far from any node' },
  qa: { parts: ['kit', 'contract'], why: 'qa is a thin client of the api and must not reach behind it' },
  image: {
    parts: ['kit', 'contract', 'qa', 'agent'],
    why: 'images are built far from any node, whose api is called as qa does; of the agent it has the keys alone',
  },
  web: { parts: ['contract'], why: 'pages run in browsers: kit needs Node' },
  'proxy/model': { parts: ['kit', 'contract'], why: 'the model is pure tables and policy' },
  'proxy/store': {
    parts: ['kit', 'contract', 'proxy/model'],
    why: 'only store has SQL, and it has nothing else',
  },
  'proxy/auth': { parts: ['kit', 'contract', 'proxy/model'], why: 'siblings never import each other' },
  'proxy/balance': {
    parts: ['kit', 'contract', 'proxy/model'],
    why: 'a balancer is pure: the simulator runs it too',
  },
  'proxy/display': { parts: ['kit', 'contract', 'proxy/model'], why: 'siblings never import each other' },
  'proxy/guest': { parts: ['kit', 'contract', 'proxy/model'], why: 'siblings never import each other' },
  'proxy/hypervisor': {
    parts: ['kit', 'contract', 'proxy/model'],
    why: 'a driver has six verbs and no database',
  },
  'proxy/l7r': {
    parts: ['kit', 'contract', 'proxy/model', 'proxy/store', 'proxy/auth', 'proxy/display', 'proxy/guest'],
    why: 'the l7r must run on a node that has no hypervisor, and it leaves placing to hkd',
  },
  'proxy/hkd': {
    parts: [
      'kit',
      'contract',
      'proxy/model',
      'proxy/store',
      'proxy/balance',
      'proxy/guest',
      'proxy/hypervisor',
    ],
    why: 'hkd is not in the data path and knows no passwords',
  },
  'proxy/api': {
    parts: ['kit', 'contract', 'proxy/model', 'proxy/store', 'proxy/auth'],
    why: 'the api never touches a desktop directly: it adds wishes',
  },
  'proxy/wiring': {
    parts: ['kit', 'contract', 'proxy/'],
    why: 'wiring says which implementation, and nobody imports it but bin',
  },
  'proxy/bin': {
    parts: ['kit', 'contract', 'proxy/wiring'],
    why: 'an entry file parses arguments and starts',
  },
}

interface Import {
  readonly file: string
  readonly to: string
  /** The imported file; `undefined` when only types are imported, which vanish at run time. */
  readonly target: string | undefined
}

const FILES = Object.keys(MAY_IMPORT)
  .map((part) => part.split('/')[0] ?? '')
  .filter((workspace, index, all) => all.indexOf(workspace) === index)
  .flatMap((workspace) => sources(join(ROOT, workspace, 'src')))

test.each(Object.entries(MAY_IMPORT))('%s imports only what it may', (part, { parts, why }) => {
  const broken = FILES.filter((file) => partOf(file) === part)
    .flatMap(importsOf)
    .filter(
      ({ to }) =>
        to !== part &&
        !parts.some((allowed) => to === allowed || (allowed.endsWith('/') && to.startsWith(allowed))),
    )
    .map(({ file, to }) => `${file} imports ${to}: ${why}`)
  expect(broken).toEqual([])
})

test('every source belongs to a part of the map', () => {
  expect(FILES.filter((file) => !(partOf(file) in MAY_IMPORT)).map((file) => relative(ROOT, file))).toEqual(
    [],
  )
})

test('no file imports itself, by whatever way round', () => {
  const graph = new Map(FILES.map((file) => [file, importsOf(file).flatMap(({ target }) => target ?? [])]))
  const cycles: string[] = []
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file))
      cycles.push([...path.slice(path.indexOf(file)), file].map((step) => relative(ROOT, step)).join(' -> '))
    if (done.has(file) || path.includes(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of FILES) visit(file, [])
  expect(cycles).toEqual([])
})

test('only store speaks SQL', () => {
  const offenders = FILES.filter(
    (file) => partOf(file) !== 'proxy/store' && !file.endsWith('.test.ts'),
  ).filter((file) => /from '(kysely|pg)'|\bsql`/.test(readFileSync(file, 'utf8')))
  expect(offenders.map((file) => relative(ROOT, file))).toEqual([])
})

function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** `kit`, `proxy/l7r`, …: the workspace, and in the proxy the folder. */
function partOf(file: string): string {
  const [workspace = '', , folder = ''] = relative(ROOT, file).split('/')
  return workspace === 'proxy' ? `proxy/${folder}` : workspace
}

function importsOf(file: string): Import[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(file, 'utf8'), true, true)
  return importedFiles.flatMap(({ fileName }) => {
    const target = fileName.startsWith('.')
      ? join(dirname(file), fileName)
      : fileName.startsWith('@ostler/')
        ? join(ROOT, fileName.slice('@ostler/'.length).replace('/', '/src/'))
        : undefined
    if (target === undefined || fileName.endsWith('.css')) return []
    return [
      {
        file: relative(ROOT, file),
        to: partOf(target),
        target: isTypeOnly(file, fileName) ? undefined : target,
      },
    ]
  })
}

/** Imports of types vanish at run time: they make no cycle. */
function isTypeOnly(file: string, name: string): boolean {
  const statements = readFileSync(file, 'utf8')
    .split(/\n(?=import |export )/)
    .filter((statement) => statement.includes(`'${name}'`))
  return statements.length > 0 && statements.every((statement) => /^(import|export) type /.test(statement))
}
