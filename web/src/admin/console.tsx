import { encodeFrame, FrameParser } from '@ostler/contract/console-frames.ts'
import { FitAddon } from '@xterm/addon-fit'
import { Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import { useEffect, useRef, useState } from 'preact/hooks'
import { phrases } from '../shared/language.ts'
import { problemText } from './api.ts'
import { openTunnel } from './tunnel.ts'
import { say } from './words.ts'

const sayHere = phrases({
  title: ['Terminal of {desktop}', 'Terminal de {desktop}'],
  exit: ['The shell has ended with {code}.', 'El intérprete terminó con {code}.'],
})

interface ConsoleProps {
  readonly desktop: string
  readonly kind: 'console' | 'serial'
  readonly onClose: () => void
}

/** A terminal in a desktop: a login shell by its agent, or its serial line. */
export function Console({ desktop, kind, onClose }: ConsoleProps) {
  const place = useRef<HTMLDivElement>(null)
  const [end, setEnd] = useState('')
  useEffect(() => {
    const terminal = new Terminal({ screenReaderMode: true, scrollback: 5_000, cursorBlink: false })
    const fit = new FitAddon()
    terminal.loadAddon(fit)
    if (place.current !== null) terminal.open(place.current)
    fit.fit()
    const resized = new ResizeObserver(() => fit.fit())
    if (place.current !== null) resized.observe(place.current)
    const gone = new AbortController()
    let close = (): void => {}
    carry(terminal, desktop, kind, { setEnd, onOpen: (how) => (close = how), signal: gone.signal }).catch(
      (error: unknown) => setEnd(problemText(error)),
    )
    return () => {
      gone.abort()
      close()
      resized.disconnect()
      terminal.dispose()
    }
  }, [desktop, kind])
  return (
    <section class="panel console">
      <div class="terminal" ref={place} role="application" aria-label={sayHere('title', { desktop })} />
      {end !== '' && <p role="alert">{end}</p>}
      <button onClick={onClose}>{say('close')}</button>
    </section>
  )
}

interface Life {
  readonly setEnd: (text: string) => void
  readonly onOpen: (close: () => void) => void
  readonly signal: AbortSignal
}

/** Joins a terminal and a tunnel. A console speaks in frames, a serial line in bare bytes. */
async function carry(
  terminal: Terminal,
  desktop: string,
  kind: ConsoleProps['kind'],
  { setEnd, onOpen, signal }: Life,
): Promise<void> {
  const { socket, whyOver } = await openTunnel(desktop, kind, kind === 'console' ? 'root' : undefined)
  if (signal.aborted) return void socket.close()
  onOpen(() => socket.close())
  const isFramed = kind === 'console'
  const text = new TextEncoder()
  const send = (bytes: Uint8Array): void => {
    if (socket.readyState === WebSocket.OPEN) socket.send(new Uint8Array(bytes))
  }
  const tellSize = (): void => {
    if (isFramed) send(encodeFrame({ type: 'size', size: { columns: terminal.cols, rows: terminal.rows } }))
  }
  const frames = new FrameParser()
  let exit: string | undefined
  socket.addEventListener('open', () => {
    tellSize()
    terminal.focus()
  })
  socket.addEventListener('message', ({ data }: MessageEvent<ArrayBuffer>) => {
    const bytes = new Uint8Array(data)
    if (!isFramed) return void terminal.write(bytes)
    for (const frame of frames.push(bytes)) {
      if (frame.type === 'data') terminal.write(frame.bytes)
      if (frame.type === 'note') terminal.writeln(frame.text)
      if (frame.type === 'exit') exit = sayHere('exit', { code: frame.code })
    }
  })
  socket.addEventListener('close', (event) => {
    if (!signal.aborted) setEnd(exit ?? whyOver(event))
  })
  terminal.onData((typed) => {
    const bytes = text.encode(typed)
    send(isFramed ? encodeFrame({ type: 'data', bytes }) : bytes)
  })
  terminal.onResize(tellSize)
}
