/** Whom we speak with. */
export interface Terminal {
  /** A line of the result. */
  print(line: string): void
  /** A line about what is going on. */
  tell(line: string): void
  /** Begins to show what goes on while somebody waits. */
  wait(): Progress
  /** Asks a question, and does not show what is typed when `hidden`; `undefined` when nobody can answer. */
  readonly ask: ((question: string, hidden?: boolean) => Promise<string>) | undefined
}

/** What goes on while somebody waits; nothing of it stays on a terminal when it is disposed of. */
export interface Progress extends Disposable {
  say(text: string): void
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 120
/** Back to the begin of the line, and everything behind it away. */
const CLEAR = '\r\u001b[K'

/** Where progress is drawn. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** On a terminal one line that lives: what happens, and for how long. Elsewhere a plain line for each new text. */
export function progressOn(screen: Screen): Progress {
  return screen.isTTY === true ? livingLine(screen) : plainLines(screen)
}

function plainLines(screen: Screen): Progress {
  let last = ''
  return {
    say: (text) => {
      if (text !== last && text !== '') screen.write(`${text}\n`)
      last = text
    },
    [Symbol.dispose]: () => {},
  }
}

function livingLine(screen: Screen): Progress {
  const began = performance.now()
  let [frame, text] = [0, '']
  const draw = (): void => {
    if (text === '') return
    const seconds = Math.floor((performance.now() - began) / 1_000)
    const line = `${FRAMES[frame++ % FRAMES.length] ?? ''} ${text}${seconds > 0 ? ` (${seconds} s)` : ''}`
    // A line that is broken could not be taken back.
    screen.write(`${CLEAR}${line.slice(0, (screen.columns ?? 80) - 1)}`)
  }
  const timer = setInterval(draw, FRAME_MS)
  return {
    say: (said) => {
      text = said
      draw()
    },
    [Symbol.dispose]: () => {
      clearInterval(timer)
      if (text !== '') screen.write(CLEAR)
    },
  }
}
