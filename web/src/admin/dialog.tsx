import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { problemText } from './api.ts'
import { say } from './words.ts'

interface DialogProps {
  readonly title: string
  readonly onClose: () => void
  readonly children: ComponentChildren
}

/** A dialog of the browser's own: it keeps the focus inside, and Escape closes it. */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children}
    </dialog>
  )
}

/** A field of a form. */
export interface Field {
  readonly name: string
  readonly label: string
  readonly isSecret?: boolean
  /** Values to choose from. */
  readonly options?: readonly string[]
  readonly value?: string
  readonly required?: boolean
  readonly hint?: string
}

interface FormDialogProps {
  readonly title: string
  readonly fields: readonly Field[]
  readonly action: string
  readonly onClose: () => void
  /** What was filled in: empty fields are left out. It closes when this has been done. */
  readonly onSubmit: (said: Readonly<Record<string, string>>) => Promise<unknown>
}

/** A form in a dialog; a failure is told beside it and nothing is lost. */
export function FormDialog({ title, fields, action, onClose, onSubmit }: FormDialogProps) {
  const [problem, setProblem] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const form = new FormData(event.currentTarget as HTMLFormElement)
    const said = Object.fromEntries(
      [...form].filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== ''),
    )
    setBusy(true)
    setProblem('')
    onSubmit(said)
      .then(onClose)
      .catch((error: unknown) => {
        setProblem(problemText(error))
        setBusy(false)
      })
  }
  return (
    <Dialog title={title} onClose={onClose}>
      <form onSubmit={submit}>
        {fields.map((field) => (
          <FormField key={field.name} {...field} />
        ))}
        {problem !== '' && <p role="alert">{problem}</p>}
        <div class="choice">
          <button class="main" disabled={busy}>
            {busy ? say('working') : action}
          </button>
          <button type="button" onClick={onClose}>
            {say('cancel')}
          </button>
        </div>
      </form>
    </Dialog>
  )
}

function FormField({ name, label, isSecret = false, options, value, required = false, hint }: Field) {
  const said = { name, required, spellcheck: false, ...(value === undefined ? {} : { defaultValue: value }) }
  const input = isSecret ? (
    <input {...said} type="password" autocomplete="new-password" />
  ) : (
    <input {...said} autocomplete="off" />
  )
  return (
    <label>
      {label}
      {options === undefined ? (
        input
      ) : (
        <select name={name} required={required}>
          {options.map((option) => (
            <option key={option} value={option} selected={option === value}>
              {option}
            </option>
          ))}
        </select>
      )}
      {hint !== undefined && <span class="quiet">{hint}</span>}
    </label>
  )
}
