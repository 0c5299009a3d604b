import type { JobItemState, Share } from '@ostler/contract/jobs.ts'
import { AT_REST } from './start-queue.ts'
import type { VmState } from './vm-machine.ts'

/** How a roll-out goes, as it was asked for. */
export interface RollOutSettings {
  readonly canary: Share
  readonly wave: Share
  /** For so long nothing must fail after a wave, from the last start of one of its desktops on. */
  readonly pauseMs: number
  /** Words as for at(1); each wave reads them when its turn comes. */
  readonly soft?: string | undefined
  readonly hard?: string | undefined
  /** What happens at once to a desktop at which nobody has sat since its start. */
  readonly idle: 'restart' | 'wait'
  /** So many desktops that fail to start end the roll-out. */
  readonly stopOn: number
}

/** A desktop as the order of a roll-out needs it. */
export interface RollOutCandidate {
  readonly vmId: number
  readonly state: VmState
  /** Somebody has sat at it since it was started. */
  readonly used: boolean
  /** It may be started to try an image: it is not blocked, and no other one has its home. */
  readonly startable: boolean
}

/**
 * Gives each desktop its wave, from 1 on. The canary comes first: of those that nobody uses, then of those that are at rest
 * and can be started, only then of those that are in use. Pure.
 *
 * @returns in the order of the waves.
 */
export function planWaves(
  desktops: readonly RollOutCandidate[],
  settings: Pick<RollOutSettings, 'canary' | 'wave'>,
): { readonly vmId: number; readonly wave: number }[] {
  const canaries = countOf(settings.canary, desktops.length)
  const perWave = Math.max(1, countOf(settings.wave, desktops.length))
  const byHarm = desktops.toSorted((a, b) => harm(a) - harm(b) || a.vmId - b.vmId)
  const canary = byHarm.slice(0, canaries)
  const rest = byHarm.slice(canaries).toSorted((a, b) => a.vmId - b.vmId)
  const before = canaries > 0 ? 2 : 1
  return [
    ...canary.map(({ vmId }) => ({ vmId, wave: 1 })),
    ...rest.map(({ vmId }, index) => ({ vmId, wave: before + Math.floor(index / perWave) })),
  ]
}

function countOf(share: Share, all: number): number {
  return Math.min(all, 'count' in share ? share.count : Math.ceil((all * share.percent) / 100))
}

function harm({ state, used, startable }: RollOutCandidate): number {
  const isUp = !AT_REST.includes(state)
  if (isUp && !used) return 0
  if (!isUp && startable && state === 'stopped') return 1
  return isUp ? 2 : 3
}

/** True for a desktop at rest that is started to try the image: one of the canary that can be. */
export function isTried(
  desktop: RollOutCandidate & { readonly wave: number },
  settings: Pick<RollOutSettings, 'canary'>,
): boolean {
  return desktop.wave === 1 && hasCanary(settings) && harm(desktop) === 1
}

function hasCanary({ canary }: Pick<RollOutSettings, 'canary'>): boolean {
  return ('count' in canary ? canary.count : canary.percent) > 0
}

/** Numbers of the desktops that are started to try the image, when the first wave is sent. Pure. */
export function triesOf({ items, settings }: RollOutFacts): number[] {
  const tried = items.filter(
    (item) => item.inScope && !item.wished && isTried({ ...item, state: item.vmState }, settings),
  )
  return tried.map(({ vmId }) => vmId)
}

/** A desktop of a roll-out, as it is now. */
export interface RollOutItem {
  readonly vmId: number
  readonly name: string
  readonly wave: number
  readonly state: JobItemState
  /** It was at rest, and was started to try the image. */
  readonly tried: boolean
  readonly wasUp: boolean
  readonly vmState: VmState
  /** It still has the flavour and the tag that the roll-out is about. */
  readonly inScope: boolean
  /** What it runs. */
  readonly runs: 'new' | 'other' | null
  readonly used: boolean
  readonly startable: boolean
  /** Somebody wishes it up. */
  readonly wished: boolean
  /** How long it has been running. */
  readonly upMs: number
  /** When it is ended, in milliseconds from now; `null`: not. */
  readonly hardInMs: number | null
  /** Why it did not start with the new image, or did not start again although it was to. */
  readonly failure: string | null
  /** The same, since the way back was begun. */
  readonly backFailure: string | null
  /** The roll-out has wished it up since the way back was begun. */
  readonly backWished: boolean
}

