import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { load } from '../bench/figures.ts'
import { BrokenNode } from './broken-node.ts'
import { lastWords } from './last-words.ts'
import { remains } from './remains.ts'
import { type ChaosOptions, commandFor, parseChaosOptions, USAGE } from './options.ts'
import { planRound } from './plan.ts'
import { Rounds } from './rounds.ts'
import { isSealed, runSealed } from './sealed.ts'

/** Breaks a whole node at random: docs/chaos.md. Ends with 1 after the first round in which something was wrong. */
const argv = process.argv.slice(2)
if (argv.includes('--help')) print(USAGE)
else {
  const options = parseChaosOptions(argv)
  const isOutside = options.driver === 'simulated' && !isSealed()
  process.exitCode = isOutside
    ? await runSealed([process.execPath, import.meta.filename, ...argv])
    : await play(options)
  // What hangs in a stream that was torn down must not keep us.
  setTimeout(() => process.exit(), 2_000).unref()
}

async function play(options: ChaosOptions): Promise<number> {
  print(`driver ${options.driver}, seed ${options.seed}, clocks × ${options.speed}, load average ${load()}`)
  const began = performance.now()
  const node = await BrokenNode.open(options)
  let failed = false
  let played = 0
  let failedStarts = 0
  try {
    const rounds = await Rounds.begin(node)
    try {
      for (let round = options.from; round < options.from + options.rounds && !failed; round++) {
        const plan = planRound(options, round)
        const what = plan.faults.map(({ name, forMs }) => `${name} ${forMs} ms`).join(' and ')
        const result = await rounds.play(plan)
        played += 1
        failedStarts += result.failedStarts
        failed = result.wrong.length > 0
        print(
          `round ${round}: ${what}; ${plan.orders.length} orders; all well after ${result.recoverMs.toFixed(0)} ms`,
        )
        if (failed) tell(node, options, round, result.wrong)
      }
      for (const line of rounds.matrix.lines()) print(line)
    } finally {
      await rounds[Symbol.asyncDispose]()
    }
  } finally {
    await node[Symbol.asyncDispose]()
  }
  const left = await untilGone(node)
  for (const each of left) print(`left behind: ${each}`)
  const seconds = ((performance.now() - began) / 1_000).toFixed(0)
  print(
    `${played} rounds in ${seconds} s, ${failedStarts} desktops at rest with a reason; load average ${load()}`,
  )
  return failed || left.length > 0 ? 1 : 0
}

function tell(node: BrokenNode, options: ChaosOptions, round: number, wrong: readonly string[]): void {
  for (const each of wrong) print(`  WRONG: ${each}`)
  print(`  seed ${options.seed}, round ${round}; again: ${commandFor(options, round)}`)
  for (const service of node.services) {
    for (const line of lastWords(readFileSync(`${node.folder}/${service}.out`, 'utf8')))
      print(`  ${service}: ${line.slice(0, 400)}`)
  }
}

/** Processes may need a moment to be reaped. */
async function untilGone(node: BrokenNode): Promise<string[]> {
  for (let tries = 0; tries < 40; tries++) {
    if (remains(node).length === 0) return []
    await sleep(50)
  }
  return remains(node)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
