import type { Explanation } from '@ostler/contract/admin-api.ts'
import { table } from './table.ts'

/** Lines of a console that are shown. */
const CONSOLE_LINES = 40

/** Prints why a desktop is as it is: first in words, then what they rest on, then the console of a boot that went wrong. */
export function printExplanation(answer: unknown, print: (line: string) => void): void {
  const {
    name,
    state,
    because,
    fault,
    image,
    console,
    expires,
    seat,
    wishes,
    timeline,
    hooks,
    log,
    kept,
    ...by
  } = answer as Explanation
  print(`${name} is ${state}${fault === null ? '' : `: ${fault}`}`)
  for (const sentence of because) print(`- ${sentence}`)
  if (by.warning !== null) print(`warning (${by.hypervisor ?? 'none'}): ${by.warning}`)
  const running = image.running === null ? 'runs no image' : `runs the image ${image.running}`
  print(`${running}; its tag ${image.tag} stands for ${image.next ?? 'none'}`)
  if (expires.soft !== null || expires.hard !== null)
    print(`expires: its user is told at ${expires.soft ?? '-'}, it is ended at ${expires.hard ?? '-'}`)
  if (seat !== null) print(`${seat.state} since ${seat.since}: ${seat.label} (door ${seat.door})`)
  const sections: readonly (readonly [string, readonly Readonly<Record<string, unknown>>[]])[] = [
    ['wishes, newest first', wishes],
    ['last start', timeline],
    ['hooks, newest first', hooks],
    ['moves, newest first', log],
    ...(kept.length === 0
      ? []
      : [['kept of failed starts, newest first', kept.map((each) => ({ ...each }))] as const]),
  ]
  for (const [title, rows] of sections) {
    print(`\n${title}:`)
    for (const line of table(rows)) print(`  ${line}`)
  }
  if (console === null) return
  const lines = console.said.split('\n')
  print(`\nthe end of the console of boot ${console.boot}, which ended at ${console.at}:`)
  for (const line of lines.slice(-CONSOLE_LINES)) print(`  ${line}`)
}
