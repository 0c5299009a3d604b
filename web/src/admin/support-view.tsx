import Rfb from '@novnc/novnc'
import { useEffect, useRef, useState } from 'preact/hooks'
import { phrases } from '../shared/language.ts'
import { problemText } from './api.ts'
import { openTunnel } from './tunnel.ts'
import { say } from './words.ts'

const sayHere = phrases({
  asking: [
    'The user is asked whether you may look on …',
    'Se pregunta al usuario si usted puede ver la sesión …',
  ],
})

/** What whoever sits at a desktop sees, once she has allowed it. */
export function SupportView({
  desktop,
  onClose,
}: {
  readonly desktop: string
  readonly onClose: () => void
}) {
  const place = useRef<HTMLDivElement>(null)
  const [note, setNote] = useState(() => sayHere('asking'))
  useEffect(() => {
    let rfb: Rfb | undefined
    let isGone = false
    const open = async (): Promise<void> => {
      const { socket, whyOver } = await openTunnel(desktop, 'support')
      if (isGone || place.current === null) return void socket.close()
      rfb = new Rfb(place.current, socket)
      rfb.scaleViewport = true
      rfb.addEventListener('connect', () => setNote(''))
      socket.addEventListener('close', (event) => {
        if (!isGone) setNote(whyOver(event))
      })
    }
    open().catch((error: unknown) => setNote(problemText(error)))
    return () => {
      isGone = true
      rfb?.disconnect()
    }
  }, [desktop])
  return (
    <section class="panel console">
      {note !== '' && <p role="status">{note}</p>}
      <div class="terminal" ref={place} />
      <button onClick={onClose}>{say('close')}</button>
    </section>
  )
}
