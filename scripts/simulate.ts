import { affinity } from '@ostler/proxy/balance/affinity.ts'
import { leastLoaded, type LoadBalancer } from '@ostler/proxy/balance/balancer.ts'
import { loadSiteBalancer } from '@ostler/proxy/balance/site-balancer.ts'
import { weighted } from '@ostler/proxy/balance/weighted.ts'
import type { PlacementSnapshot } from '@ostler/proxy/store/placement-snapshot.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { drain } from './simulate/drain.ts'
import { plot } from './simulate/plot.ts'
import { type Scenario, SCENARIOS, simulate } from './simulate/world.ts'

const USAGE = `npm run simulate -- [--scenario ${SCENARIOS.join('|')}] [--desktops N] [--hosts N] [--balancer NAME|FILE]
                    [--host-mb N] [--desktop-mb N] [--starting-max N] [--failing N] [--seed N] [--svg FILE]
npm run simulate -- --snapshot FILE --drain NODE [--balancer NAME|FILE]

The first plays a scenario with the rules that nodes live by; the second says where the desktops of a node would go. A snapshot is what
"ostler-hkd snapshot" prints on a node.`

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h' },
    scenario: { type: 'string', default: 'login-storm' },
    desktops: { type: 'string', default: '10000' },
    hosts: { type: 'string', default: '100' },
    balancer: { type: 'string', default: 'least-loaded' },
    'host-mb': { type: 'string', default: '262144' },
    'desktop-mb': { type: 'string', default: '2048' },
    'starting-max': { type: 'string', default: '6' },
    failing: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    svg: { type: 'string' },
    snapshot: { type: 'string' },
    drain: { type: 'string' },
  },
})

const print = (line: string): void => void process.stdout.write(`${line}\n`)

if (values.help === true) print(USAGE)
else if (values.snapshot !== undefined) await whatIf(values.snapshot, values.drain ?? '')
else await play()

async function play(): Promise<void> {
  const scenario = SCENARIOS.find((name) => name === values.scenario)
  if (scenario === undefined) throw new TypeError(`there is no scenario ${values.scenario}\n${USAGE}`)
  const settings = {
    ...{ scenario, balancer: await balancerOf(values.balancer) },
    ...{ desktops: numberOf('desktops'), hosts: numberOf('hosts'), seed: numberOf('seed') },
    ...{ hostMb: numberOf('host-mb'), desktopMb: numberOf('desktop-mb') },
    ...{ startingMax: numberOf('starting-max'), failing: numberOf('failing') },
  }
  const began = performance.now()
  const result = simulate(settings)
  const took = performance.now() - began
  const at = (list: readonly number[], share: number): string =>
    list.length === 0
      ? '-'
      : `${((list[Math.min(list.length - 1, Math.floor(list.length * share))] ?? 0) / 1_000).toFixed(1)} s`
  print(`${scenario}: ${settings.desktops} desktops, ${settings.hosts} nodes, ${settings.balancer.name}`)
  print(`placements ${result.placements}, retries ${result.retries}, refused ${result.refused}`)
  print(`from wish to node:    p50 ${at(result.toPlaced, 0.5)}, p99 ${at(result.toPlaced, 0.99)}`)
  print(`from wish to running: p50 ${at(result.toRunning, 0.5)}, p99 ${at(result.toRunning, 0.99)}`)
  print(
    `fullest node over the mean ${result.skew.toFixed(2)}, end after ${Math.round(result.endMs / 1_000)} s`,
  )
  print(
    `simulated in ${(took / 1_000).toFixed(1)} s, ${((took * 1_000) / Math.max(1, result.placements)).toFixed(0)} µs a placement`,
  )
  if (values.svg !== undefined) writeFileSync(values.svg, plot(result.samples, titleOf(scenario)))
}

async function whatIf(file: string, node: string): Promise<void> {
  const snapshot = JSON.parse(readFileSync(file, 'utf8')) as PlacementSnapshot
  const { desktops, hosts } = drain(snapshot, node, await balancerOf(values.balancer))
  for (const { id, to, bound } of desktops)
    print(
      `desktop ${id}: ${to === undefined ? `nowhere: ${bound ? `its home is on ${node}` : 'no node has room'}` : `${node} -> ${to}`}`,
    )
  for (const { name, beforeMb, afterMb, totalMb } of hosts)
    print(`node ${name}: ${beforeMb} -> ${afterMb} of ${totalMb} MB`)
  print(`${desktops.filter(({ to }) => to !== undefined).length} of ${desktops.length} desktops have a place`)
}

function titleOf(scenario: Scenario): string {
  return `${scenario}: ${values.desktops} desktops on ${values.hosts} nodes`
}

function numberOf(
  name: 'desktops' | 'hosts' | 'host-mb' | 'desktop-mb' | 'starting-max' | 'failing' | 'seed',
): number {
  const number = Number(values[name])
  if (!Number.isInteger(number) || number < 0) throw new TypeError(`--${name} is no number: ${values[name]}`)
  return number
}

async function balancerOf(name: string): Promise<LoadBalancer> {
  const own = [leastLoaded, weighted({ ram: 1, cpu: 1, random: 1 }), affinity(leastLoaded)]
  return own.find((balancer) => balancer.name === name) ?? (await loadSiteBalancer(name))
}