/** Everything that the next step of a roll-out rests on. */
export interface RollOutFacts {
  readonly settings: RollOutSettings
  readonly state: 'running' | 'stopping'
  /** Why it was told to stop, if it was. */
  readonly reason: string
  /** The last wave that was sent, of how many; how long ago. */
  readonly wave: number
  readonly waves: number
  readonly sinceSentMs: number
  /** How long ago the way back was begun; `null`: it was not. */
  readonly sinceBackMs: number | null
  /** Why the new image cannot be rolled out any more. */
  readonly obstacle: string | null
  readonly items: readonly RollOutItem[]
}

/** What a roll-out does next. */
export type RollOutStep =
  | { readonly do: 'wait'; readonly why: string }
  | { readonly do: 'send'; readonly wave: number; readonly last: boolean }
  /** Ends boots that began just before they would have got the other image. */
  | { readonly do: 'end boots'; readonly vmIds: readonly number[] }
  /** Starts again what was up before it failed with the new image. */
  | { readonly do: 'start again'; readonly vmIds: readonly number[] }
  | { readonly do: 'finish'; readonly why: string }
  | { readonly do: 'turn back'; readonly why: string }
  | { readonly do: 'end'; readonly as: 'rolled back' | 'failed'; readonly why: string }

/** Whoever has not come to rest so long after the way back was begun is told of, and no longer waited for. */
const BACK_MS = 900_000
const TOLD = 5

/** Says what a roll-out does next: the same facts always give the same step, so whoever takes it over goes on. Pure. */
export function rollOutStep(facts: RollOutFacts): RollOutStep {
  return facts.state === 'stopping' ? stepBack(facts) : stepOn(facts)
}

function stepOn(facts: RollOutFacts): RollOutStep {
  const { settings, wave, waves, sinceSentMs, obstacle } = facts
  const items = facts.items.filter(({ inScope }) => inScope)
  const failed = items.filter(({ failure }) => failure !== null)
  if (failed.length >= settings.stopOn)
    return { do: 'turn back', why: `did not start: ${told(failed, ({ failure }) => failure)}` }
  if (obstacle !== null) return { do: 'turn back', why: obstacle }
  const next = (): RollOutStep =>
    wave < waves ? { do: 'send', wave: wave + 1, last: wave + 1 === waves } : finish(items, failed.length)
  if (wave === 0) return next()
  const mine = items.filter((item) => item.wave === wave)
  const nudged = mine.filter(
    (item) => isCanary(facts) && item.runs === 'other' && isMissed(item, settings, sinceSentMs),
  )
  if (nudged.length > 0) return { do: 'end boots', vmIds: nudged.map(({ vmId }) => vmId) }
  const fallen = mine.filter(({ failure }) => failure !== null)
  if (isCanary(facts) && fallen.length > 0 && fallen.length === mine.length)
    return {
      do: 'turn back',
      why: `the whole canary did not start: ${told(fallen, ({ failure }) => failure)}`,
    }
  const waiting = isCanary(facts) ? waitOfCanary(mine) : waitOfWave(mine)
  if (waiting !== undefined) return { do: 'wait', why: `wave ${wave} of ${waves}: ${waiting}` }
  const up = mine.filter(isNew).map(({ upMs }) => upMs)
  const quietMs = Math.min(sinceSentMs, ...up)
  if (mine.length > 0 && quietMs < settings.pauseMs) {
    const pause = Math.ceil(settings.pauseMs / 1_000)
    return { do: 'wait', why: `wave ${wave} of ${waves}: all is well, on after ${pause} s of that` }
  }
  return next()
}

/** The first wave is to prove the image, unless there is no canary: then its first wave is like the others. */
function isCanary({ settings, wave }: RollOutFacts): boolean {
  return wave === 1 && hasCanary(settings)
}

/** Every one must run the new image, but those that somebody has stopped meanwhile; one must be left. */
function waitOfCanary(items: readonly RollOutItem[]): string | undefined {
  if (items.length === 0) return undefined
  const well = items.filter((item) => isNew(item) || item.failure !== null)
  const open = items.filter((item) => !well.includes(item) && (isMoving(item) || !isAtRest(item)))
  if (open.length > 0)
    return `of the canary ${well.length} of ${items.length} run the new image; open: ${told(open, ({ used }) => (used ? 'in use' : null))}`
  return well.length === 0 ? 'no desktop of the canary runs: start one' : undefined
}

/**
 * Whoever waits for its user, or for its next start, keeps nobody from going on; nor does one that has failed, which is
 * counted already and is tried again with longer and longer pauses.
 */
function waitOfWave(items: readonly RollOutItem[]): string | undefined {
  const busy = items.filter((item) => item.failure === null && (isMoving(item) || isDue(item)))
  return busy.length === 0 ? undefined : `${busy.length} of ${items.length} are being started anew`
}

