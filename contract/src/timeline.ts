/** The steps of a start, in order: stored with times, told to whoever waits. */
export const TIMELINE_STEPS = [
  'queued',
  'placed',
  'prepared',
  'booting',
  'agent up',
  'user ready',
  'display ready',
  'connected',
] as const

export type TimelineStep = (typeof TIMELINE_STEPS)[number]

/** One step that was reached. */
export interface TimelineEntry {
  readonly step: TimelineStep
  /** ISO 8601, from the database's clock. */
  readonly at: string
}

/** What a waiting browser gets as server-sent events while its desktop starts. */
export type StartEvent =
  | { readonly kind: 'step'; readonly step: TimelineStep; readonly at: string }
  /** What the start waits for, in place of its next step. */
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly text: string; readonly advice: string }
