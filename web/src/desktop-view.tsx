import type RFB from '@novnc/novnc'
import { useEffect, useRef, useState } from 'preact/hooks'
import { type DesktopListItem, openDisplay, sentence, startDesktop, type StartEvent } from './door.ts'
import { numberText, phrases } from './shared/language.ts'
import { stepText } from './shared/steps.ts'
import { applyScaling, ScreenTools } from './screen-tools.tsx'

const say = phrases({
  starting: ['starting the desktop …', 'iniciando el escritorio …'],
  opening: ['opening the session …', 'abriendo la sesión …'],
  again: ['Connect again', 'Volver a conectar'],
  back: ['Back to the list', 'Volver a la lista'],
  movedAdvice: ['Connect again to bring it back here.', 'Vuelva a conectar para traerlo aquí.'],
  tryAgain: ['Try again.', 'Vuelva a intentarlo.'],
  ended: ['The session has ended.', 'La sesión ha terminado.'],
  endedAdvice: ['Connect again to begin a new one.', 'Vuelva a conectar para empezar otra.'],
  lost: ['The connection was lost.', 'Se perdió la conexión.'],
  lostAdvice: [
    'The desktop goes on without you; connect again.',
    'El escritorio sigue sin usted; vuelva a conectar.',
  ],
  returning: [
    'The connection was lost. Your programs go on; connecting again in {seconds} s …',
    'Se perdió la conexión. Sus programas siguen; se vuelve a conectar en {seconds} s …',
  ],
})

/** Why a desktop is shown no longer. */
interface Ending {
  readonly text: string
  readonly advice: string
  /** A line that broke may come back by itself; whoever was told something reads it first. */
  readonly isLost: boolean
}

type Phase =
  | { readonly at: 'starting' }
  | { readonly at: 'connecting' }
  | { readonly at: 'shown'; readonly rfb: RFB }
  | { readonly at: 'returning'; readonly seconds: number }
  | ({ readonly at: 'over' } & Ending)

type Step = Extract<StartEvent, { kind: 'step' }>

const MIN_SIDE = 320
/** Close code of a desktop that was opened somewhere else: 4000 and the status of that fault. */
const MOVED = 4409
/** Seconds before each further try after a line broke; then somebody has to press a button. */
const WAITS = [1, 2, 4, 8, 15, 30] as const

/** One desktop: its start as a live timeline, then the desktop itself, then why it ended. */
export function DesktopView({ desktop, onLeave }: { desktop: DesktopListItem; onLeave: () => void }) {
  const [phase, setPhase] = useState<Phase>({ at: 'starting' })
  const [steps, setSteps] = useState<readonly Step[]>([])
  const [note, setNote] = useState('')
  const [attempt, setAttempt] = useState(0)
  const screen = useRef<HTMLDivElement>(null)
  /** Tries since it was shown last. */
  const tries = useRef(WAITS.length as number)

  useEffect(() => {
    let rfb: RFB | undefined
    let gone = false
    let timer: ReturnType<typeof setTimeout> | undefined
    setPhase({ at: 'starting' })
    setSteps([])
    setNote('')
    const end = (ending: Ending): void => {
      const seconds = ending.isLost ? WAITS[tries.current] : undefined
      if (seconds === undefined) return setPhase({ at: 'over', ...ending })
      tries.current++
      setPhase({ at: 'returning', seconds })
      timer = setTimeout(() => setAttempt(attempt + 1), seconds * 1_000)
    }
    const show = async (): Promise<void> => {
      setPhase({ at: 'connecting' })
      const { default: Rfb } = await import('@novnc/novnc')
      if (gone || screen.current === null) return
      const socket = openDisplay(desktop.id, {
        width: Math.max(MIN_SIDE, window.innerWidth),
        height: Math.max(MIN_SIDE, window.innerHeight),
      })
      const opened = new Rfb(screen.current, socket)
      rfb = opened
      applyScaling(opened)
      opened.addEventListener('connect', () => {
        tries.current = 0
        setPhase({ at: 'shown', rfb: opened })
        opened.focus()
      })
      socket.addEventListener('close', ({ code, reason }) => {
        if (!gone) end(explainClose(code, reason))
      })
    }
    const stopListening = startDesktop(desktop.id, (event) => {
      if (event.kind === 'step') setSteps((before) => [...before, event])
      // A step that follows ends what was waited for.
      if (event.kind !== 'failed') setNote(event.kind === 'note' ? event.text : '')
      if (event.kind === 'failed')
        end({ text: sentence(event.text), advice: event.advice, isLost: event.isLost ?? false })
      if (event.kind === 'ready')
        show().catch((error: unknown) => end({ text: String(error), advice: '', isLost: false }))
    })
    return () => {
      gone = true
      clearTimeout(timer)
      stopListening()
      rfb?.disconnect()
    }
  }, [desktop.id, attempt])

  return (
    <div class="desktop" data-phase={phase.at}>
      <div class="screen" ref={screen} />
      {phase.at === 'shown' ? (
        <ScreenTools rfb={phase.rfb} onLeave={onLeave} />
      ) : (
        <main class="card over">
          <h1>{desktop.name}</h1>
          {(phase.at === 'starting' || phase.at === 'connecting') && (
            <Timeline
              steps={steps}
              now={phase.at === 'starting' ? note || say('starting') : say('opening')}
            />
          )}
          {phase.at === 'returning' && <p role="status">{say('returning', { seconds: phase.seconds })}</p>}
          {phase.at === 'over' && (
            <>
              <p role="alert">{phase.text}</p>
              <p class="quiet">{phase.advice}</p>
            </>
          )}
          {(phase.at === 'over' || phase.at === 'returning') && (
            <button class="main" onClick={() => setAttempt(attempt + 1)}>
              {say('again')}
            </button>
          )}
          <button onClick={onLeave}>{say('back')}</button>
        </main>
      )}
    </div>
  )
}

/** The steps of a start with the seconds each took since the first. */
function Timeline({ steps, now }: { steps: readonly Step[]; now: string }) {
  const began = steps[0] === undefined ? 0 : Date.parse(steps[0].at)
  return (
    <ol class="timeline" aria-live="polite">
      {steps.map((step) => (
        <li key={step.step}>
          <span>{stepText(step.step)}</span>
          <span class="quiet">{numberText((Date.parse(step.at) - began) / 1_000, 1)} s</span>
        </li>
      ))}
      <li class="now">{now}</li>
    </ol>
  )
}

/** A close code is never shown bare. */
function explainClose(code: number, reason: string): Ending {
  if (code === MOVED) return { text: sentence(reason), advice: say('movedAdvice'), isLost: false }
  if (reason !== '') return { text: sentence(reason), advice: say('tryAgain'), isLost: false }
  return code === 1000 || code === 1005
    ? { text: say('ended'), advice: say('endedAdvice'), isLost: false }
    : { text: say('lost'), advice: say('lostAdvice'), isLost: true }
}
