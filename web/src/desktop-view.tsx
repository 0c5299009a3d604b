import type RFB from '@novnc/novnc'
import { useEffect, useRef, useState } from 'preact/hooks'
import { type DesktopListItem, openDisplay, sentence, startDesktop, type StartEvent } from './door.ts'

type Phase =
  | { readonly at: 'starting' }
  | { readonly at: 'connecting' }
  | { readonly at: 'shown' }
  | { readonly at: 'over'; readonly text: string; readonly advice: string }

type Step = Extract<StartEvent, { kind: 'step' }>

const MIN_SIDE = 320
const STARTING = 'starting the desktop …'
const OPENING = 'opening the session …'
/** Close code of a desktop that was opened somewhere else: 4000 and the status of that fault. */
const MOVED = 4409

/** One desktop: its start as a live timeline, then the desktop itself, then why it ended. */
export function DesktopView({ desktop, onLeave }: { desktop: DesktopListItem; onLeave: () => void }) {
  const [phase, setPhase] = useState<Phase>({ at: 'starting' })
  const [steps, setSteps] = useState<readonly Step[]>([])
  const [note, setNote] = useState('')
  const [attempt, setAttempt] = useState(0)
  const screen = useRef<HTMLDivElement>(null)

  useEffect(() => {
    let rfb: RFB | undefined
    let gone = false
    setPhase({ at: 'starting' })
    setSteps([])
    setNote('')
    const show = async (): Promise<void> => {
      setPhase({ at: 'connecting' })
      const { default: Rfb } = await import('@novnc/novnc')
      if (gone || screen.current === null) return
      const socket = openDisplay(desktop.id, {
        width: Math.max(MIN_SIDE, window.innerWidth),
        height: Math.max(MIN_SIDE, window.innerHeight),
      })
      rfb = new Rfb(screen.current, socket)
      rfb.scaleViewport = true
      rfb.addEventListener('connect', () => {
        setPhase({ at: 'shown' })
        rfb?.focus()
      })
      socket.addEventListener('close', ({ code, reason }) => {
        if (!gone) setPhase({ at: 'over', ...explainClose(code, reason) })
      })
    }
    const stopListening = startDesktop(desktop.id, (event) => {
      if (event.kind === 'step') setSteps((before) => [...before, event])
      // A step that follows ends what was waited for.
      if (event.kind !== 'failed') setNote(event.kind === 'note' ? event.text : '')
      if (event.kind === 'failed') setPhase({ at: 'over', text: sentence(event.text), advice: event.advice })
      if (event.kind === 'ready')
        show().catch((error: unknown) => setPhase({ at: 'over', text: String(error), advice: '' }))
    })
    return () => {
      gone = true
      stopListening()
      rfb?.disconnect()
    }
  }, [desktop.id, attempt])

  return (
    <div class="desktop" data-phase={phase.at}>
      <div class="screen" ref={screen} />
      {phase.at !== 'shown' && (
        <main class="card over">
          <h1>{desktop.name}</h1>
          {(phase.at === 'starting' || phase.at === 'connecting') && (
            <Timeline steps={steps} now={phase.at === 'starting' ? note || STARTING : OPENING} />
          )}
          {phase.at === 'over' && (
            <>
              <p role="alert">{phase.text}</p>
              <p class="quiet">{phase.advice}</p>
              <button class="main" onClick={() => setAttempt(attempt + 1)}>
                Connect again
              </button>
            </>
          )}
          <button onClick={onLeave}>Back to the list</button>
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
          <span>{step.step}</span>
          <span class="quiet">{((Date.parse(step.at) - began) / 1000).toFixed(1)} s</span>
        </li>
      ))}
      <li class="now">{now}</li>
    </ol>
  )
}

/** A close code is never shown bare. */
function explainClose(code: number, reason: string): { text: string; advice: string } {
  if (code === MOVED) return { text: sentence(reason), advice: 'Connect again to bring it back here.' }
  if (reason !== '') return { text: sentence(reason), advice: 'Try again.' }
  return code === 1000 || code === 1005
    ? { text: 'The session has ended.', advice: 'Connect again to begin a new one.' }
    : { text: 'The connection was lost.', advice: 'The desktop goes on without you; connect again.' }
}
