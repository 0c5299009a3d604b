import { CAPTURES_PATH, type CaptureState } from '@ostler/contract/pools.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiClient } from './api-client.ts'

const LOOK_MS = 500
/** The copy of a large system; hkd goes on whether somebody waits here or not. */
const LONGEST_MS = 7_200_000

/**
 * `qa di capture vm=… osf=… [version=…] [tag=…]`: makes an image of what a desktop has become, and waits for it.
 * @throws Fault `capture.failed` with the reason.
 */
export async function captureDesktop(
  asked: Readonly<Record<string, string>>,
  api: ApiClient,
  print: (line: string) => void,
): Promise<void> {
  const { id } = (await api.post(CAPTURES_PATH, asked)) as { id: number }
  const end = performance.now() + LONGEST_MS
  let told = ''
  for (;;) {
    const state = (await api.get(`${CAPTURES_PATH}/${id}`)) as CaptureState
    if (state.image !== null) return void print(`di ${state.image} made, version ${state.version ?? ''}`)
    if (state.ended) throw new Fault('capture.failed', { reason: state.fault ?? 'it was interrupted' })
    if (performance.now() > end) throw new Fault('capture.failed', { reason: 'it takes too long' })
    if (state.stage !== told) print(`capture ${id}: ${state.stage}`)
    told = state.stage
    await sleep(LOOK_MS)
  }
}
