import {
  type BadStart,
  type FlavourStartDetail,
  type FlavourStarts,
  SLO_PATH,
  sloPath,
} from '@ostler/contract/slo.ts'
import type { ApiClient } from './api-client.ts'
import type { CommandConsole } from './commands.ts'
import { ruledTable, table } from './table.ts'

const TITLES = [
  'OSF',
  'Promise',
  'Starts',
  'Late',
  'Failed',
  'Reached',
  'Budget left',
  'Half',
  'Most',
  'To blame',
]

/**
 * `qa slo [-f name=OSF] [days=30]`: what flavours promise of their starts, what was kept, and which hop ate the time; of one also hop
 * by hop, with the newest starts that were late or failed.
 */
export async function printSlo(
  flavour: string | undefined,
  days: string | undefined,
  api: ApiClient,
  out: CommandConsole,
): Promise<void> {
  const query = days === undefined ? '' : `?${new URLSearchParams({ days }).toString()}`
  const answer = await api.get((flavour === undefined ? SLO_PATH : sloPath(flavour)) + query)
  if (out.options.format === 'json') return void out.show(JSON.stringify(answer, null, 2))
  const rows = (flavour === undefined ? answer : [answer]) as FlavourStarts[]
  for (const line of ruledTable(TITLES, rows.map(rowOf), !out.options.quiet)) out.show(line)
  if (flavour !== undefined) printHops(answer as FlavourStartDetail, out)
}

function rowOf(starts: FlavourStarts): Readonly<Record<string, unknown>> {
  const { osf, seconds, percent, late, failed, reached, budget, medianMs, percentMs, blamed } = starts
  return {
    OSF: osf,
    Promise: seconds === null ? null : `${percent} % in ${seconds} s`,
    Starts: starts.starts,
    Late: late,
    Failed: failed,
    Reached: reached === null ? null : `${reached} %`,
    'Budget left': budget === null ? null : `${budget} %`,
    Half: inSeconds(medianMs),
    Most: inSeconds(percentMs),
    'To blame': blamed,
  }
}

function printHops({ hops, worst }: FlavourStartDetail, out: CommandConsole): void {
  out.show('')
  for (const line of table(
    hops.map(({ hop, medianMs, percentMs, blamed, lostMs }) => ({
      ...{ hop, half: inSeconds(medianMs), most: inSeconds(percentMs) },
      ...{ 'to blame': blamed, lost: inSeconds(lostMs) },
    })),
  ))
    out.show(line)
  if (worst.length > 0) out.show('')
  for (const line of table(
    worst.map((start) => ({
      ...{
        at: start.at,
        vm: start.vm,
        took: inSeconds(start.tookMs),
        hop: start.blamed,
        because: becauseOf(start),
      },
    })),
  ))
    out.show(line)
}

function becauseOf({ hopMs, usualMs, fault }: BadStart): string {
  if (hopMs === null) return fault ?? 'it failed there'
  return usualMs === 0
    ? `${inSeconds(hopMs)} there`
    : `${inSeconds(hopMs)} there, usually ${inSeconds(usualMs)}`
}

function inSeconds(ms: number | null): string | null {
  return ms === null ? null : `${(ms / 1_000).toFixed(1)} s`
}
