import { Fault } from '@ostler/contract/fault.ts'
import { KVM_VDI_IMPORT_PATH, QVD_IMPORT_PATH, type TakenOver } from '@ostler/contract/take-over.ts'
import type { Action, CommandConsole } from './commands.ts'
import { readText } from './read-text.ts'
import { table } from './table.ts'
import type { Words } from './words.ts'

const FORM = 'DUMP|- [--apply]'

/** `qa import qvd host=… [port=…] [database=…] [user=…] [password=-] [--apply]` and `qa import kvm-vdi DUMP|- [--apply]` */
export function importActions({ pairs }: Words): Readonly<Record<string, Action>> {
  return {
    qvd: async (words, api, out) => {
      const { apply, rest } = applyOf(words)
      const said = await pairs(rest, out)
      if (said['host'] === undefined)
        throw choice(
          'where is its database?',
          'host=HOST [port=N] [database=NAME] [user=NAME] [password=-] [--apply]',
        )
      printTakenOver('a QVD', (await api.post(QVD_IMPORT_PATH, { ...said, apply })) as TakenOver, out)
    },
    'kvm-vdi': async (words, api, out) => {
      const { apply, rest } = applyOf(words)
      const [file, ...more] = rest
      if (file === undefined || more.length > 0) throw choice('which dump?', FORM)
      const text = file === '-' ? await out.readInput() : readText(file, FORM)
      printTakenOver('a KVM-VDI', (await api.post(KVM_VDI_IMPORT_PATH, { text, apply })) as TakenOver, out)
    },
  }
}

function applyOf(words: readonly string[]): { apply: boolean; rest: readonly string[] } {
  return { apply: words.includes('--apply'), rest: words.filter((word) => word !== '--apply') }
}

function printTakenOver(
  whose: string,
  { version, counts, notes, applied }: TakenOver,
  out: CommandConsole,
): void {
  out.print(`The database of ${whose}, version ${version} of its tables:`)
  const rows = counts.map(({ kind, found, taken, kept }) => ({
    what: kind,
    there: found,
    [applied ? 'added' : 'to be added']: taken,
    'here already': kept,
  }))
  for (const line of table(rows)) out.show(`  ${line}`)
  for (const { kind, name, text } of notes) out.show(`${kind} ${name.replaceAll(/\p{Cc}/gu, '?')}: ${text}`)
  out.print(applied ? 'Done.' : 'Nothing has been changed: add --apply.')
}

function choice(problem: string, choices: string): Fault {
  return new Fault('client.choice', { problem, choices })
}