function finish(items: readonly RollOutItem[], failed: number): RollOutStep {
  const still = items.filter(({ runs }) => runs === 'other').length
  const later = still === 0 ? '' : `, ${still} run the old one until they are ended or expire`
  const not = failed === 0 ? '' : `, ${failed} failed`
  return { do: 'finish', why: `${items.filter(isNew).length} run the new image${later}${not}` }
}

function stepBack({ settings, items, reason, sinceBackMs }: RollOutFacts): RollOutStep {
  if (sinceBackMs === null) return { do: 'turn back', why: reason }
  const fallen = items.filter(
    (item) => item.wasUp && item.failure !== null && isAtRest(item) && !item.wished && !item.backWished,
  )
  if (fallen.length > 0) return { do: 'start again', vmIds: fallen.map(({ vmId }) => vmId) }
  const late = items.filter((item) => item.runs === 'new' && isMissed(item, settings, sinceBackMs))
  if (late.length > 0) return { do: 'end boots', vmIds: late.map(({ vmId }) => vmId) }
  const open = items.filter((item) => isMoving(item) || (item.runs === 'new' && isDueNow(item)))
  if (open.length > 0 && sinceBackMs < BACK_MS)
    return { do: 'wait', why: `${open.length} are on their way back to the old image` }
  const failed = items.filter(({ backFailure }) => backFailure !== null)
  const stuck = [...open, ...failed]
  if (stuck.length > 0)
    return {
      do: 'end',
      as: 'failed',
      why: `${reason}; not back: ${told(stuck, (item) => item.backFailure)}`,
    }
  const still = items.filter((item) => item.runs === 'new')
  const later = still.length === 0 ? '' : `; ${told(still, () => 'in use')}: run the new image until they end`
  return { do: 'end', as: 'rolled back', why: `${reason}${later}` }
}

/** What to show of a desktop of a roll-out. Pure. */
export function itemState(item: RollOutItem, wave: number, isBack: boolean): JobItemState {
  if (!item.inScope) return 'left'
  if (isBack) {
    if (item.backFailure !== null) return 'failed'
    return item.runs === 'new' ? 'sent' : 'old'
  }
  if (item.failure !== null) return 'failed'
  if (item.wave > wave) return 'waiting'
  if (item.runs === 'new' || (isAtRest(item) && !isMoving(item))) return 'new'
  return 'sent'
}

/** How far a roll-out is, in words. Pure. */
export function progressOf(states: readonly JobItemState[]): string {
  const count = (...of: readonly JobItemState[]): number =>
    states.filter((state) => of.includes(state)).length
  const parts: readonly [number, string][] = [
    [count('new'), 'new'],
    [count('sent'), 'told'],
    [count('waiting'), 'waiting'],
    [count('old'), 'back'],
    [count('failed'), 'failed'],
  ]
  const said = parts.filter(([number]) => number > 0).map(([number, word]) => `${number} ${word}`)
  return said.length === 0 ? 'no desktops' : `${said.join(', ')} of ${states.length}`
}

function isAtRest({ vmState }: RollOutItem): boolean {
  return AT_REST.includes(vmState)
}

/** It was about to start when the images were changed, and got the one that it should not have: nobody uses it. */
function isMissed(item: RollOutItem, { idle }: RollOutSettings, sinceMs: number): boolean {
  const { vmState, used, hardInMs, upMs } = item
  const isOdd = idle === 'restart' && vmState === 'running' && !used && hardInMs === null
  return isOdd && upMs < sinceMs
}

/** It is on its way to somewhere. One that is lost is not: nobody knows for how long. */
function isMoving(item: RollOutItem): boolean {
  if (isAtRest(item)) return item.wished
  return item.vmState !== 'running' && item.vmState !== 'lost'
}

function isNew({ runs, vmState }: RollOutItem): boolean {
  return runs === 'new' && vmState === 'running'
}

function isDue(item: RollOutItem): boolean {
  return item.runs === 'other' && isDueNow(item)
}

function isDueNow({ vmState, hardInMs }: RollOutItem): boolean {
  return vmState === 'running' && hardInMs !== null && hardInMs <= 0
}

/** The names of some, with why, and how many more there are. */
function told(items: readonly RollOutItem[], why: (item: RollOutItem) => string | null): string {
  const some = items.slice(0, TOLD).map((item) => {
    const reason = why(item)
    return reason === null ? item.name : `${item.name} (${reason})`
  })
  return items.length > TOLD ? `${some.join(', ')} and ${items.length - TOLD} more` : some.join(', ')
}
