import { Fault } from '@ostler/contract/fault.ts'
import { parseAtTime } from '../model/at-time.ts'
import {
  itemState,
  progressOf,
  type RollOutFacts,
  type RollOutSettings,
  type RollOutStep,
  rollOutStep,
  triesOf,
} from '../model/roll-out.ts'
import type { Expiry } from '../store/images.ts'
import { logJob, markItems, markJob, type OpenJob } from '../store/jobs.ts'
import type { Db } from '../store/open.ts'
import {
  endBoots,
  endTries,
  readRollOut,
  type RollOutRow,
  sendWave,
  startAgain,
  turnBack,
} from '../store/roll-outs.ts'

/**
 * Does one step of a roll-out: look, decide, do, all in the transaction that it gets.
 * @returns whether there may be more to do at once.
 */
export async function stepRollOut(tx: Db, job: OpenJob): Promise<boolean> {
  const { row, facts } = await readRollOut(tx, job)
  const step = rollOutStep(facts)
  await markProgress(tx, job.id, facts, step)
  await act(tx, row, facts, step)
  return step.do !== 'wait' && step.do !== 'finish' && step.do !== 'end'
}

async function act(tx: Db, row: RollOutRow, facts: RollOutFacts, step: RollOutStep): Promise<void> {
  const { jobId } = row
  switch (step.do) {
    case 'wait':
      return
    case 'send': {
      if (facts.wave === 1) await endTries(tx, jobId)
      const expiry = expiryNow(row.settings)
      const tries = step.wave === 1 ? triesOf(facts) : []
      await sendWave(tx, row, step.wave, { expiry, last: step.last, tries })
      const moved = step.last ? `; the tag ${row.tag} stands for the new image` : ''
      await logJob(tx, jobId, `wave ${step.wave} of ${facts.waves} sent${moved}`)
      return
    }
    case 'end boots':
      await endBoots(tx, step.vmIds)
      await logJob(tx, jobId, `${step.vmIds.length} had started the other image, and are started anew`)
      return
    case 'start again':
      await startAgain(tx, jobId, step.vmIds)
      await logJob(tx, jobId, `${step.vmIds.length} that had failed are started again`)
      return
    case 'turn back': {
      const { tagMoved } = await turnBack(tx, row, expiryNow(row.settings))
      await markJob(tx, jobId, { state: 'stopping', reason: step.why })
      const tag = tagMoved
        ? `the tag ${row.tag} stands for the old image again`
        : `the tag ${row.tag} had not moved`
      await logJob(tx, jobId, `rolled back, since: ${step.why}; ${tag}`)
      return
    }
    case 'finish':
      await endTries(tx, jobId)
      await markJob(tx, jobId, { state: 'done', reason: step.why }, true)
      await logJob(tx, jobId, `done: ${step.why}`)
      return
    case 'end':
      await markJob(tx, jobId, { state: step.as, reason: step.why }, true)
      await logJob(tx, jobId, `${step.as}: ${step.why}`)
  }
}

/** Writes down how each desktop stands, and what is waited for; what failed is told in the log. */
async function markProgress(tx: Db, jobId: number, facts: RollOutFacts, step: RollOutStep): Promise<void> {
  const isBack = facts.sinceBackMs !== null
  const items = facts.items.map((item) => ({
    vmId: item.vmId,
    state: itemState(item, facts.wave, isBack),
    fault: isBack ? item.backFailure : item.failure,
  }))
  const changed = await markItems(tx, jobId, items)
  for (const { vmId, state } of changed) {
    if (state !== 'failed') continue
    const item = facts.items.find((each) => each.vmId === vmId)
    await logJob(tx, jobId, `${item?.name ?? ''} failed: ${item?.backFailure ?? item?.failure ?? ''}`)
  }
  const progress = progressOf(items.map(({ state }) => state))
  await markJob(tx, jobId, { progress: step.do === 'wait' ? `${progress}; ${step.why}` : progress })
}

/** When the desktops of a wave that is sent now expire. A time that has gone by since it was written is now. */
function expiryNow({ soft, hard }: RollOutSettings): Expiry {
  const now = new Date()
  const at = (text: string | undefined): Date | undefined => {
    if (text === undefined) return undefined
    try {
      return parseAtTime(text, now)
    } catch (error) {
      if (error instanceof Fault) return now
      throw error
    }
  }
  return { soft: at(soft), hard: at(hard) }
}
