import { run } from '@ostler/kit/run.ts'

/** A program that has a page. */
export interface ManPage {
  readonly name: string
  readonly section: 1 | 8
  /** Words that make it print its help; or its page, where it has one itself. */
  readonly help: readonly [string, ...string[]]
  readonly isPage?: true
  readonly files: readonly (readonly [path: string, what: string])[]
  readonly seeAlso: string
}

/** A program's page: its own, or made of its help, so that both say the same. */
export async function manPage(page: ManPage, version: string, seconds: number): Promise<string> {
  const [program, ...words] = page.help
  const { stdout } = await run(program, words, { env: { PATH: '/usr/bin:/bin', HOME: '/nonexistent' } })
  if (page.isPage === true) return stdout
  const [first = '', ...rest] = stdout.trimEnd().split('\n')
  const summary = first.replace(/^[^:]*: /, '')
  const date = new Date(seconds * 1_000).toISOString().slice(0, 10)
  return [
    `.TH ${page.name.toUpperCase()} ${page.section} ${date} "Ostler ${version}" Ostler`,
    '.SH NAME',
    `${escaped(page.name)} \\- ${escaped(summary.replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    '.nf',
    ...rest.join('\n').trim().split('\n').map(escaped),
    '.fi',
    ...(page.files.length === 0 ? [] : ['.SH FILES']),
    ...page.files.flatMap(([path, what]) => ['.TP', `.I ${escaped(path)}`, escaped(what)]),
    '.SH SEE ALSO',
    escaped(page.seeAlso),
    '',
  ].join('\n')
}

/** A line that begins with a dot or an apostrophe would be an order to troff. */
function escaped(line: string): string {
  return line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&')
    .replaceAll('…', '...')
    .replaceAll('–', '\\-')
    .replaceAll('’', "'")
}
