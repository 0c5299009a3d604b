import type { TimelineStep } from '@ostler/contract/timeline.ts'
import { type Phrase, phrases } from './language.ts'

const say = phrases({
  queued: ['queued', 'en cola'],
  placed: ['placed', 'asignado a un nodo'],
  prepared: ['prepared', 'preparado'],
  booting: ['booting', 'arrancando'],
  'agent up': ['agent up', 'agente listo'],
  'user ready': ['user ready', 'usuario listo'],
  'display ready': ['display ready', 'pantalla lista'],
  connected: ['connected', 'conectado'],
} satisfies Record<TimelineStep, Phrase>)

/** A step of a start in the reader's language. */
export function stepText(step: string): string {
  return say(step as TimelineStep)
}
