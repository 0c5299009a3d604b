import type RFB from '@novnc/novnc'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { phrases } from './shared/language.ts'

const say = phrases({
  tools: ['Tools', 'Herramientas'],
  keys: ['Keys', 'Teclas'],
  clipboard: ['Clipboard', 'Portapapeles'],
  full: ['Full screen', 'Pantalla completa'],
  leaveFull: ['Leave full screen', 'Salir de pantalla completa'],
  size: ['Size', 'Tamaño'],
  fit: ['As the window', 'Como la ventana'],
  real: ['Its own size', 'Tamaño real'],
  leave: ['Leave', 'Salir'],
  here: ['Text for the desktop, and from it', 'Texto para el escritorio, y de él'],
  give: ['Give it to the desktop', 'Darlo al escritorio'],
  take: ['Copy it on this device', 'Copiarlo en este dispositivo'],
  read: ['Take what is copied on this device', 'Tomar lo copiado en este dispositivo'],
  refused: [
    'The browser does not allow that; use the field and its own keys.',
    'El navegador no lo permite; use el campo y sus propias teclas.',
  ],
})

/** Keys that a browser keeps for itself, or a touch screen has not: their keysyms and places. */
const KEYS = [
  ['Esc', 0xff1b, 'Escape'],
  ['Tab', 0xff09, 'Tab'],
  ...Array.from({ length: 12 }, (_, at) => [`F${at + 1}`, 0xffbe + at, `F${at + 1}`] as const),
] as const
/** Those stay down until they are pressed again. */
const HELD_KEYS = [
  ['Ctrl', 0xffe3, 'ControlLeft'],
  ['Alt', 0xffe9, 'AltLeft'],
  ['⊞', 0xffeb, 'MetaLeft'],
] as const

const SCALING = 'ostler.scaling'

interface ScreenToolsProps {
  readonly rfb: RFB
  readonly onLeave: () => void
}

/** What can be done to a desktop that is shown; folded away until it is wanted. */
export function ScreenTools({ rfb, onLeave }: ScreenToolsProps) {
  const [open, setOpen] = useState<'keys' | 'clipboard'>()
  const [isFull, setFull] = useState(false)
  /** For the desktop, or from it: what was copied there before the field was unfolded is in it as well. */
  const [text, setText] = useState('')
  useEffect(() => {
    const hear = (event: Event): void => setText((event as CustomEvent<{ text: string }>).detail.text)
    rfb.addEventListener('clipboard', hear)
    return () => rfb.removeEventListener('clipboard', hear)
  }, [rfb])
  useEffect(() => {
    const look = (): void => setFull(document.fullscreenElement !== null)
    document.addEventListener('fullscreenchange', look)
    return () => document.removeEventListener('fullscreenchange', look)
  }, [])
  const toggleFull = (): void =>
    void (isFull ? document.exitFullscreen() : document.documentElement.requestFullscreen()).catch(() => {})
  const toggle = (part: 'keys' | 'clipboard'): void => setOpen(open === part ? undefined : part)
  return (
    <details class="screen-tools">
      <summary>{say('tools')}</summary>
      <div class="choice">
        <button aria-expanded={open === 'keys'} onClick={() => toggle('keys')}>
          {say('keys')}
        </button>
        <button aria-expanded={open === 'clipboard'} onClick={() => toggle('clipboard')}>
          {say('clipboard')}
        </button>
        <button onClick={toggleFull}>{say(isFull ? 'leaveFull' : 'full')}</button>
        <Scaling rfb={rfb} />
        <button onClick={onLeave}>{say('leave')}</button>
      </div>
      {open === 'keys' && <Keys rfb={rfb} />}
      {open === 'clipboard' && <Clipboard rfb={rfb} text={text} setText={setText} />}
    </details>
  )
}

/** How the picture was wanted last in this browser. */
export function applyScaling(rfb: RFB, how = localStorage.getItem(SCALING) ?? 'fit'): void {
  rfb.scaleViewport = how === 'fit'
  rfb.clipViewport = how !== 'fit'
  rfb.dragViewport = false
}

function Scaling({ rfb }: { readonly rfb: RFB }) {
  const [how, setHow] = useState(localStorage.getItem(SCALING) ?? 'fit')
  const choose = (chosen: string): void => {
    localStorage.setItem(SCALING, chosen)
    applyScaling(rfb, chosen)
    setHow(chosen)
  }
  return (
    <select aria-label={say('size')} value={how} onChange={(event) => choose(event.currentTarget.value)}>
      <option value="fit">{say('fit')}</option>
      <option value="real">{say('real')}</option>
    </select>
  )
}

function Keys({ rfb }: { readonly rfb: RFB }) {
  const [held, setHeld] = useState<ReadonlySet<number>>(new Set())
  const now = useRef(held)
  now.current = held
  // Nobody sees any more that they are down. At once: what is typed next must not meet them.
  useLayoutEffect(
    () => () => {
      for (const [, keysym, code] of HELD_KEYS) if (now.current.has(keysym)) rfb.sendKey(keysym, code, false)
    },
    [rfb],
  )
  const hold = (keysym: number, code: string): void => {
    const isDown = held.has(keysym)
    rfb.sendKey(keysym, code, !isDown)
    setHeld(new Set(isDown ? [...held].filter((each) => each !== keysym) : [...held, keysym]))
    rfb.focus()
  }
  const press = (keysym: number, code: string): void => {
    rfb.sendKey(keysym, code)
    rfb.focus()
  }
  return (
    <div class="keys">
      {HELD_KEYS.map(([name, keysym, code]) => (
        <button key={code} aria-pressed={held.has(keysym)} onClick={() => hold(keysym, code)}>
          {name}
        </button>
      ))}
      {KEYS.map(([name, keysym, code]) => (
        <button key={code} onClick={() => press(keysym, code)}>
          {name}
        </button>
      ))}
      <button onClick={() => rfb.sendCtrlAltDel()}>Ctrl+Alt+Del</button>
    </div>
  )
}

interface ClipboardProps {
  readonly rfb: RFB
  readonly text: string
  readonly setText: (text: string) => void
}

/** Nothing goes either way without a button: what was copied in the desktop never overwrites what was copied here. */
function Clipboard({ rfb, text, setText }: ClipboardProps) {
  const [isRefused, setRefused] = useState(false)
  const trying = (work: Promise<unknown>): void => {
    setRefused(false)
    work.catch(() => setRefused(true))
  }
  return (
    <div class="clipboard">
      <label>
        {say('here')}
        <textarea rows={4} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <div class="choice">
        <button onClick={() => rfb.clipboardPasteFrom(text)}>{say('give')}</button>
        <button onClick={() => trying(navigator.clipboard.writeText(text))}>{say('take')}</button>
        <button onClick={() => trying(navigator.clipboard.readText().then(setText))}>{say('read')}</button>
      </div>
      {isRefused && <p role="alert">{say('refused')}</p>}
    </div>
  )
}
