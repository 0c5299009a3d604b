import type { Log } from '@ostler/kit/log.ts'
import type { Scope } from '@ostler/kit/scope.ts'
import { TraceTeller } from '../hkd/trace-teller.ts'
import type { Db } from '../store/open.ts'
import { httpAddress } from './http-address.ts'
import type { NodeValues } from './node-config.ts'

/** Keys about telling others how starts went (docs/slo.md). */
export const TRACE_OPTIONS = {
  'otel.endpoint': {
    default: '',
    summary:
      'address of an OpenTelemetry collector (OTLP over HTTP) that gets a trace of each start; empty: nobody',
    parse: httpAddress,
  },
} as const

/** Tells traces of a node's starts where somebody wants them. */
export function keepTraces(
  config: NodeValues,
  parts: { db: Db; hostId: number; log: Log },
  scope: Scope,
): void {
  const endpoint = config['otel.endpoint']
  if (endpoint !== undefined) scope.own(new TraceTeller({ ...parts, endpoint }))
}
