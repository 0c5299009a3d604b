import { START_HOPS, type StartHop } from '@ostler/contract/slo.ts'
import type { TimelineStep } from '@ostler/contract/timeline.ts'
import { createHash } from 'node:crypto'

/** A start as the timeline has it. */
export interface TracedStart {
  readonly vmId: number
  readonly vm: string
  readonly flavour: string
  readonly node: string
  readonly epoch: number
  /** The connection for which it was; null: nobody's. */
  readonly connection: string | null
  /** Milliseconds since 1970. */
  readonly steps: Readonly<Partial<Record<TimelineStep, number>>>
}

/** A span of OTLP's JSON; times are nanoseconds since 1970, as text. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  /** 1: internal. */
  readonly kind: 1
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue: string } }[]
}

/** Which program is at work in a hop, by the name of its service. */
const SERVICE_OF: Readonly<Record<StartHop, string>> = {
  queue: 'ostler-hkd',
  preparation: 'ostler-hkd',
  boot: 'ostler-vma',
  account: 'ostler-vma',
  session: 'ostler-vma',
  connection: 'ostler-l7r',
}

/** The step at which each hop ends (docs/slo.md). */
const END_OF: Readonly<Record<StartHop, TimelineStep>> = {
  queue: 'placed',
  preparation: 'prepared',
  boot: 'agent up',
  account: 'user ready',
  session: 'display ready',
  connection: 'connected',
}

/**
 * A start as spans: one of the whole, of hkd, and below it one of each hop, of whoever was at work there. A hop without its step is a part
 * of the next one. The numbers follow from the desktop and its start, so that a start that is told twice is told once.
 *
 * @returns spans by the name of their service; none where there is nothing to tell.
 */
export function spansOf(start: TracedStart): ReadonlyMap<string, readonly Span[]> {
  const { steps } = start
  const began = steps.queued ?? steps.placed
  if (began === undefined) return new Map()
  const ends = START_HOPS.flatMap((hop) => {
    const at = steps[END_OF[hop]]
    // Nobody knows how long one without a wish has waited.
    return at === undefined || (hop === 'queue' && steps.queued === undefined) ? [] : [{ hop, at }]
  })
  const last = Math.max(began, ...ends.map(({ at }) => at))
  const traceId = idOf(start, 'trace', 32)
  const whole = idOf(start, 'start', 16)
  const attributes = attributesOf(start)
  const spans = new Map<string, Span[]>()
  const add = (
    service: string,
    span: Pick<Span, 'spanId' | 'name' | 'parentSpanId'>,
    from: number,
    to: number,
  ): void => {
    const times = { startTimeUnixNano: nanoseconds(from), endTimeUnixNano: nanoseconds(to) }
    spans.set(service, [...(spans.get(service) ?? []), { traceId, ...span, kind: 1, ...times, attributes }])
  }
  add('ostler-hkd', { spanId: whole, name: 'start' }, began, last)
  let from = began
  for (const { hop, at } of ends) {
    // Steps of two clocks may cross; no span is shorter than nothing.
    const to = Math.max(from, at)
    add(SERVICE_OF[hop], { spanId: idOf(start, hop, 16), parentSpanId: whole, name: hop }, from, to)
    from = to
  }
  return spans
}

function attributesOf({ vmId, vm, flavour, node, epoch, connection }: TracedStart): Span['attributes'] {
  const said = {
    'ostler.desktop.id': String(vmId),
    'ostler.desktop.name': vm,
    'ostler.osf': flavour,
    'ostler.node': node,
    'ostler.start': String(epoch),
    ...(connection === null ? {} : { 'ostler.connection': connection }),
  }
  return Object.entries(said).map(([key, stringValue]) => ({ key, value: { stringValue } }))
}

function idOf({ vmId, epoch, steps }: TracedStart, what: string, letters: number): string {
  return createHash('sha256')
    .update(`${vmId} ${epoch} ${steps.placed ?? steps.queued ?? 0} ${what}`)
    .digest('hex')
    .slice(0, letters)
}

function nanoseconds(ms: number): string {
  return `${BigInt(Math.round(ms * 1_000)) * 1_000n}`
}
