import { run } from '@ostler/kit/run.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientProgram } from './command/table.ts'
import { bashCompletion, zshCompletion } from './completion.ts'
import { manualPage } from './manual-page.ts'

const program = clientProgram({
  terminal: {
    print: () => {},
    tell: () => {},
    wait: () => ({ say: () => {}, [Symbol.dispose]: () => {} }),
    ask: undefined,
  },
  environment: {},
  signal: new AbortController().signal,
  clock: { now: () => 0, sleep: () => Promise.resolve() },
})
const commands = program.commands.map((command) => command.name())

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-completion-'))
  writeFileSync(join(folder, 'ostler.bash'), bashCompletion(program))
  writeFileSync(join(folder, '_ostler'), zshCompletion(program))
  writeFileSync(join(folder, 'my.conf'), '')
})
afterAll(() => rmSync(folder, { recursive: true }))

/** What bash offers for a line, as its own completion calls the function. */
async function bash(...line: string[]): Promise<string[]> {
  const script = `. "$1"; shift; cd "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ostler; printf '%s\\n' "\${COMPREPLY[@]}"`
  const file = join(folder, 'ostler.bash')
  const { stdout } = await run('bash', ['--norc', '-euc', script, 'bash', file, folder, 'ostler', ...line])
  return stdout.split('\n').filter(Boolean)
}

/** What zsh lists when Tab is pressed behind a line, up to what is waited for: a real one, on a terminal of its own. */
async function zsh(line: string, awaited: string): Promise<string> {
  const script = `
    zmodload zsh/zpty
    zpty z zsh -f -i
    zpty -w z "PS1=; unsetopt beep; autoload -Uz compinit; fpath=($1 \\$fpath); compinit -u -D; cd $1; echo re''ady"
    zpty -r -m z got '*ready*'
    zpty -w -n z $'${line}\\t\\t'
    typeset -F SECONDS=0
    said=''
    while (( SECONDS < 30 )) && [[ $said != *"$2"* ]]; do
      zpty -r -t z more && said+=$more || sleep 0.05
    done
    print -rn -- "$said"
    zpty -d z
  `
  const { stdout } = await run('zsh', ['-f', '-c', script, 'zsh', folder, awaited], {
    env: { PATH: process.env['PATH'], TERM: 'dumb', LINES: '200', COLUMNS: '200', HOME: folder },
    timeoutMs: 50_000,
  })
  return stdout
}

describe('bash', () => {
  test('offers every command', async () => {
    expect(await bash('')).toEqual([...commands, '--help', '--version'])
    expect(await bash('con')).toEqual(['connect'])
  })
  test.each(commands)('offers every option of %s', async (name) => {
    const command = program.commands.find((each) => each.name() === name)
    const long = command?.options.map((option) => option.long ?? '') ?? []
    expect(await bash(name, '--')).toEqual(expect.arrayContaining([...long, '--help']))
  })
  test('offers words where there are some, files where one is wanted, and nothing for a name', async () => {
    expect(await bash('connect', '--display', '')).toEqual(['nx', 'vnc', 'spice', 'rdp'])
    expect(await bash('list', '--config', 'my')).toEqual(['my.conf'])
    expect(await bash('list', '--user', '')).toEqual([])
    expect(await bash('completion', 'z')).toEqual(['zsh'])
  })
})

describe('zsh', () => {
  test('offers every command with its meaning', async () => {
    const said = await zsh('ostler ', 'print the version')
    for (const command of program.commands) expect(said).toContain(`${command.name()} `)
    expect(said).toContain('-- open a desktop in a window')
  }, 60_000)
  test('offers options with their meaning, and words where there are some', async () => {
    expect(await zsh('ostler connect --acc', '--accept-new-certificate')).toContain(
      '--accept-new-certificate',
    )
    expect(await zsh('ostler connect --display ', 'vnc')).toMatch(/nx\s+rdp\s+spice\s+vnc/)
  }, 60_000)
})

test('the manual page is good roff, and has every command and option', async () => {
  const file = join(folder, 'ostler.1')
  writeFileSync(file, manualPage(program))
  const { stdout } = await run('mandoc', ['-T', 'lint', '-W', 'warning', file])
  expect(stdout).toBe('')
  const { stdout: shown } = await run('mandoc', ['-T', 'utf8', file])
  // What is bold is struck twice.
  const text = shown.replace(/.\u0008/g, '')
  for (const command of program.commands) {
    expect(text).toContain(`ostler ${command.name()}`)
    for (const { long } of command.options) expect(text).toContain(long)
  }
})
