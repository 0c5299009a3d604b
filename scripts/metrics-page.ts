import { CrewMetrics } from '@ostler/proxy/l7r/crew/crew-metrics.ts'
import { DoorMetrics } from '@ostler/proxy/l7r/door-metrics.ts'
import { watchPromises } from '@ostler/proxy/hkd/slo-metrics.ts'
import { HkdMetrics } from '@ostler/proxy/hkd/hkd-metrics.ts'
import { watchProcess } from '@ostler/proxy/wiring/process-metrics.ts'
import { Scope } from '@ostler/kit/scope.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What is said of a metric. */
interface Described {
  readonly name: string
  readonly type: string
  readonly help: string
  readonly labels: readonly string[]
}

/** All metrics of a process, by name. */
export interface MetricNames {
  readonly l7r: readonly Described[]
  readonly hkd: readonly Described[]
}

/** Every metric that there is, out of the registries of the code itself. */
export async function allMetrics(): Promise<MetricNames> {
  await using scope = new Scope()
  const [door, crew, hkd] = [new DoorMetrics(), new CrewMetrics(), new HkdMetrics(() => Promise.resolve({}))]
  // Nobody is asked here: only what would be told.
  const nobody = {} as Db
  watchProcess(door.registry, 'ostler_l7r', nobody, scope)
  watchProcess(hkd.registry, 'ostler_hkd', nobody, scope)
  watchPromises(hkd.registry, () => Promise.resolve([]))
  return { l7r: described(door.registry, crew.own), hkd: described(hkd.registry) }
}

/** The page of the metrics. */
export async function metricsPage(): Promise<string> {
  const { l7r, hkd } = await allMetrics()
  return `# Metrics

Printed from the code by \`npm run docs\`; a test compares. Do not edit.

In Prometheus' text format, one text for a whole door: the first process adds up what its workers count. What a worker had
counted stays when it is replaced; one that is killed may take the last five seconds with it. No counter goes back before
the first process ends; workers that outlive it count for nobody any more. No label has a value that a client chooses, and none names a person or a desktop.

They are read where only root and the service's own user can: on a unix socket of the process.

\`\`\`sh
curl --unix-socket /run/ostler/l7r/door-8443.sock http://door/metrics    # 8443: l7r.port
curl --unix-socket /run/ostler/hkd.sock http://hkd/metrics
\`\`\`

For a collector that cannot read unix sockets, \`l7r.metrics.listen = 127.0.0.1:9464\` and \`hkd.metrics.listen\` open a port
besides, for every user of this node; other addresses than loopback are refused. Nothing is ever served on the door's
public port.

## The door

${table(l7r)}

\`route\` is one of QVD's paths, a route of the portal, or \`…/other\`; status 0: the client left before her answer.
\`plugin\` is one of \`l7r.auth.plugins\`, \`oidc\`, \`token\`, or \`none\` when no plugin decided. Sign-ins that are known from
the same connection or from a cookie are not judged again, and not counted.
\`by\` tells what ended a stream: \`client\` or \`display\` closed it; \`cut\`: seat lost, door stopped or browser silent;
\`idle\` and \`age\`: the limits \`l7r.stream.idle\` and \`l7r.stream.max\`.

## Housekeeping

${table(hkd)}
`
}

function described(...registries: readonly DoorMetrics['registry'][]): Described[] {
  return registries
    .flatMap((registry) => registry.getMetricsAsArray())
    .map((metric) => ({
      name: metric.name,
      type: metric.constructor.name.toLowerCase(),
      help: metric.help,
      // prom-client keeps them, and does not declare it.
      labels: (metric as unknown as { labelNames?: readonly string[] }).labelNames ?? [],
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

function table(metrics: readonly Described[]): string {
  const lines = metrics.map(({ name, type, labels, help }) => {
    const shown = labels.filter((label) => label !== 'le').map((label) => `\`${label}\``)
    return `| \`${name}\` | ${type} | ${shown.join(', ') || '–'} | ${help} |`
  })
  return ['| metric | | labels | |', '|---|---|---|---|', ...lines].join('\n')
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/metrics.md'), await metricsPage())
