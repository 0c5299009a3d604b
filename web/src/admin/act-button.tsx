import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { problemText } from './api.ts'

interface ActButtonProps {
  readonly act: () => Promise<unknown>
  readonly children: ComponentChildren
  readonly disabled?: boolean
  readonly main?: boolean
}

/** A button whose failure is told beside it. */
export function ActButton({ act, children, disabled = false, main = false }: ActButtonProps) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const press = (): void => {
    setBusy(true)
    setProblem('')
    act()
      .catch((error: unknown) => setProblem(problemText(error)))
      .finally(() => setBusy(false))
  }
  return (
    <>
      <button class={main ? 'main' : ''} disabled={disabled || busy} onClick={press}>
        {children}
      </button>
      {problem !== '' && <p role="alert">{problem}</p>}
    </>
  )
}
