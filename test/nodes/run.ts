import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { cgroupLayout } from '../../proxy/src/hypervisor/lxc/cgroup.ts'
import { load } from '../bench/figures.ts'
import { lastWords } from '../chaos/last-words.ts'
import { processesOf } from '../chaos/remains.ts'
import { isSealed, runSealed } from '../chaos/sealed.ts'
import { mountsBelow, namesIn } from '../hypervisor/quiet-guest.ts'
import { CLOCKS } from './clocks.ts'
import { commandFor, type NodesOptions, parseNodesOptions, USAGE } from './options.ts'
import { planRound } from './plan.ts'
import { Rounds } from './rounds.ts'
import { SeveralNodes } from './several-nodes.ts'

/** Breaks several nodes at random: docs/nodes.md. Ends with 1 after the first round in which something was wrong. */
const argv = process.argv.slice(2)
if (argv.includes('--help')) print(USAGE)
else {
  const options = parseNodesOptions(argv)
  process.exitCode = isSealed()
    ? await play(options)
    : await runSealed([process.execPath, import.meta.filename, ...argv])
  // What hangs in a connection that was torn down must not keep us.
  setTimeout(() => process.exit(), 2_000).unref()
}

async function play(options: NodesOptions): Promise<number> {
  const clocks = CLOCKS[options.clock]
  const { seed, nodes, desktops, from, rounds: count } = options
  print(
    `${nodes} nodes, ${desktops} desktops, seed ${seed}, lease ${clocks.leaseMs} ms, lost after ${clocks.lostAfterMs} ms, load average ${load()}`,
  )
  const began = performance.now()
  const several = await SeveralNodes.open({ nodes, desktops, clocks })
  let failed = false
  let played = 0
  try {
    const rounds = await Rounds.begin(several, clocks, desktops)
    try {
      for (let round = from; round < from + count && !failed; round++) {
        const plan = planRound({ ...options, clocks }, round)
        const { wrong, settledMs, noticedMs, backMs, silentMs } = await rounds.play(plan)
        played += 1
        failed = wrong.length > 0
        const what = plan.faults.map(
          ({ name, node, forMs }) => `${name} (node ${several.members[node]?.name ?? '?'}) ${forMs} ms`,
        )
        print(
          `round ${round}: ${what.join(' and ')}; ${plan.orders.length} orders; noticed after ${noticedMs?.toFixed(0) ?? '–'} ms; desktops back after ${backMs?.toFixed(0) ?? '–'} ms, longest silence ${silentMs.toFixed(0)} ms; all well ${settledMs.toFixed(0)} ms after the end`,
        )
        if (!failed) continue
        for (const each of wrong) print(`  WRONG: ${each}`)
        for (const each of await rounds.picture()) print(`  ${each}`)
        print(`  seed ${seed}, round ${round}; again: ${commandFor(options, round)}`)
        for (const file of several.outputs)
          for (const line of lastWords(readFileSync(file, 'utf8'))) print(`  ${line.slice(0, 400)}`)
      }
      for (const line of rounds.matrix.markdown()) print(line)
    } finally {
      await rounds[Symbol.asyncDispose]()
    }
  } finally {
    await several[Symbol.asyncDispose]()
  }
  const left = await untilGone(several)
  for (const each of left) print(`left behind: ${each}`)
  const seconds = ((performance.now() - began) / 1_000).toFixed(0)
  print(`${played} rounds in ${seconds} s; load average ${load()}`)
  return failed || left.length > 0 ? 1 : 0
}

/** What nodes that are gone have left behind. Processes may need a moment to be reaped. */
async function untilGone({ folder, members }: SeveralNodes): Promise<string[]> {
  const groups = cgroupLayout()?.hierarchies ?? []
  const left = (): string[] => [
    ...(existsSync(folder) ? [`folder ${folder}`] : []),
    ...mountsBelow(folder),
    ...processesOf(folder),
    ...members.flatMap(({ name }) =>
      groups.flatMap((each) => namesIn('group', `${each}/ostler`, `${name}-`)),
    ),
  ]
  for (let tries = 0; tries < 40 && left().length > 0; tries++) await sleep(50)
  return left()
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
